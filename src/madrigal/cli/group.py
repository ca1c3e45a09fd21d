"""`madrigal group RECIPE`: which tasks should share an adapter, and the recipe that does it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from madrigal.cli.first_look import load_or_tell
from madrigal.cli.grouping_view import as_json, view
from madrigal.cli.located import located
from madrigal.errors import UserMistake
from madrigal.evaluation.affinity import MEASURES, Measure, StepAffinity
from madrigal.evaluation.grouping import Grouping, group_tasks
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.regroup import Groups, named_groups, why_not, write_regrouped
from madrigal.recipe.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line. `groups` is how many groups there may be; None: as many as gain."""

    recipe: Path
    overrides: tuple[str, ...] = ()
    stage: str | None = None
    run: Path | None = None
    affinity: str = "first_order"
    steps: int | None = None
    groups: int | None = None
    out: Path | None = None
    force: bool = False
    json: Path | None = None
    folder: Path | None = None

    @property
    def target(self) -> Path:
        """Where the recipe with groups goes."""
        return self.out or self.recipe.with_name(f"{self.recipe.stem}.grouped.yaml")


def group(wish: Wish) -> None:
    """Measures, prints the matrix, the groups and their gain, and writes the recipe.

    Where grouping does not surely gain, no recipe is written, unless a number of groups is asked
    for.

    Raises:
        UserMistake: with every mistake that can be told before anything is measured.
    """
    loaded = load_or_tell(wish.recipe, wish.overrides)
    number = _stage(wish, loaded)
    mistakes = [*_refused(wish, loaded, number)]
    if mistakes:
        raise UserMistake(mistakes)
    with located(loaded):
        affinity = _measured(wish, loaded, number)
    scored = loaded.recipe.scored(affinity.tasks)
    found = group_tasks(affinity, wish.groups, scored)
    named = named_groups(found.groups, loaded.recipe)
    stage = loaded.recipe.stages[number].name
    console = Console(highlight=False)
    for line in view(found, stage, tuple(named), scored, console.width):
        console.print(line)
    if wish.json is not None:
        body = {"recipe": str(wish.recipe), "stage": stage, **as_json(found, tuple(named))}
        wish.json.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")
    console.print(_written(wish, loaded, found, named), markup=False, soft_wrap=True)


def _stage(wish: Wish, loaded: LoadedRecipe) -> int:
    names = [stage.name for stage in loaded.recipe.stages]
    if not names:
        raise UserMistake(f"{wish.recipe}: stages: no stage learns anything, so nothing to group")
    if wish.stage is not None and wish.stage not in names:
        hint = did_you_mean(wish.stage, names, "stages")
        raise UserMistake(f"--stage {wish.stage}: the recipe has no such stage{hint}")
    return names.index(wish.stage) if wish.stage is not None else 0


def _refused(wish: Wish, loaded: LoadedRecipe, number: int) -> Iterator[str]:
    reasons = [*why_not(loaded.recipe, number)]
    yield from map(loaded.located, reasons)
    tasks = len(loaded.recipe.stages[number].learn)
    if wish.groups is not None and not reasons and not 2 <= wish.groups <= tasks:
        yield f"--groups {wish.groups}: the stage learns {tasks} tasks; write 2 to {tasks}"
    if wish.affinity not in MEASURES:
        hint = did_you_mean(wish.affinity, MEASURES, "there are")
        yield f"--affinity {wish.affinity}: unknown{hint}"
    for option, value in (("--steps", wish.steps), ("--folder", wish.folder)):
        if wish.run is not None and value is not None:
            yield f"{option}: has no effect with --run, which measures nothing; leave one out"
    out = wish.target
    if out.resolve() == wish.recipe.resolve():
        yield f"{out}: is the recipe itself; choose another --out"
    elif out.parent.resolve() != loaded.root:
        yield f"{out}: paths in the recipe start at its folder, {loaded.root}; write --out there"
    elif out.exists() and not (wish.force and out.is_file()):
        yield f"{out}: is there already; replace it with --force, or choose another --out"
    if wish.json is not None and not wish.json.parent.is_dir():
        yield f"{wish.json}: there is no folder {str(wish.json.parent)!r}"


def _measured(wish: Wish, loaded: LoadedRecipe, number: int) -> StepAffinity:
    from madrigal.pipeline.group import Measuring, from_run, from_short_run

    stage = loaded.recipe.stages[number]
    measure: Measure = "look_ahead" if wish.affinity == "look_ahead" else "first_order"
    if wish.run is not None:
        return from_run(wish.run, stage, measure)
    home = wish.folder or Path("runs") / f"{loaded.recipe.name}.group"
    return from_short_run(loaded, Measuring(stage, measure, home, wish.steps))


def _written(wish: Wish, loaded: LoadedRecipe, found: Grouping, named: Groups) -> str:
    out = wish.target
    if len(found.groups) == 1:
        return "No recipe was written."
    if not found.sure and wish.groups is None:
        return f"No recipe was written; --groups {len(found.groups)} writes one all the same."
    command = shlex.join(["madrigal", "group", str(wish.recipe), *_told(wish)])
    head = (
        f"# {wish.recipe.name} with one adapter for each group of tasks, from `{command}`\n"
        f"# ({found.measure}, {found.steps} measured steps; the gain is "
        f"{'sure' if found.sure else 'not sure'}).\n"
    )
    write_regrouped(loaded, named, head, out)
    return f"wrote {out}; next: madrigal check {out}"


def _told(wish: Wish) -> Iterator[str]:
    """The options that decide what is found, as they were given."""
    for one in wish.overrides:
        yield from ("--set", one)
    for name in ("stage", "run", "affinity", "steps", "groups"):
        value = getattr(wish, name)
        if value != getattr(Wish(wish.recipe), name):
            yield from (f"--{name}", str(value))
