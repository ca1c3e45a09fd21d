"""Answers that a filter keeps from people: in the rows of predictions, and counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from madrigal.audit.verdict import Filter
from madrigal.evaluation.intervals import wilson
from madrigal.evaluation.metrics import scored
from madrigal.evaluation.plan import Plan, Predictions
from madrigal.evaluation.prediction import Prediction


def through(filter_: Filter, rows: Sequence[Prediction], metric: str) -> list[Prediction]:
    """Generated answers as people get them: where the question or the answer is blocked, what is
    said in its place, and that is scored. Rows of other kinds stay as they are."""
    written = [row for row in rows if row.kind == "answer"]
    asked = filter_.verdicts([row.prompt for row in written], side="input")
    prompts = [row.prompt for row in written]
    said = filter_.verdicts([row.output for row in written], prompts)
    found = iter(zip(asked, said, strict=True))
    return [
        row if row.kind != "answer" else _seen(row, filter_.instead, metric, *next(found))
        for row in rows
    ]


def _seen(row: Prediction, instead: str, metric: str, *verdicts: Any) -> Prediction:
    rules = tuple(
        dict.fromkeys(one.rule for v in verdicts for one in v.findings if one.found and one.blocks)
    )
    if not rules:
        return replace(row, blocked=())
    seen = replace(row, output=instead, blocked=rules, unfiltered=row.output, parsed=True)
    return scored(seen, metric)


def filtered(predictions: Predictions, order: Sequence[str], plan: Plan) -> dict[str, Any]:
    """`filtered` by row of the matrix and task: the share of answers that a filter blocked, with
    Wilson's interval, and how many each rule blocked; nothing where no filter looked."""
    found: dict[str, dict[str, Any]] = {}
    for stage in order:
        for task, rows in predictions[stage].items():
            looked = [row.blocked for row in rows if row.blocked is not None]
            if looked and task in plan.metrics:
                found.setdefault(stage, {})[task] = _share(looked, plan.resampling.confidence)
    return {"filtered": found} if found else {}


def _share(looked: Sequence[tuple[str, ...]], confidence: float) -> Mapping[str, Any]:
    blocked = sum(map(bool, looked))
    low, high = wilson(blocked, len(looked), confidence)
    rules = Counter(rule for one in looked for rule in one)
    share = {"value": blocked / len(looked), "low": low, "high": high}
    return {"n": len(looked), **share, "rules": dict(sorted(rules.items()))}
