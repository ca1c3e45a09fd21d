"""`madrigal tax`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import RunFolder, Task, Work

_Stage = Annotated[
    str | None,
    typer.Option(
        "--stage", metavar="NAME", help="Left out: the last that learnt preferences or rewards."
    ),
]
_Judge = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar="TASK=RUN",
        help="Reward model of another run, for answers to the task's prompts. May be repeated.",
    ),
]


def tax(
    run: RunFolder,
    stage: _Stage = None,
    points: Annotated[
        str, typer.Option(metavar="LIST", help="Shares of the way from before to after.")
    ] = "0,0.25,0.5,0.75,1",
    judge: _Judge = None,
    prompts: Annotated[
        int, typer.Option(min=1, metavar="N", help="Test prompts of a task that are answered.")
    ] = 200,
    choose: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Write the model of this point to --out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder for the point's model.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put the adapter into the model's weights.")
    ] = False,
    task: Task = None,
) -> Work:
    """Measure what a preference or policy stage cost, between the models before and after it."""

    def work() -> None:
        from madrigal.cli.tax import Wish, choose_point, tax

        if choose is None:
            tax(run, Wish(stage, points, tuple(judge or ()), prompts), out, merge, task)
        else:
            choose_point(run, stage, choose, out, merge, task)

    return work
