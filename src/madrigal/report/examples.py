"""The evaluated examples of a run, with the answers of all models laid side by side."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from madrigal.report.folder import Json, RunFolder, read_lines
from madrigal.report.numbers import mapping, number, plain
from madrigal.report.scoreboard import BASE, FEW_SHOT, SINGLE, Scoreboard


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model gave for one example."""

    text: str
    merit: float  # the example's own score, from 0 to 1, higher is better
    shown: str  # the example's own score in words
    parsed: bool
    belief: float | None  # share of the choices' likelihood on the target, before normalisation


@dataclass(frozen=True, slots=True)
class Example:
    """One example with the answers of all variants that saw it."""

    task: str
    id: str
    where: str
    prompt: str
    targets: tuple[str, ...]
    answers: Mapping[str, Answer]
    change: Mapping[str, float]  # merit of the final model minus the reference's; 0 is tied

    def belief_change(self, reference: str, final: str) -> float:
        """How far the likelihood of the target moved: orders examples whose score moved alike."""
        before, after = (self.answers[variant].belief for variant in (reference, final))
        return after - before if before is not None and after is not None else 0.0


def variants_of(run: RunFolder, board: Scoreboard) -> tuple[str, ...]:
    """Folders of predictions in the order of reading: base, few-shot, single, the stages."""
    return tuple(sorted(run.predictions, key=lambda name: (_rank(name, board), name)))


def _rank(name: str, board: Scoreboard) -> int:
    fixed = (BASE, FEW_SHOT, SINGLE)
    if name in fixed:
        return fixed.index(name)
    return 3 + (board.stages.index(name) if name in board.stages else len(board.stages))


def read_examples(
    run: RunFolder, task: str, variants: Sequence[str], final: str, problems: list[str]
) -> list[Example]:
    """All examples of a task. An id that occurs twice is told apart by its occurrence."""
    by_variant = {
        variant: _numbered(read_lines(file, run.path, problems))
        for variant in variants
        if (file := run.predictions[variant].get(task)) is not None
    }
    keys = dict.fromkeys(chain.from_iterable(by_variant.values()))
    return [_example(task, key, by_variant, final) for key in keys]


def _numbered(rows: Iterable[Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for row in rows:
        name, again = str(row.get("id", "")), 2
        key = name
        while key in found:
            key, again = f"{name}~{again}", again + 1
        found[key] = row
    return found


def _example(
    task: str, key: str, by_variant: Mapping[str, Mapping[str, Json]], final: str
) -> Example:
    rows = {variant: rows[key] for variant, rows in by_variant.items() if key in rows}
    first = rows.get(final) or next(iter(rows.values()))
    targets = tuple(str(target) for target in first.get("targets") or ())
    answers = {variant: _answer(row, targets) for variant, row in rows.items()}
    return Example(
        task=task,
        id=key,
        where=str(first.get("where", "")),
        prompt=str(first.get("prompt", "")),
        targets=targets,
        answers=answers,
        change=_change(answers, final),
    )


def _change(answers: Mapping[str, Answer], final: str) -> Mapping[str, float]:
    last = answers.get(final)
    if last is None:
        return {}
    moved = {name: last.merit - answer.merit for name, answer in answers.items() if name != final}
    return {name: change if abs(change) > 1e-9 else 0.0 for name, change in moved.items()}


def _answer(row: Json, targets: Sequence[str]) -> Answer:
    nats, tokens = number(row.get("nats")), number(row.get("tokens"))
    merit = number(row.get("score")) or 0.0
    if row.get("kind") == "text" and nats is not None and tokens:
        shown = f"perplexity {plain(math.exp(min(nats / tokens, 50)), 'perplexity')}"
        return Answer("", merit, shown, True, None)
    shown = "right" if merit == 1 else "wrong" if merit == 0 else plain(merit, "")
    belief = _belief(row.get("choices"), targets)
    return Answer(str(row.get("output", "")), merit, shown, row.get("parsed") is not False, belief)


def _belief(choices: Any, targets: Sequence[str]) -> float | None:
    pairs = mapping(choices).items()
    known = {text: nats for text, raw in pairs if (nats := number(raw)) is not None}
    if not any(target in known for target in targets):
        return None
    top = max(known.values())
    mass = {text: math.exp(nats - top) for text, nats in known.items()}
    return sum(mass.get(target, 0.0) for target in set(targets)) / sum(mass.values())
