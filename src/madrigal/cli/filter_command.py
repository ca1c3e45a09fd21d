"""`madrigal filter`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Work


def filter_(
    rules: Annotated[
        str, typer.Argument(metavar="FILTER", help="File of rules, or `plain`, which is brought.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Judged texts; left out: lines of the input."),
    ] = None,
    text: Annotated[str, typer.Option(metavar="FIELD", help="Field with the text.")] = "text",
    label: Annotated[
        str, typer.Option(metavar="FIELD", help="Field that says what people found.")
    ] = "label",
    harmful: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Label that means harm. May be repeated."),
    ] = None,
    side: Annotated[
        str, typer.Option(metavar="SIDE", help="Take the texts as answers (output) or questions.")
    ] = "output",
) -> Work:
    """Say what a safety filter finds, and how often it is right."""

    def work() -> None:
        from madrigal.cli.filter import Wish, filter_

        filter_(Wish(rules, tuple(files or ()), text, label, tuple(harmful or ()), side))

    return work
