"""Commands that take a recipe, or make one, as typer sees them: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Overrides, RecipeFile, Work

LISTINGS = ("balancers", "objectives", "adapters", "mixtures", "metrics", "formats", "tasks")


def run(
    recipe: RecipeFile,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; left out: runs/NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
) -> Work:
    """Train, evaluate and report what a recipe says."""

    def work() -> None:
        from madrigal.cli.run import run_recipe

        run_recipe(recipe, overrides or [], out, resume)

    return work


def check(recipe: RecipeFile, overrides: Overrides = None) -> Work:
    """Load everything, show examples, train nothing."""

    def work() -> None:
        from madrigal.cli.check import check_recipe

        check_recipe(recipe, overrides or [])

    return work


def init(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Data, a task each.")],
    out: Annotated[
        Path, typer.Option(metavar="RECIPE", help="Recipe to write; never overwritten.")
    ] = Path("recipe.yaml"),
) -> Work:
    """Look at data files and write a starter recipe."""

    def work() -> None:
        from madrigal.cli.init import write_starter

        write_starter(files, out)

    return work


def list_(
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(LISTINGS)}.")],
) -> Work:
    """Show what a recipe can choose from."""

    def work() -> None:
        from madrigal.cli.list import print_list

        print_list(what)

    return work


def group(
    recipe: RecipeFile,
    overrides: Overrides = None,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Stage to look at; left out: the first.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Take what this run of the recipe measured."),
    ] = None,
    affinity: Annotated[
        str,
        typer.Option(metavar="KIND", help="first_order or look_ahead (a pass a task more)."),
    ] = "first_order",
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Steps to measure; left out: a tenth, at least 60."),
    ] = None,
    groups: Annotated[
        int | None, typer.Option(metavar="N", help="Most groups; left out: as many as gain.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe to write; RECIPE.grouped.yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the recipe to write.")] = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers there too.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where measuring keeps its files; runs/NAME.group."),
    ] = None,
) -> Work:
    """Find out which tasks should share an adapter."""

    def work() -> None:
        from madrigal.cli.group import Wish, group

        sets = tuple(overrides or ())
        group(Wish(recipe, sets, stage, run, affinity, steps, groups, out, force, json, folder))

    return work
