"""`madrigal augment`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Work


def augment(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML: recipe, task, generator, share.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the copies; left out: runs/FILE.augment."),
    ] = None,
) -> Work:
    """Make copies of training records in a generator's words."""

    def work() -> None:
        from madrigal.cli.augment import augment

        augment(file, out)

    return work
