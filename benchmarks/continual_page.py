"""The table of `continual.py`: intervals over few runs, who is surely better, and its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from madrigal.evaluation.paired import holm
from madrigal.evaluation.parts import Part

LEVEL = 0.05
REFERENCE = "sequential"
REPLAY = "replay 10 %"  # what the other rows are also set against
HEADS = {"lora": "LoRA of rank 16", "full": "Full fine-tuning"}


@dataclass(frozen=True)
class Estimate:
    """A mean over runs with its 95 % interval, and the two-sided p of no difference from 0."""

    mean: float
    low: float
    high: float
    p: float
    freedom: float | None  # degrees of freedom; None: as a normal distribution
    runs: tuple[float, ...]


def estimate(parts: Sequence[Part]) -> Estimate:
    """Student's t for the mean of few runs that were tested on the same examples.

    With s^2 the variance between the R runs' values, and v that of their mean when the examples are
    drawn anew (bootstrap), the standard error is e = sqrt(s^2 / R + v), and its degrees of freedom
    are e^4 / ((s^2 / R)^2 / (R - 1)) (Satterthwaite, 1946; v is as good as known). What a run does
    to single examples is in both, so the interval is a little too wide.
    """
    joined = np.stack([part.joined for part in parts])
    values, count = joined[:, 0], len(joined)
    between = values.var(ddof=1) / count
    error = between + joined[:, 1:].mean(axis=0).var(ddof=1)
    mean = float(values.mean())
    runs = tuple(map(float, values))
    if error == 0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0 else 0.0, None, runs)
    freedom = float(error**2 / (between**2 / (count - 1))) if between > 0 else None
    law = student(np.inf if freedom is None else freedom)
    half = float(law.ppf(0.975) * np.sqrt(error))
    p = float(2 * law.sf(abs(mean) / np.sqrt(error)))
    return Estimate(mean, mean - half, mean + half, p, freedom, runs)


@dataclass(frozen=True)
class Costs:
    """Operations of training and retention and of training alone, and bytes."""

    flops: float
    own_flops: float
    held: int  # by retention in the steps of the stage that holds the most
    peak: int  # the most that a remedy needed more while it worked at a stage's end
    kept: int  # on the disk
    model: int  # of what is trained, at inference


@dataclass(frozen=True)
class Result:
    """A row's measures over its runs, and its paired differences to two other rows."""

    tuned: str
    trials: Mapping[str, float]
    average: Estimate
    learning_accuracy: Estimate
    bwt: Estimate | None
    difference: Estimate
    against_replay: Estimate | None
    seconds: float  # processor time against the reference's, median of pairs
    costs: Costs | None  # of rows that learn in sequence


def sure(results: Mapping[str, Result], against: str, name: str) -> dict[str, bool]:
    """Which rows differ from `against` after Holm's correction for all rows."""
    found = {title: getattr(one, name) for title, one in results.items() if title != against}
    known = {title: one for title, one in found.items() if one is not None}
    ps = holm([one.p for one in known.values()])
    return {title: p <= LEVEL for title, p in zip(known, ps, strict=True)}


def said(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return ""
    numbers = (f"{100 * x:{sign}.1f}" for x in (found.mean, found.low, found.high))
    return "{} ({} to {})".format(*numbers)


def _ranked(results: Mapping[str, Result]) -> list[tuple[str, Result]]:
    return sorted(results.items(), key=lambda one: -one[1].average.mean)


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in every)


def table(results: Mapping[str, Result]) -> str:
    plain, replay = sure(results, REFERENCE, "difference"), sure(results, REPLAY, "against_replay")
    rows = [
        [
            title,
            said(found.average),
            "" if title == REFERENCE else said(found.difference, "+"),
            "yes" if plain.get(title) else "",
            "" if title == REPLAY else said(found.against_replay, "+"),
            "yes" if replay.get(title) else "",
            said(found.bwt, "+"),
            said(found.learning_accuracy),
            found.tuned,
            str(len(found.average.runs)),
        ]
        for title, found in _ranked(results)
    ]
    head = ["", "average", "minus sequential", "sure", f"minus {REPLAY}", "sure", "BWT"]
    return _lines([*head, "learning accuracy", "tuned", "runs"], rows)


def cost_table(results: Mapping[str, Result]) -> str:
    rows = [
        [title, said(found.difference, "+") if title != REFERENCE else "", *_costs(found)]
        for title, found in _ranked(results)
        if found.costs is not None
    ]
    head = ["", "average minus sequential", "time", "FLOPs", "held", "peak", "kept", "model"]
    return _lines(head, rows)


def _costs(found: Result) -> list[str]:
    costs = found.costs
    assert costs is not None
    sizes = (costs.held, costs.peak, costs.kept, costs.model)
    ratio = costs.flops / costs.own_flops
    return [f"{found.seconds:.2f}", f"{ratio:.2f}", *(f"{size / 1e6:.1f}" for size in sizes)]


NOTES = """\
Percent; differences in points, between runs of one seed and order (joint and single-task models \
have no order: their runs are set against the mean of both orders). 95 % intervals are Student's, \
over runs and test examples. Sure: after Holm's correction over the rows of a table. Every row was \
tuned with three trials, of its learning rate or its strength; sequential training in full with \
one more, a lower rate. Tuned: the chosen one.

Time: processor seconds of training and all that retention does, against sequential training, \
median of pairs. FLOPs: of training and retention against training alone, by formula, in the \
first run. Megabytes: held by retention in the steps of the stage that holds the most; the most \
that memory rose while a remedy worked at a stage's end (measured); kept on the disk \
in the whole run; of what is trained, at inference. Sizes, and what is computed at the \
ends of stages, are from a run of two steps a stage. Made by `python benchmarks/continual.py`.
"""


def page(results: Mapping[str, Mapping[str, Result]]) -> str:
    parts = []
    for name, found in results.items():
        if found:
            parts.append(f"## {HEADS[name]}\n\n{table(found)}")
            if any(one.costs for one in found.values()):
                parts.append(f"### What it cost\n\n{cost_table(found)}")
    return "\n".join([*parts, NOTES])
