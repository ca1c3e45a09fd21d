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
Stage = Annotated[
    str | None, typer.Option(metavar="NAME", help="Stage to take; left out: the last finished one.")
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", help="Task whose model to take, where each has its own."
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


@app.command()
def report(run: RunFolder) -> Work:
    """Write the report of a run folder again."""

    def work() -> None:
        from madrigal.cli.report import write

        write(run)

    return work


@app.command()
def chat(
    run: RunFolder,
    stage: Stage = None,
    task: Task = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", min=1, metavar="N", help="Longest answer, in tokens.")
    ] = 128,
) -> Work:
    """Talk to the model of a run."""

    def work() -> None:
        from madrigal.cli.chat import chat

        chat(run, stage, task, max_new_tokens)

    return work


@app.command()
def export(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder; left out: RUN/export.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put the adapter into the model's weights.")
    ] = False,
    stage: Stage = None,
    task: Task = None,
) -> Work:
    """Write the model of a run for other programs."""

    def work() -> None:
        from madrigal.cli.export import export

        export(run, out, merge, stage, task)

    return work


@app.command()
def evaluate(
    run: RunFolder,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=FILE", help="Score the model on another file instead."),
    ] = None,
    stage: Stage = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the predictions on FILE.")
    ] = None,
) -> Work:
    """Score a run again, or its model on other data."""

    def work() -> None:
        from madrigal.cli.evaluate import score_again, score_files

        if task:
            score_files(run, task, stage, out)
        else:
            score_again(run)

    return work


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that runs wrote.")],
    stage: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="As 01-together, or base; left out: the last."),
    ] = None,
) -> Work:
    """Compare runs example by example with the first."""

    def work() -> None:
        from madrigal.cli.compare import compare

        compare(runs, stage)

    return work


@app.command()
def diagnose(
    run: RunFolder,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Stage to look at; left out: every one.")
    ] = None,
    private_layers: Annotated[
        bool,
        typer.Option(
            "--private-layers",
            help="Write the recipe with private parts in the blocks where tasks surely conflict.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe to write; NAME-layers.yaml.")
    ] = None,
) -> Work:
    """Say which tasks were hurt, by whom, and what to try."""

    def work() -> None:
        from madrigal.cli.diagnose import print_diagnosis
        from madrigal.cli.private_layers import write_private_layers
        from madrigal.errors import UserMistake

        if private_layers:
            write_private_layers(run, stage, out)
        elif out is not None:
            raise UserMistake(f"--out {out}: only --private-layers writes a recipe; add it")
        else:
            print_diagnosis(run, stage)

    return work


@app.command()
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
        typer.Option(min=1, metavar="N", help="Steps to measure; left out: a tenth, at least 40."),
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
