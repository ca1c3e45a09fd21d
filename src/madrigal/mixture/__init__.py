"""Mixtures: which examples of which task at which step."""

from madrigal.mixture.build import build_source
from madrigal.mixture.row import Draw, Source
from madrigal.mixture.size import TaskSize
from madrigal.mixture.source import Achieved, Mixture

__all__ = ["Achieved", "Draw", "Mixture", "Source", "TaskSize", "build_source"]
