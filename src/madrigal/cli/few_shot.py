"""`madrigal few-shot RECIPE|RUN`: a task's score over its number of examples, trained and shown."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from madrigal.cli.first_look import load_or_tell
from madrigal.cli.located import located
from madrigal.errors import UserMistake
from madrigal.recipe.load import LoadedRecipe, load_recipe
from madrigal.recipe.suggest import did_you_mean

if TYPE_CHECKING:
    from madrigal.pipeline.few_shot import Measured

_BASE = "base"


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line. `target` is a recipe or the folder of a run."""

    target: Path
    task: str
    shots: str
    draws: int
    start: str | None = None  # `base`, a run, or None: the run that `target` is, if it is one
    stage: str | None = None
    steps: int = 100
    rows: int = 8
    learning_rate: float | None = None
    overrides: tuple[str, ...] = ()
    out: Path | None = None


def few_shot(wish: Wish) -> None:
    """Measures the curve, prints it, and writes curve.json and curve.html.

    Raises:
        UserMistake: with every mistake that can be told before anything is measured.
    """
    loaded = _loaded(wish)
    counts, mistakes = _counts(wish.shots)
    mistakes += [*_refused(wish, loaded)]
    if mistakes:
        raise UserMistake(mistakes)
    from madrigal.pipeline.few_shot import measure
    from madrigal.pipeline.few_shot_plan import FewShot

    home = wish.out or Path("runs") / f"{loaded.recipe.name}.few-shot" / wish.task
    plan = FewShot(
        task=wish.task,
        shots=counts,
        draws=wish.draws,
        folder=home,
        start=_start(wish),
        stage=wish.stage,
        steps=wish.steps,
        rows=wish.rows,
        learning_rate=wish.learning_rate,
    )
    with located(loaded):
        found = measure(loaded, plan)
    _tell(found, home)


def _loaded(wish: Wish) -> LoadedRecipe:
    if not wish.target.is_dir():
        return load_or_tell(wish.target, wish.overrides)
    from madrigal.pipeline.folder import recipe_of

    found = recipe_of(wish.target)
    if not wish.overrides:
        return found
    return load_recipe(wish.target / "recipe.yaml", wish.overrides, root=found.root)


def _start(wish: Wish) -> Path | None:
    """The run to begin from; None for the base alone."""
    if wish.start is None:
        return wish.target if wish.target.is_dir() else None
    return None if wish.start == _BASE else Path(wish.start)


def _counts(text: str) -> tuple[tuple[int, ...], list[str]]:
    """The numbers of examples, each once, in order."""
    words = [word.strip() for word in text.split(",")]
    wrong = [word for word in words if not word.isdecimal() or int(word) < 1]
    if wrong:
        cure = "write numbers from 1 with commas between, as 1,2,4,8"
        return (), [f"--shots {text}: {wrong[0]!r} is no number of examples; {cure}"]
    return tuple(sorted({int(word) for word in words})), []


def _refused(wish: Wish, loaded: LoadedRecipe) -> Iterator[str]:
    tasks = loaded.recipe.tasks
    if wish.task not in tasks:
        hint = did_you_mean(wish.task, tasks, "tasks")
        yield f"--task {wish.task}: the recipe has no such task{hint}"
    start = _start(wish)
    if start is not None and not (start / "recipe.yaml").is_file():
        yield f"--from {start}: no recipe.yaml in it; write `base`, or the folder of a run"
    if wish.stage is not None and start is None:
        yield f"--stage {wish.stage}: has no effect without a run to begin from; leave it out"


def _tell(found: "Measured", home: Path) -> None:
    from madrigal.report.few_shot import NAMES, reading, rows, sentences, write_page

    body = found.curve.to_json()
    whole = {**found.settings, "notes": list(found.notes), **body}
    (home / "curve.json").write_text(
        json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    page = write_page(body, found.settings, found.notes, home / "curve.html")
    console = Console(highlight=False)
    console.print(_table(body["task"], [NAMES[way] for way in body["ways"]], rows(body)))
    for line in (*sentences(body), *(f"note: {note}" for note in found.notes)):
        console.print(line, markup=False)
    for line in reading(body, found.settings):
        console.print(line, markup=False, style="dim")
    console.print(f"wrote {home / 'curve.json'} and {page}", markup=False, soft_wrap=True)


def _table(task: str, ways: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Table:
    table = Table(title=task, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("examples", justify="right")
    for name in ways:
        table.add_column(name, justify="right")
    for count, cells in rows:
        table.add_row(count, *cells)
    return table
