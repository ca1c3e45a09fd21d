"""How the command line says what a cleaned copy is to be, and what is said once it is made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from madrigal.curation.balance import HOWS, Balance, How
from madrigal.curation.clean import Cleaned
from madrigal.curation.finding import CHECKS, CheckName
from madrigal.curation.normal import WAYS
from madrigal.curation.remedies import CHANGES, DROPPED, Orders
from madrigal.errors import UserMistake
from madrigal.recipe.suggest import did_you_mean

if TYPE_CHECKING:
    from madrigal.cli.curate import Wish


def orders_of(wish: "Wish") -> Orders:
    """What is asked for.

    Raises:
        UserMistake: it contradicts itself, or names what is not there.
    """
    asked = [*_checks(wish), *_others(wish)]
    if asked and not wish.clean:
        raise UserMistake(f"{asked[0]}: says how to clean; add --clean")
    if wish.clean and wish.out is None:
        raise UserMistake("--clean: needs --out, the folder for the copies")
    drop: list[CheckName] = [
        name for name in CHECKS if name in {*DROPPED, *wish.drop} - set(wish.keep)
    ]
    change: list[CheckName] = [name for name in CHANGES if name not in {*drop, *wish.keep}]
    balance = None
    if wish.balance is not None:
        known: dict[str, How] = {how: how for how in HOWS}
        balance = Balance(known[wish.balance], wish.by or "label")
    return Orders(
        drop=drop,
        change=change,
        normalise=[way for way in WAYS if way in wish.normalise],
        relabel=wish.relabel,
        balance=balance,
    )


def _checks(wish: "Wish") -> Iterator[str]:
    """The options that name checks, each right."""
    for option, names in (("--drop", wish.drop), ("--keep", wish.keep)):
        for name in names:
            if name not in CHECKS:
                hint = did_you_mean(name, CHECKS, "there are")
                raise UserMistake(f"{option} {name}: unknown{hint}")
            if name in wish.drop and name in wish.keep:
                raise UserMistake(f"--drop {name}: --keep names it too; choose one")
            yield option


def _others(wish: "Wish") -> Iterator[str]:
    """The other options that say how to clean, each right."""
    for name in wish.normalise:
        if name not in WAYS:
            hint = did_you_mean(name, tuple(WAYS), "there are")
            raise UserMistake(f"--normalise {name}: unknown{hint}")
        yield "--normalise"
    if wish.relabel is not None:
        if not 0 < wish.relabel <= 1:
            raise UserMistake(f"--relabel {wish.relabel:g}: a chance, above 0 and at most 1")
        if not wish.deep and wish.clean:
            raise UserMistake("--relabel: wrong labels are looked for with --deep; add it")
        yield "--relabel"
    if wish.balance is not None:
        if wish.balance not in HOWS:
            hint = did_you_mean(wish.balance, HOWS, "there are")
            raise UserMistake(f"--balance {wish.balance}: unknown{hint}")
        if wish.balance == "stratified" and wish.by in (None, "label"):
            raise UserMistake(
                "--balance stratified: needs --by, the field in whose groups labels are made even"
            )
        yield "--balance"
    elif wish.by is not None:
        raise UserMistake(f"--by {wish.by}: says what to balance; add --balance down, up, ...")


def cleaned(done: Cleaned) -> Iterator[str]:
    """What was written, a line a file."""
    for name, path in done.copies.items():
        told = f"{done.dropped[name]:,} rows left out, {done.changed[name]:,} changed"
        copied = f", {done.added[name]:,} copied" if done.added[name] else ""
        yield f"{name} -> {path}: {told}{copied}"
    yield from done.notes
