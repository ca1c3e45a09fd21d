"""Answers that a model writes to held-out prompts: their length, repetition, and whether they end.

What people judged says nothing of what a model writes by itself, and that is where a preference
stage goes wrong first: answers grow, turn in circles, or never end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from madrigal.evaluation.intervals import Resampling, wilson
from madrigal.evaluation.means import mean_over_examples
from madrigal.evaluation.plan import BASE, Plan
from madrigal.evaluation.row_files import read_rows, write_rows

GRAM = 4  # tokens whose return counts as repetition


@dataclass(frozen=True, slots=True)
class Written:
    """One answer: its text, its tokens without the end token, and what share of it came before."""

    id: str
    cluster: str
    prompt: str
    output: str
    tokens: int
    ended: bool
    repeated: float


Writings = Mapping[str, Mapping[str, Sequence[Written]]]  # by row of the score matrix, then task


def repeated(tokens: Sequence[int], gram: int = GRAM) -> float:
    """1 - (different n-grams) / (n-grams) of an answer, seq-rep-n of Welleck et al., 2020.

    0 where it is shorter than two of them. n is `gram`, in tokens.
    """
    grams = [tuple(tokens[i : i + gram]) for i in range(len(tokens) - gram + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def write_written(path: Path, rows: Sequence[Written]) -> None:
    """Write the answers as JSON lines: all of them or, after a crash, none."""
    write_rows(path, [asdict(row) for row in rows])


def read_written_of(run: Path) -> dict[str, dict[str, list[Written]]]:
    """All answers in a run's `written` folder, by row, then task; empty where there are none."""
    return read_rows(run / "written", "written answers", lambda row: Written(**row))


def writing(found: Writings, plan: Plan) -> dict[str, Any]:
    """`written` by row and task: means, and the paired change against the row before it."""
    told: dict[str, dict[str, Any]] = {}
    for task in plan.metrics:
        there = [row for row in (BASE, *plan.learned) if found.get(row, {}).get(task)]
        for row in there:
            told.setdefault(row, {})[task] = _level(task, found[row][task], plan.resampling)
        for before, after in pairwise(there):
            changes = _changes(task, found[before][task], found[after][task], plan.resampling)
            told[after][task] |= {"from": before, "changes": changes}
    return {"written": told} if told else {}


def _level(task: str, rows: Sequence[Written], resampling: Resampling) -> dict[str, Any]:
    names = [(row.cluster, row.id) for row in rows]
    ended = sum(row.ended for row in rows)
    low, high = wilson(ended, len(rows), resampling.confidence)
    each = {
        name: asdict(mean_over_examples(task, names, values, resampling))
        for name, values in _numbers(rows).items()
    }
    return {"n": len(rows), **each, "ended": {"value": ended / len(rows), "low": low, "high": high}}


def _changes(
    task: str, before: Sequence[Written], after: Sequence[Written], resampling: Resampling
) -> dict[str, Any]:
    earlier = {row.id: row for row in before}
    now = [row for row in after if row.id in earlier]
    if not now:
        return {}
    then = [earlier[row.id] for row in now]
    names = [(row.cluster, row.id) for row in now]
    first, second = _numbers(then), _numbers(now)
    moves = {n: [b - a for a, b in zip(first[n], second[n], strict=True)] for n in first}
    return {n: asdict(mean_over_examples(task, names, m, resampling)) for n, m in moves.items()}


def _numbers(rows: Sequence[Written]) -> dict[str, list[float]]:
    tokens = [float(row.tokens) for row in rows]
    return {"tokens": tokens, "repeated": [float(row.repeated) for row in rows]}
