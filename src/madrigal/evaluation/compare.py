"""Finished runs side by side, paired on their examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Drawn, Resampling, Score, alpha_of, drawn
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.paired import Difference, difference, holm
from madrigal.evaluation.parts import Summary
from madrigal.evaluation.plan import BASE, Plan
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.scores_file import read_plan, read_predictions_of
from madrigal.evaluation.unified import Scale, unified, unified_gain

Rows = Mapping[str, Sequence[Prediction]]  # by task


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """A run against the first one on one task; `p_holm` is adjusted for the whole table."""

    run: str
    task: str
    metric: str
    direction: str
    first: Score
    second: Score
    difference: Difference
    p_holm: float
    confidence: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval leaves 0 out and Holm's p agrees; or `unclear`."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "unclear"
        if self.p_holm > alpha_of(self.confidence):
            return "unclear"
        return (
            "better"
            if (self.difference.difference > 0) == (self.direction == "higher")
            else "worse"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs compared with the first of them.

    `unified` is each run's unified score over the tasks that all runs share, with a perfect score
    as reference; `gains` its difference to the first run's, from paired draws. `stages` says which
    row of each run was compared. `notes` are sentences on what could not be.
    """

    runs: tuple[str, ...]
    stages: Mapping[str, str]
    tasks: tuple[TaskComparison, ...]
    unified: Mapping[str, Summary]
    gains: Mapping[str, Summary]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    stage: str
    plan: Plan
    rows: Rows


def compare_runs(paths: Sequence[Path], stage: str | None = None) -> Comparison:
    """Compare the last stages of two or more runs (or the stage named) with the first run's.

    `stage` is a folder of predictions (`01-together`, `base`) or the stage's own name.

    Only examples that both runs evaluated count; the draws, seed and level are the first run's.

    Raises:
        RunFolderError: fewer than two runs, a run that is unfinished, or nothing in common.
    """
    if len(paths) < 2:
        raise RunFolderError("compare needs at least two run folders: `madrigal compare RUN RUN`")
    names = _names(paths)
    first, *others = [_read(path, name, stage) for path, name in zip(paths, names, strict=True)]
    notes: list[str] = []
    found: list[TaskComparison] = []
    for other in others:
        found += _against(first, other, notes)
    if not found:
        raise RunFolderError(
            f"{', '.join(map(str, paths))}: the runs have no evaluated task in common"
        )
    adjusted = holm([one.difference.p for one in found])
    shares, gains = _unified((first, *others))
    return Comparison(
        runs=tuple(names),
        stages={run.name: run.stage for run in (first, *others)},
        tasks=tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)),
        unified=shares,
        gains=gains,
        notes=tuple(dict.fromkeys(notes)),
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the folders, or whole paths where names repeat."""
    short = [path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def _read(path: Path, name: str, stage: str | None) -> _Run:
    if not path.is_dir():
        raise RunFolderError(
            f"{path}: no such run folder; give the folder that `madrigal run` wrote"
        )
    plan = read_plan(path)
    predictions = read_predictions_of(path)
    trained = [label for label in plan.learned if label in predictions]
    short = {label.partition("-")[2]: label for label in trained}  # "together": "01-together"
    chosen = short.get(stage, stage) if stage else (trained[-1] if trained else BASE)
    if chosen not in predictions:
        raise RunFolderError(
            f"{path}: no predictions of stage '{chosen}'; found {', '.join(predictions)}"
        )
    return _Run(name, chosen, plan, {t: rows for t, rows in predictions[chosen].items() if rows})


def _against(first: _Run, other: _Run, notes: list[str]) -> list[TaskComparison]:
    found = []
    for task in {**first.rows, **other.rows}:
        if task not in first.rows or task not in other.rows:
            alone = first.name if task in first.rows else other.name
            notes.append(f"{task}: evaluated in {alone} only, of {first.name} and {other.name}")
            continue
        found.append(_compared(task, first, other, notes))
    return found


def _compared(task: str, first: _Run, other: _Run, notes: list[str]) -> TaskComparison:
    metric, resampling = first.plan.metrics[task], first.plan.resampling
    if other.plan.metrics[task] != metric:
        notes.append(
            f"{task}: {metric} in {first.name}, {other.plan.metrics[task]} in {other.name}; "
            f"compared by {metric}"
        )
    ones, twos = first.rows[task], other.rows[task]
    result = difference(ones, twos, metric, resampling)
    if result.left_out:
        notes.append(
            f"{task}: {result.n} examples in both {first.name} and {other.name}; "
            f"{result.left_out} in one only, left out"
        )
    shared = {row.id for row in ones} & {row.id for row in twos}
    before, after = (
        drawn([row for row in rows if row.id in shared], metric, resampling).score
        for rows in (ones, twos)
    )
    direction = METRICS[metric].direction
    return TaskComparison(
        other.name, task, metric, direction, before, after, result, result.p, resampling.confidence
    )


def _unified(runs: Sequence[_Run]) -> tuple[dict[str, Summary], dict[str, Summary]]:
    """Unified scores over what all runs share, and differences to the first's."""
    plan = runs[0].plan
    cells: list[dict[str, Drawn]] = [{} for _ in runs]
    scales: dict[str, Scale] = {}
    for task in runs[0].rows:
        if task in plan.general or not all(task in run.rows for run in runs):
            continue
        shared = set.intersection(*({row.id for row in run.rows[task]} for run in runs))
        kept = [[row for row in run.rows[task] if row.id in shared] for run in runs]
        if not shared:
            continue
        for cell, rows in zip(cells, kept, strict=True):
            cell[task] = drawn(rows, plan.metrics[task], plan.resampling)
        scales[task] = plan.scale(task, METRICS[plan.metrics[task]].chance(kept[0]))
    return _gains([run.name for run in runs], cells, scales, plan.resampling)


def _gains(
    names: Sequence[str],
    cells: Sequence[Mapping[str, Drawn]],
    scales: Mapping[str, Scale],
    resampling: Resampling,
) -> tuple[dict[str, Summary], dict[str, Summary]]:
    shares = {
        name: whole.mean
        for name, cell in zip(names, cells, strict=True)
        if (whole := unified(cell, {}, scales, resampling))
    }
    gains = {
        name: gain
        for name, cell in zip(names[1:], cells[1:], strict=True)
        if (gain := unified_gain(cells[0], cell, {}, scales, resampling))
    }
    return shares, gains
