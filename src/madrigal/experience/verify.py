"""Rewards that follow from the text alone: verifiers, patterns, functions of the user's."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from madrigal.errors import DataError, RunStopped
from madrigal.evaluation.parse import plain
from madrigal.experience.answer import Answer, Part, Partly, Reward

_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")

_SAID = 120  # characters of what a function said as it failed

# Prompts, answers, accepted answers of each prompt; rewards.
Function = Callable[[list[str], list[str], list[tuple[str, ...]]], Sequence[float]]


def exact(answers: Sequence[Answer]) -> Float[np.ndarray, " R"]:
    """1 where the text is an accepted answer, as `exact_match` compares them, else 0."""
    return _each(
        answers, lambda one: plain(one.text) in {plain(t) for t in one.prompt.record.answers}
    )


def number(tolerance: float) -> Reward:
    """1 where the last number of the text is that of an accepted answer, within `tolerance`."""

    def right(one: Answer) -> bool:
        said = last_number(one.text)
        wanted = (last_number(text) for text in one.prompt.record.answers)
        if said is None:
            return False
        return any(w is not None and abs(said - w) <= tolerance for w in wanted)

    return lambda answers: _each(answers, right)


def last_number(text: str) -> float | None:
    """The last number in a text; commas between digits are left out."""
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def pattern(expression: str) -> Reward:
    """1 where the regular expression is found in the text, else 0.

    Raises:
        DataError: it is none.
    """
    try:
        wanted = re.compile(expression)
    except (re.error, OverflowError, RecursionError) as problem:
        raise DataError(
            f"reward.pattern: {expression!r} is no regular expression of Python ({problem}); mend "
            "it, or put a backslash before what is meant as it stands"
        ) from problem
    return lambda answers: _each(answers, lambda one: wanted.search(one.text) is not None)


def length(answers: Sequence[Answer]) -> Float[np.ndarray, " R"]:
    """The number of tokens."""
    return np.array([float(len(one.tokens)) for one in answers])


def _each(answers: Sequence[Answer], right: Callable[[Answer], bool]) -> Float[np.ndarray, " R"]:
    return np.array([float(right(one)) for one in answers])


def found_function(name: str, root: Path) -> Function:
    """The function that `module.function` names, of what is installed or stands in `root`.

    Raises:
        DataError: there is no such module or function.
    """
    module, _, last = name.rpartition(".")
    try:
        with _beside(root):
            held = importlib.import_module(module)
    except (Exception, SystemExit) as problem:  # whatever a user's module does when it is run
        raise DataError(
            f"reward.name: {module} cannot be imported ({type(problem).__name__}: {problem}); it "
            f"is looked for among what is installed and in {root}"
        ) from problem
    function: Any = getattr(held, last, None)
    if callable(function):
        return cast("Function", function)
    raise DataError(f"reward.name: {module} has no function {last!r}")


@contextmanager
def _beside(root: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(root.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before


def by_function(function: Function) -> Part:
    """The numbers that a user's function gives; not a number for an answer where it fails.

    It is asked about all answers at once and, where that fails or gives another number of rewards,
    about each alone.
    """

    def rewards(answers: Sequence[Answer]) -> Partly:
        try:
            return _asked(function, answers)
        except RunStopped:  # nobody can be asked for now, and that is no answer's fault
            raise
        except (Exception, SystemExit):  # it may raise anything, and one answer may be why
            each = [_alone(function, one) for one in answers]
        why = {n: one.why[0] for n, one in enumerate(each) if one.why}
        return Partly(np.concatenate([np.zeros(0), *(one.score for one in each)]), why)

    return rewards


def _asked(function: Function, answers: Sequence[Answer]) -> Partly:
    given = function(
        [one.prompt.record.prompt for one in answers],
        [one.text for one in answers],
        [one.prompt.record.answers for one in answers],
    )
    found = np.array([float(x) for x in given])
    if len(found) != len(answers):
        raise ValueError(f"{len(found)} rewards for {len(answers)} answers")
    known = np.isfinite(found)
    why = {n: f"it gave {found[n]}" for n in np.flatnonzero(~known).tolist()}
    return Partly(np.where(known, found, np.nan), why)


def _alone(function: Function, answer: Answer) -> Partly:
    try:
        return _asked(function, [answer])
    except RunStopped:
        raise
    except (Exception, SystemExit) as problem:
        said = (str(problem).splitlines() or [""])[0][:_SAID]
        why = f"{type(problem).__name__}: {said}" if said else type(problem).__name__
        return Partly(np.array([np.nan]), {0: why})
