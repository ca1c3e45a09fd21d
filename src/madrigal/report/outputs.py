"""The heart of the page: what each model answered, example by example, on a budget of bytes.

Every example counts in the tallies; only some travel with the page. The places go in turn to a
uniform random sample, to the largest losses and gains against each reference, and to what could
not be parsed: the worst is there to be read, and the random sample stays honest.
"""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

from madrigal.report.examples import Answer, Example, read_examples, variants_of
from madrigal.report.folder import Json, RunFolder
from madrigal.report.scoreboard import BASE, FEW_SHOT, SINGLE, Scoreboard, label

SAMPLE_SEED = 0
_PROMPT, _TARGET, _OUTPUT = 900, 500, 900  # characters shown of each
_TARGETS = 5
_MOST_ROWS = 150  # of one task


def reading(run: RunFolder, board: Scoreboard, budget: int, problems: list[str]) -> Json:
    """The data of the section, at most about `budget` bytes of JSON; empty without predictions."""
    variants = variants_of(run, board)
    if not variants:
        return {}
    final = board.last if board.last in variants else variants[-1]
    names = dict.fromkeys(task.name for task in board.tasks)
    names |= dict.fromkeys(sorted(set(chain.from_iterable(run.predictions.values()))))
    names = [name for name in names if any(name in run.predictions[v] for v in variants)]
    tasks, rows = {}, []
    for name in names:
        examples = read_examples(run, name, variants, final, problems)
        picked, sampled = pick(examples, final, budget // len(names))
        rows += [_row(example, example.id in sampled) for example in picked]
        tasks[name] = _task(run, name, final, examples, len(picked))
    first = [variant for variant in (SINGLE, BASE) if variant in variants and variant != final]
    return {
        "seed": SAMPLE_SEED,
        "variants": {variant: _long_label(variant, final) for variant in variants},
        "final": final,
        "references": first + [v for v in variants if v not in (*first, final)],
        "columns": [variant for variant in variants if variant in (BASE, SINGLE, final)],
        "tasks": tasks,
        "rows": rows,
    }


def _long_label(variant: str, final: str) -> str:
    if variant in (BASE, FEW_SHOT, SINGLE):
        return label(variant)
    return "multi-task" if variant == final else f"after {label(variant)}"


def pick(
    examples: Sequence[Example], final: str, budget: int
) -> tuple[list[Example], frozenset[str]]:
    """The examples that travel with the page, and the ids of the random sample among them."""
    shuffled = list(examples)
    random.Random(SAMPLE_SEED).shuffle(shuffled)
    picked: set[str] = set()
    sampled: set[str] = set()
    spent = 0
    for example, by_chance in _claims(examples, shuffled, final):
        cost = 0 if example.id in picked else _cost(example)
        if cost and (spent + cost > budget or len(picked) >= _MOST_ROWS):
            break
        spent += cost
        picked.add(example.id)
        if by_chance:
            sampled.add(example.id)
    return [example for example in examples if example.id in picked], frozenset(sampled)


def _claims(
    examples: Sequence[Example], shuffled: Sequence[Example], final: str
) -> Iterator[tuple[Example, bool]]:
    """Examples in the order of their claim to a place; True for those that chance drew."""
    queues = [[(example, True) for example in shuffled]]
    for reference in (SINGLE, BASE):
        moved = [example for example in examples if example.change.get(reference)]
        moved.sort(key=lambda e: (e.change[reference], e.belief_change(reference, final)))
        queues.append([(example, False) for example in moved if example.change[reference] < 0])
        queues.append([(e, False) for e in reversed(moved) if e.change[reference] > 0])
    unparsed = [e for e in examples if final in e.answers and not e.answers[final].parsed]
    queues.append([(example, False) for example in unparsed])
    for turn in zip_longest(*queues):
        yield from (claim for claim in turn if claim is not None)


def _cost(example: Example) -> int:
    return len(json.dumps(_row(example, True), ensure_ascii=False).encode(errors="replace"))


def _row(example: Example, sampled: bool) -> dict[str, Any]:
    """Short keys: they stand in the page some thousand times."""
    row: dict[str, Any] = {
        "t": example.task,
        "i": example.id,
        "w": example.where,
        "p": middle_out(example.prompt, _PROMPT),
        "g": [target[:_TARGET] for target in example.targets[:_TARGETS]],
        "o": {variant: _output(answer) for variant, answer in example.answers.items()},
        "c": {variant: round(change, 6) for variant, change in example.change.items()},
    }
    if len(example.targets) > _TARGETS:
        row["more"] = len(example.targets) - _TARGETS
    if sampled:
        row["r"] = 1
    return row


def _output(answer: Answer) -> dict[str, Any]:
    packed: dict[str, Any] = {"x": answer.text[:_OUTPUT], "s": answer.shown}
    if len(answer.text) > _OUTPUT:
        packed["cut"] = len(answer.text) - _OUTPUT
    if answer.belief is not None:
        packed["b"] = round(answer.belief, 3)
    if not answer.parsed:
        packed["u"] = 1
    return packed


def middle_out(text: str, limit: int) -> str:
    """The start and the end: a prompt's last line says what was asked."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    left_out = f"{len(text) - head - tail:,}"
    return f"{text[:head]} […{left_out} characters left out…] {text[-tail:]}"


def _task(run: RunFolder, name: str, final: str, examples: Sequence[Example], shown: int) -> Json:
    references = sorted({variant for example in examples for variant in example.change})
    unparsed = sum(not e.answers[final].parsed for e in examples if final in e.answers)
    file = run.predictions[final].get(name)
    return {
        "total": len(examples),
        "shown": shown,
        "unparsed": unparsed,
        "file": file.relative_to(run.path).as_posix() if file else "",
        "counts": {variant: _counts(examples, variant) for variant in references},
    }


def _counts(examples: Sequence[Example], reference: str) -> Json:
    changes = [e.change[reference] for e in examples if reference in e.change]
    return {
        "won": sum(change > 0 for change in changes),
        "lost": sum(change < 0 for change in changes),
        "tied": sum(change == 0 for change in changes),
    }
