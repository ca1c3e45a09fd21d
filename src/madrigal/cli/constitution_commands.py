"""Commands around constitutions, as typer sees them: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Work


def constitution(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML: prompts, constitution, generator, judge.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the data; left out: runs/FILE.constitution."),
    ] = None,
) -> Work:
    """Make training data from principles: critique, revise, judge, keep."""

    def work() -> None:
        from madrigal.cli.constitution import constitution

        constitution(file, out)

    return work


def probe(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Folders of runs; the first is the base.")
    ],
    prompts: Annotated[
        str, typer.Option(metavar="FILE", help="Prompts that ask for harm, held out of training.")
    ],
    words: Annotated[
        str, typer.Option(metavar="FILE", help="Words that make an answer harmful, one a line.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for answers and results.")],
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Task whose model to take.")
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="At most so many prompts.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, metavar="X", help="0: the likeliest.")] = 1.0,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, metavar="N", help="Longest answer, in tokens.")
    ] = 64,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Chance of the answers.")] = 0,
) -> Work:
    """Say how often models answer harmfully, refuse, or refuse what is fine."""

    def work() -> None:
        from madrigal.cli.probe import tell_probe
        from madrigal.pipeline.probe import Wish

        wish = Wish(tuple(runs), prompts, words, out, task, most, temperature, max_tokens, seed)
        tell_probe(wish)

    return work
