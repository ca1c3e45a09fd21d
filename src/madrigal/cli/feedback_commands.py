"""`madrigal feedback ...`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Work

feedback = typer.Typer(
    help="Look at feedback before training on it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@feedback.callback()
def _feedback() -> None:
    """Look at feedback before training on it."""


@feedback.command()
def inspect(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Pairs, rankings, ratings, thumbs, ...")
    ],
    format_: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="Record format; left out: detected."),
    ] = "auto",
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure this alone, as cycles. May be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a key of a task, as feedback.scale=[1,5]. May be given several times.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write what was found as JSON, too.")
    ] = None,
) -> Work:
    """Say how far feedback can be trusted: agreement, annotators, noise, shortcuts."""

    def work() -> None:
        from madrigal.cli.feedback import Wish, inspect

        inspect(Wish(tuple(files), format_, tuple(measure or ()), tuple(settings or ()), json))

    return work
