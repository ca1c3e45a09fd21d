"""Commands that look at what a run wrote, as typer sees them: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import RunFolder, Stage, Task, Work


def report(run: RunFolder) -> Work:
    """Write the report of a run folder again."""

    def work() -> None:
        from madrigal.cli.report import write

        write(run)

    return work


def chat(
    run: RunFolder,
    stage: Stage = None,
    task: Task = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", min=1, metavar="N", help="Longest answer, in tokens.")
    ] = 128,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", metavar="FILE", help="Rules of a safety filter, or `plain`."),
    ] = None,
) -> Work:
    """Talk to the model of a run."""

    def work() -> None:
        from madrigal.cli.chat import chat

        chat(run, stage, task, max_new_tokens, filter_)

    return work


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


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that runs wrote.")],
    stage: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="As 01-together, or base; left out: the last."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML page: cost against retention of the runs."),
    ] = None,
) -> Work:
    """Compare runs example by example with the first."""

    def work() -> None:
        from madrigal.cli.compare import compare

        compare(runs, stage, page)

    return work


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


def ensemble(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    task: Annotated[
        list[str],
        typer.Option("--task", metavar="NAME", help="Task of a reward model. May be repeated."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the ensemble.")],
    aggregate: Annotated[
        str, typer.Option(metavar="HOW", help="mean, minimum, or penalised: mean less variance.")
    ] = "mean",
    penalty: Annotated[
        float, typer.Option(min=0, metavar="X", help="Weight of the variance.")
    ] = 0.5,
    elsewhere: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Other judged answers, to see the members differ on."),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option("--drop-bad", help="Leave bad rows of those out, and list them.")
    ] = False,
    stage: Stage = None,
) -> Work:
    """Join the reward models of several runs or tasks into one that knows how sure it is."""

    def work() -> None:
        from madrigal.cli.ensemble import Wish, ensemble

        others = tuple(elsewhere or ())
        wish = Wish(tuple(runs), tuple(task), out, aggregate, penalty, others, drop_bad, stage)
        ensemble(wish)

    return work
