"""`madrigal compare RUN RUN...`: runs on the same examples, task by task."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.table import Table

from madrigal.evaluation.compare import Comparison, compare_runs
from madrigal.evaluation.intransigence import intransigence_of
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import read_plan, read_predictions_of
from madrigal.evaluation.seeds import SeedScore, over_seeds
from madrigal.recipe.load import load_recipe
from madrigal.report import numbers
from madrigal.report.ceiling import ceiling_of, ceiling_words
from madrigal.report.folder import read_run
from madrigal.report.numbers import Interval, mapping
from madrigal.report.side_by_side import COLUMNS, kept_runs, write_side_by_side
from madrigal.report.side_by_side import table as side_by_side

_TEXT = ("task", "metric", "run", "to keep the past")
_MARKS = {"better": "▲", "worse": "▼", "unclear": "≈"}


def compare(runs: Sequence[Path], stage: str | None, page: Path | None = None) -> None:
    """Prints each run against the first, and the spread of runs that differ by their seed only.

    Runs that learnt tasks in sequence are also set side by side by what they kept and what that
    cost, on the `page` too.

    Raises:
        RunFolderError: fewer than two runs, an unfinished one, or nothing in common.
    """
    found = compare_runs(runs, stage)
    console = Console(highlight=False)
    ceilings = _ceilings(runs[0])
    for run in found.runs[1:]:
        console.print(_table(found, run, ceilings))
        console.print(verdict(found, run), end="\n\n")
    for sentence in joint_sentences(runs):
        console.print(sentence, markup=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False)
    _kept(runs, found.runs, console, page)
    if only_seeds_differ(runs):
        plan = read_plan(runs[0])
        stages = [found.stages[name] for name in found.runs]
        console.print(_seed_table(plan, spread(runs, stages, plan), len(runs), ceilings))


def _kept(runs: Sequence[Path], names: Sequence[str], console: Console, page: Path | None) -> None:
    kept = kept_runs(runs, names)
    if not kept:
        if page is not None:
            console.print("note: no run learnt tasks in sequence, so there is no page to write")
        return
    table = _empty("What was kept, and what that cost", COLUMNS)
    for row in side_by_side(kept):
        table.add_row(*row)
    console.print(table)
    if page is not None:
        console.print(f"page: {write_side_by_side(kept, page)}", markup=False)


def verdict(found: Comparison, run: str) -> str:
    """`Better on 1 of 3 tasks, worse on 1, no clear difference on 1.`, and the unified score."""
    tally = Counter(one.verdict for one in found.tasks if one.run == run)
    text = (
        f"Better on {tally['better']} of {numbers.counted(tally.total(), 'task')}, "
        f"worse on {tally['worse']}, no clear difference on {tally['unclear']}."
    )
    gain = found.gains.get(run)
    if gain is None:
        return text
    change = numbers.difference(Interval(gain.value, gain.low, gain.high), "unified")
    return f"{text} Unified score: {change}."


def joint_sentences(runs: Sequence[Path]) -> Iterator[str]:
    """Intransigence of each run in stages against each that learnt the same tasks in one."""
    for run, joint in permutations(runs, 2):
        found = intransigence_of(run, joint)
        if found is not None:
            points = numbers.difference(Interval(found.value, found.low, found.high), "")
            yield (
                f"Intransigence of {run.name} with {joint.name} as the joint model: {points}; mean "
                "over its tasks of the joint model's score minus the score when they were learnt."
            )


def only_seeds_differ(runs: Sequence[Path]) -> bool:
    """Whether the runs are one recipe with different seeds."""
    recipes = [load_recipe(run / "recipe.yaml").recipe for run in runs]
    rest = {recipe.model_dump_json(exclude={"seed", "name"}) for recipe in recipes}
    return len(rest) == 1 and len({recipe.seed for recipe in recipes}) == len(runs)


def spread(runs: Sequence[Path], stages: Sequence[str], plan: Plan) -> dict[str, SeedScore]:
    """Mean and spread over runs of every task that all evaluated on the same examples."""
    sides = [read_predictions_of(run)[stage] for run, stage in zip(runs, stages, strict=True)]
    found: dict[str, SeedScore] = {}
    for task, metric in plan.metrics.items():
        rows = [side.get(task, []) for side in sides]
        if rows[0] and len({frozenset(row.id for row in some) for some in rows}) == 1:
            found[task] = over_seeds(rows, metric, plan.resampling)
    return found


def _ceilings(run: Path) -> dict[str, str]:
    """What a perfect model could reach, of each task of judged answers."""
    folder = read_run(run)
    tasks = mapping(folder.scores.get("tasks"))
    return {
        name: f", {ceiling_words(ceiling_of(folder, name))}"
        for name, facts in tasks.items()
        if mapping(facts).get("metric") == "agreement"
    }


def _table(found: Comparison, run: str, ceilings: Mapping[str, str]) -> Table:
    first = found.runs[0]
    title = f"{run} ({found.stages[run]}) against {first} ({found.stages[first]})"
    table = _empty(title, ("task", "metric", first, run, "difference", "Holm", "won/lost", "n"))
    for one in found.tasks:
        if one.run == run:
            d = one.difference
            change = numbers.difference(Interval(d.difference, d.low, d.high), one.metric)
            table.add_row(
                one.task,
                numbers.metric_name(one.metric) + ceilings.get(one.task, ""),
                numbers.plain(d.first, one.metric),
                numbers.plain(d.second, one.metric),
                f"{_MARKS[one.verdict]} {change}",
                numbers.p_value(one.p_holm),
                f"{d.won}/{d.lost}",
                numbers.count(d.n),
            )
    return table


def _seed_table(
    plan: Plan, found: Mapping[str, SeedScore], runs: int, ceilings: Mapping[str, str]
) -> Table:
    title = f"{runs} runs that differ by their seed"
    table = _empty(title, ("task", "metric", "mean", "sd over runs", "runs"))
    for task, s in found.items():
        metric = plan.metrics[task]
        table.add_row(
            task,
            numbers.metric_name(metric) + ceilings.get(task, ""),
            numbers.score(Interval(s.mean, s.low, s.high), metric),
            numbers.plain(s.run_sd, metric),
            ", ".join(numbers.plain(value, metric) for value in s.runs),
        )
    return table


def _empty(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in _TEXT else "right")
    return table
