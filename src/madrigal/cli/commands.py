"""The commands as typer sees them: names, options, help. Each returns the work that it stands for.

Nothing heavy is imported before a command is chosen, so that `madrigal --help` answers at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Work = Callable[[], None]

LISTINGS = ("balancers", "objectives", "adapters", "mixtures", "metrics", "formats", "tasks")

app = typer.Typer(
    name="madrigal",
    help="Fine-tune one language model on many tasks, and measure what each gave to the others.",
    add_completion=False,
    rich_markup_mode=None,  # half of the time that help takes is importing rich
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: madrigal init FILES..., then madrigal check and madrigal run.",
)

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe in YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of the recipe, as stages.together.steps=10. May be given several times.",
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that a run wrote.")]


def _version(asked: bool | None) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"madrigal {version('madrigal')}")
        raise typer.Exit


@app.callback()
def madrigal(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = None,
) -> None:
    """Fine-tune one language model on many tasks, and measure what each gave to the others."""


@app.command()
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


@app.command()
def check(recipe: RecipeFile, overrides: Overrides = None) -> Work:
    """Load everything, show examples, train nothing."""

    def work() -> None:
        from madrigal.cli.check import check_recipe

        check_recipe(recipe, overrides or [])

    return work


@app.command()
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


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(LISTINGS)}.")],
) -> Work:
    """Show what a recipe can choose from."""

    def work() -> None:
        from madrigal.cli.list import print_list

        print_list(what)

    return work
