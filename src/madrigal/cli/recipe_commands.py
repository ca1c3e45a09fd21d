"""Commands that take a recipe, or make one, as typer sees them: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Overrides, RecipeFile, Work

LISTINGS = (
    "balancers",
    "objectives",
    "adapters",
    "mixtures",
    "retentions",
    "metrics",
    "measures",
    "formats",
    "tasks",
)


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


def extend(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Finished run; it is only read.")],
    tasks: Annotated[
        list[str], typer.Option("--task", metavar="NAME=FILE", help="New task; may stand often.")
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; left out: RUN-NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
) -> Work:
    """Teach a finished run's model a new task, and measure what that did to the old ones."""

    def work() -> None:
        from madrigal.cli.extend import Wish, extend

        extend(Wish(run, tuple(tasks), tuple(overrides or ()), out, resume))

    return work


def few_shot(
    target: Annotated[
        Path, typer.Argument(metavar="RECIPE|RUN", help="Recipe, or a run to begin from.")
    ],
    task: Annotated[str, typer.Option("--task", metavar="NAME", help="Task to learn.")],
    shots: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of training examples.")
    ] = "1,2,4,8,16,32",
    draws: Annotated[
        int, typer.Option(min=1, metavar="N", help="Draws of examples at each number.")
    ] = 3,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="base|RUN", help="Run to fine-tune from beside the base."),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Stage of that run; left out: the last.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Steps of every fine-tuning.")
    ] = 100,
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Most examples in a step.")] = 8,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Left out: the recipe's.")
    ] = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Left out: runs/NAME.few-shot/TASK.")
    ] = None,
) -> Work:
    """Score a task over its number of examples: fine-tuned, and in context."""

    def work() -> None:
        from madrigal.cli.few_shot import Wish, few_shot

        sets = tuple(overrides or ())
        few_shot(
            Wish(target, task, shots, draws, start, stage, steps, rows, learning_rate, sets, out)
        )

    return work
