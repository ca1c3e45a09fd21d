"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Work = Callable[[], None]

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
