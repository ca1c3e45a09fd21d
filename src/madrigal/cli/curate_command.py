"""`madrigal curate`, as typer sees it: names, options, help."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from madrigal.cli.options import Overrides, Work
from madrigal.errors import UserMistake

if TYPE_CHECKING:
    from madrigal.cli.curate import Wish

Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Also leave out what this check finds, as refusal."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="Do nothing about what this check finds."),
]
Normalise = Annotated[
    list[str] | None,
    typer.Option(metavar="WAY", help="Copies in one way: unicode, whitespace or quotes."),
]
Relabel = Annotated[
    float | None,
    typer.Option(metavar="CHANCE", help="Copies with the label of which a check is so sure."),
]
Groups = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="Copies with even groups: down, up or stratified."),
]
By = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Field of these groups; left out: the label."),
]
Check = Annotated[
    list[str] | None,
    typer.Option(metavar="CHECK", help="With `review DIR`: only what this check found."),
]
Language = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Language of files that do not say it: en, or en:de for answers."
    ),
]
Part = Annotated[
    str | None,
    typer.Option(metavar="K/N", help="Look at the K-th of N parts alone; needs --out."),
]


def curate(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="RECIPE|FILE...",
            help="A recipe, or data files; `review DIR`: decide about records found there.",
        ),
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
    drop: Drop = None,
    keep: Keep = None,
    normalise: Normalise = None,
    relabel: Relabel = None,
    balance: Groups = None,
    by: By = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Record format; left out: detected.")
    ] = "auto",
    language: Language = None,
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Left out: as many as cores.")
    ] = None,
    shard: Part = None,
    check: Check = None,
    overrides: Overrides = None,
) -> Work:
    """Look for what is wrong with data, record by record; clean copies of them."""

    def work() -> None:
        from madrigal.cli.curate import Wish, curate

        wish = Wish(
            tuple(paths), out, deep, format_, language, processes, shard,
            tuple(overrides or ()), clean, tuple(drop or ()), tuple(keep or ()),
            tuple(normalise or ()), relabel, balance, by,
        )  # fmt: skip
        if paths[0] == "review":
            _review(wish, check or ())
        elif check:
            raise UserMistake(f"--check {check[0]}: belongs to `madrigal curate review DIR`")
        else:
            curate(wish)

    return work


def _review(wish: "Wish", check: Sequence[str]) -> None:
    from madrigal.cli.curate import Wish
    from madrigal.cli.curate_review import review

    if len(wish.paths) != 2:
        raise UserMistake("curate review: give the one folder that --out named")
    if wish != Wish(wish.paths):
        raise UserMistake("curate review: takes --check alone; leave other options out")
    review(Path(wish.paths[1]), check)
