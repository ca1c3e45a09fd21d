"""Studies of `benchmarks/`, as modules that tests may take parts of."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def bench(name: str) -> ModuleType:
    """A module of `benchmarks/`, which finds its neighbours there while it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        return importlib.import_module(name)
