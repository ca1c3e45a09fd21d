"""`madrigal ensemble RUN... --task NAME --out DIR`: reward models joined, and if they agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from madrigal.cli.ceiling import ceiling_in
from madrigal.errors import DataError, UserMistake
from madrigal.feedback.words import decimal, percent
from madrigal.model.ensemble import Aggregate
from madrigal.pipeline.build import Built, build
from madrigal.pipeline.ensemble import (
    HOWS,
    Measured,
    Member,
    make,
    measure,
    members_of,
    write_measured,
)
from madrigal.recipe.suggest import did_you_mean
from madrigal.recipe.task import DataSettings, TaskSettings
from madrigal.report.numbers import SPACE
from madrigal.tasks.fit import fitting
from madrigal.tasks.load import load_task
from madrigal.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line."""

    runs: tuple[Path, ...]
    tasks: tuple[str, ...]
    out: Path
    how: str = "mean"
    penalty: float = 0.5
    elsewhere: tuple[str, ...] = ()
    drop_bad: bool = False
    stage: str | None = None


def ensemble(wish: Wish) -> None:
    """Writes the ensemble into a new folder, measures it on test answers, and prints that.

    Raises:
        UserMistake: with every mistake that can be told before anything is written.
    """
    mistakes = [*_refused(wish)]
    if mistakes:
        raise UserMistake(mistakes)
    members = members_of(wish.runs, wish.tasks, wish.stage)
    home, others = _judged(members, wish)
    made = make(members, home, wish.out, cast("Aggregate", wish.how), wish.penalty)
    found = measure(made, home, others)
    write_measured(wish.out, found)
    console = Console(highlight=False)
    for task in (home, *others.values()):
        for note in task.notes if task.counts.get("bad") else ():
            console.print(f"{task.name}: {note}", markup=False)
    console.print(view(found, wish, ceiling_in(home)))


def _refused(wish: Wish) -> Iterator[str]:
    if wish.how not in HOWS:
        yield f"--aggregate {wish.how}: unknown{did_you_mean(wish.how, HOWS, 'there are')}"
    if wish.out.exists():
        yield f"{wish.out}: is there already; remove it or choose another --out"
    if len(wish.runs) * len(wish.tasks) < 2:
        yield "an ensemble has two members or more; name more runs, or more tasks with --task"
    if len(set(wish.runs)) < len(wish.runs) or len(set(wish.tasks)) < len(wish.tasks):
        yield "a run or task is named twice; its reward model would count twice"
    for file in wish.elsewhere:
        if not Path(file).is_file():
            yield f"--elsewhere {file}: there is no such file"


def _judged(members: Sequence[Member], wish: Wish) -> tuple[Task, dict[str, Task]]:
    """The task that the members judge, as its run split and weighed it; and those that they do not.

    Raises:
        DataError: judged answers that cannot be read, or that do not fit the members' context.
    """
    built = build(members[0].recipe)
    home = built.tasks[wish.tasks[0]]
    others = {
        name: task
        for name, task in built.tasks.items()
        if task.kind == "feedback" and name not in wish.tasks and not _same(task, home)
    }
    drop = wish.drop_bad or built.recipe.tasks[home.name].data.on_bad == "drop"
    for file in wish.elsewhere:
        task = _read(file, built, drop)
        others[task.name] = task
    return home, others


def _read(file: str, built: Built, drop: bool) -> Task:
    """Judged answers of a file, all of them to test on."""
    settings = TaskSettings(data=DataSettings(test=file, on_bad="drop" if drop else "error"))
    try:
        task = load_task(Path(file).stem, settings, Path(), built.recipe.seed)
        if task.kind != "feedback":
            raise DataError(f"--elsewhere {file}: read as {task.kind}; it holds no judged answers")
        if drop:
            task = fitting(task, built.coder)
        built.coder.check(task)
    except DataError as problem:
        told = (line.replace("`data.on_bad: drop`", "--drop-bad") for line in problem.mistakes)
        raise DataError(told) from None
    return task


def _same(one: Task, other: Task) -> bool:
    """Whether both are of the same data: then nothing is out of distribution."""
    return {r.key for r in one.splits["test"]} == {r.key for r in other.splits["test"]}


def view(found: Measured, wish: Wish, ceiling: str) -> Group:
    """Agreement of members and aggregates, then disagreement at home and elsewhere."""
    table = _table(("", "agreement", "95 % interval"))
    named: list[tuple[str, Mapping]] = [("member", found.members), ("together:", found.aggregates)]
    for kind, scores in named:
        for name, value in scores.items():
            share, _, rest = percent(value).partition(" (")
            chosen = " ←" if kind != "member" and name == wish.how else ""
            table.add_row(f"{kind} {name}{chosen}", share, rest.rstrip(")"))
    apart = _table(("members on", "answers", "spread, nats", "pairs on which they differ"))
    for name, one in found.disagreement.items():
        where = f"{name}, {'trained on' if name == found.home else 'not trained on'}"
        split = "–" if one.split is None else percent(one.split)
        apart.add_row(where, f"{one.answers:,}", decimal(one.spread), split)
    title = f"Agreement with people on the test answers of {found.home}"
    told = [Text(f"{title} (chance 50{SPACE}%, {ceiling})"), table, Text("")]
    told += [Text("Disagreement: standard deviation of the members' scores"), apart]
    if len(found.disagreement) == 1:
        told.append(Text("No other judged answers; name some with --elsewhere FILE.", style="dim"))
    return Group(*told, Text(f"Written to {wish.out}; load_ensemble reads it."))


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table
