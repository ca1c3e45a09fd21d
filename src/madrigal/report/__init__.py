"""From the files of a run folder to pages that a person reads. Knows no model."""

from madrigal.report.card import model_card
from madrigal.report.console import closing_table
from madrigal.report.page import write_report

__all__ = ["closing_table", "model_card", "write_report"]
