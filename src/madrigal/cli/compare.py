"""`madrigal compare RUN RUN...`: runs on the same examples, task by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from madrigal.errors import RunFolderError, UserMistake
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.paired import Difference, difference, holm
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.scores_file import read_plan, read_predictions_of
from madrigal.evaluation.seeds import SeedScore, over_seeds
from madrigal.recipe.load import load_recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.report import numbers

Rows = Mapping[str, Sequence[Prediction]]  # by task


@dataclass(frozen=True, slots=True)
class Side:
    """One run of a comparison: what one of its models predicted."""

    run: Path
    label: str  # 01-together, base, single
    plan: Plan
    rows: Rows


def compare(runs: Sequence[Path], stage: str | None) -> None:
    """Prints each run against the first, and the spread of those that differ by their seed only.

    Raises:
        UserMistake: fewer than two runs, runs without scores, or no task in common.
    """
    if len(runs) < 2:
        raise UserMistake("madrigal compare: one run; give two or more run folders")
    sides = [read_side(run, stage) for run in runs]
    console = Console(highlight=False)
    for other in sides[1:]:
        found = differences(sides[0], other)
        console.print(_pair_table(sides[0], other, found))
        console.print(verdict(found, sides[0].plan), end="\n\n")
    if only_seeds_differ(runs):
        console.print(_seed_table(sides, spread(sides)))


def read_side(run: Path, stage: str | None) -> Side:
    """The predictions of a run's last stage, or of the stage or folder (`base`) of this name."""
    plan = read_plan(run)
    predictions = read_predictions_of(run)
    labels = {label.partition("-")[2]: label for label in plan.learned}
    labels |= {label: label for label in predictions}
    if stage is None:
        trained = [label for label in plan.learned if label in predictions]
        if not trained:
            raise RunFolderError(f"{run}: no stage was scored; choose --stage base")
        label = trained[-1]
    elif labels.get(stage) in predictions:
        label = labels[stage]
    else:
        raise RunFolderError(f"{run}: no predictions of {stage!r}{did_you_mean(stage, labels)}")
    return Side(run, label, plan, predictions[label])


def differences(first: Side, other: Side) -> dict[str, tuple[Difference, float]]:
    """Other minus first for every task of both, with p adjusted over the tasks (Holm)."""
    tasks = _common([first, other])
    found = [
        difference(first.rows[t], other.rows[t], first.plan.metrics[t], first.plan.resampling)
        for t in tasks
    ]
    return dict(zip(tasks, zip(found, holm([d.p for d in found]), strict=True), strict=True))


def spread(sides: Sequence[Side]) -> dict[str, SeedScore]:
    """Mean and spread over runs, by task."""
    plan = sides[0].plan
    return {
        task: over_seeds([side.rows[task] for side in sides], plan.metrics[task], plan.resampling)
        for task in _common(sides)
        if len({frozenset(row.id for row in side.rows[task]) for side in sides}) == 1
    }


def only_seeds_differ(runs: Sequence[Path]) -> bool:
    """Whether the runs are one recipe with different seeds."""
    recipes = [load_recipe(run / "recipe.yaml").recipe for run in runs]
    rest = {recipe.model_dump_json(exclude={"seed", "name"}) for recipe in recipes}
    return len(rest) == 1 and len({recipe.seed for recipe in recipes}) == len(runs)


def verdict(found: Mapping[str, tuple[Difference, float]], plan: Plan) -> str:
    """`Better on 1 of 3 tasks, worse on 1, no clear difference on 1 (...)`."""
    level = 1 - plan.resampling.confidence
    clear = {task: d for task, (d, p) in found.items() if p < level}
    better = sum(
        (d.difference > 0) == (METRICS[plan.metrics[task]].direction == "higher")
        for task, d in clear.items()
    )
    return (
        f"Better on {better} of {numbers.counted(len(found), 'task')}, "
        f"worse on {len(clear) - better}, no clear difference on {len(found) - len(clear)} "
        f"(p below {level:.2g} after Holm)."
    )


def _common(sides: Sequence[Side]) -> list[str]:
    first = sides[0]
    tasks = [task for task in first.rows if all(task in side.rows for side in sides)]
    for side in sides[1:]:
        for task in tasks:
            one, two = first.plan.metrics[task], side.plan.metrics[task]
            if one != two:
                raise RunFolderError(
                    f"{side.run}: task {task!r} is judged by {two}, in {first.run} by {one}; "
                    "compare runs with the same metric"
                )
    if not tasks:
        runs = ", ".join(str(side.run) for side in sides)
        raise RunFolderError(f"{runs}: no task is in all of them; nothing to compare")
    return tasks


def _pair_table(first: Side, other: Side, found: Mapping[str, tuple[Difference, float]]) -> Table:
    title = f"{other.run} ({other.label}) against {first.run} ({first.label})"
    table = _table(title, ("task", "metric", "first", "second", "difference", "p", "won/lost", "n"))
    for task, (d, p) in found.items():
        metric = first.plan.metrics[task]
        table.add_row(
            task,
            numbers.metric_name(metric),
            numbers.plain(d.first, metric),
            numbers.plain(d.second, metric),
            numbers.difference(numbers.Interval(d.difference, d.low, d.high), metric),
            numbers.p_value(p),
            f"{d.won}/{d.lost}",
            numbers.count(d.n) + (f" (+{d.left_out} not shared)" if d.left_out else ""),
        )
    return table


def _seed_table(sides: Sequence[Side], found: Mapping[str, SeedScore]) -> Table:
    title = f"{len(sides)} runs that differ by their seed"
    table = _table(title, ("task", "metric", "mean", "sd over runs", "runs"))
    for task, s in found.items():
        metric = sides[0].plan.metrics[task]
        table.add_row(
            task,
            numbers.metric_name(metric),
            numbers.score(numbers.Interval(s.mean, s.low, s.high), metric),
            numbers.plain(s.run_sd, metric),
            ", ".join(numbers.plain(value, metric) for value in s.runs),
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in ("task", "metric") else "right")
    return table
