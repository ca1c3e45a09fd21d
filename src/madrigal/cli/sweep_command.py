"""`madrigal sweep`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Overrides, RecipeFile, Work

_Space = Annotated[
    Path | None,
    typer.Option("--space", metavar="FILE", help="YAML with `search:` and what to look for."),
]
_Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="KEY=VALUES",
        help="Key to search: stages.0.steps=[50,100], or ={low: 1, high: 9, scale: log}.",
    ),
]
_Bounds = Annotated[
    list[str] | None,
    typer.Option(
        "--subject-to", metavar="BOUND", help="As 'forgetting <= 0.05' or 'tasks.NAME >= 0.8'."
    ),
]
_Storage = Annotated[
    str | None,
    typer.Option("--storage", metavar="URL", help="Data base of optuna, for several machines."),
]


def sweep(
    recipe: RecipeFile,
    overrides: Overrides = None,
    space: _Space = None,
    over: _Over = None,
    maximise: Annotated[
        str | None, typer.Option(metavar="SCORE", help="Score to make large; left out: average.")
    ] = None,
    minimise: Annotated[
        str | None, typer.Option(metavar="SCORE", help="Score to make small instead.")
    ] = None,
    subject_to: _Bounds = None,
    trials: Annotated[
        int | None, typer.Option(min=2, max=10000, metavar="N", help="Trials; left out: 20.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Trials at a time.")] = 1,
    sampler: Annotated[
        str | None, typer.Option(metavar="KIND", help="random, or tpe (with optuna).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, metavar="N", help="Of the sweep.")
    ] = None,
    score_on: Annotated[
        str | None, typer.Option(metavar="SPLIT", help="validation, or test.")
    ] = None,
    storage: _Storage = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Go on with trials that failed.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: runs/NAME.sweep.")
    ] = None,
) -> Work:
    """Run a recipe with other values of some keys, and say which key mattered."""

    def work() -> None:
        from madrigal.cli.sweep import Wish, sweep
        from madrigal.sweep.written import Asked

        lists = (tuple(overrides or ()), space, tuple(over or ()))
        aim = (maximise, minimise, tuple(subject_to or ()))
        asked = Asked(recipe, *lists, *aim, trials, sampler, seed, score_on)
        sweep(Wish(asked, out, workers, storage, retry_failed))

    return work
