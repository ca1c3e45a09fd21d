"""A file holds one idea, a function fits on a screen."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 60

# Path below src/madrigal, and why it may be longer than the rest.
LONG_FILES: dict[str, str] = {}
# Path and function, and why.
LONG_FUNCTIONS: dict[str, str] = {}


def short(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "madrigal").as_posix()


def long_files() -> set[str]:
    return {
        short(path)
        for path in FILES
        if len(path.read_text(encoding="utf-8").splitlines()) >= LONGEST_FILE
    }


def long_functions() -> set[str]:
    return {
        f"{short(path)}:{node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 >= LONGEST_FUNCTION
    }


def test_files_are_found():
    assert len(FILES) > 50


@pytest.mark.parametrize(
    ("found", "allowed"),
    [(long_files, LONG_FILES), (long_functions, LONG_FUNCTIONS)],
    ids=["files", "functions"],
)
def test_only_what_is_listed_is_long(found, allowed):
    assert found() == set(allowed), "too long, or no longer long: correct the code or the list"


def test_every_exception_has_a_reason():
    assert all(len(reason) > 20 for reason in (*LONG_FILES.values(), *LONG_FUNCTIONS.values()))


def test_rooms_are_two_levels_deep_at_most():
    too_deep = [short(path) for path in FILES if len(path.relative_to(ROOT / "src").parts) > 4]
    assert not too_deep
