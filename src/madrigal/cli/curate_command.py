"""`madrigal curate`, as typer sees it: names, options, help."""

from pathlib import Path
from typing import Annotated

import typer

from madrigal.cli.options import Overrides, Work


def curate(
    paths: Annotated[
        list[str], typer.Argument(metavar="RECIPE|FILE...", help="A recipe, or data files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write cards and findings there; go on there, too."),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also what takes longer, as contamination.")
    ] = False,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Write cleaned copies of training files, and a ledger."),
    ] = False,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Also leave out what this check finds, as refusal."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Do nothing about what this check finds."),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Record format; left out: detected.")
    ] = "auto",
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Left out: as many as cores.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Look at the K-th of N parts alone; needs --out."),
    ] = None,
    overrides: Overrides = None,
) -> Work:
    """Look for what is wrong with data, record by record; clean copies of them."""

    def work() -> None:
        from madrigal.cli.curate import Wish, curate

        curate(
            Wish(
                tuple(paths),
                out,
                deep,
                format_,
                processes,
                shard,
                tuple(overrides or ()),
                clean,
                tuple(drop or ()),
                tuple(keep or ()),
            )
        )

    return work
