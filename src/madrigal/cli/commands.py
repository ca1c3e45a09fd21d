"""All commands, in the order of the help. Each returns the work that it stands for.

Nothing heavy is imported before a command is chosen, so that `madrigal --help` answers at once.
"""

from typing import Annotated

import typer

from madrigal.cli.augment_command import augment
from madrigal.cli.constitution_commands import constitution, probe
from madrigal.cli.curate_command import curate
from madrigal.cli.feedback_commands import feedback
from madrigal.cli.filter_command import filter_
from madrigal.cli.recipe_commands import LISTINGS, check, extend, few_shot, group, init, list_, run
from madrigal.cli.run_commands import chat, compare, diagnose, ensemble, evaluate, export, report
from madrigal.cli.sweep_command import sweep
from madrigal.cli.tax_command import tax

__all__ = ["LISTINGS", "app"]

app = typer.Typer(
    name="madrigal",
    help="Fine-tune one language model on many tasks, and measure what each gave to the others.",
    add_completion=False,
    rich_markup_mode=None,  # half of the time that help takes is importing rich
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: madrigal init FILES..., then madrigal check and madrigal run.",
)


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


app.command()(run)
app.command()(check)
app.command()(init)
app.command()(curate)
app.command("list")(list_)
app.command()(report)
app.command()(chat)
app.command()(export)
app.command()(evaluate)
app.command()(compare)
app.command()(diagnose)
app.command()(group)
app.command("few-shot")(few_shot)
app.command()(sweep)
app.command()(extend)
app.command()(tax)
app.command()(ensemble)
app.command("filter")(filter_)
app.command()(augment)
app.command()(constitution)
app.command()(probe)
app.add_typer(feedback, name="feedback")
