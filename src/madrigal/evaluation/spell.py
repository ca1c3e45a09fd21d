"""Since when two tasks conflict: the cosine window by window over the steps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.cosine import LEAST_STEPS, Cosine, cosines
from madrigal.evaluation.gradient_log import GradientLog

_WINDOW = LEAST_STEPS  # measured steps in a window, at least
_MOST = 10  # windows


@dataclass(frozen=True, slots=True)
class Spell:
    """Steps in which a pair conflicts; `until` is None where that lasts to the end."""

    since: int
    until: int | None


def part(log: GradientLog, first: int, last: int) -> GradientLog:
    """The measured steps with these places, the last excluded."""
    arrays = {f.name: getattr(log, f.name) for f in fields(log)}
    cut = {name: x[first:last] for name, x in arrays.items() if isinstance(x, np.ndarray)}
    return replace(log, **cut)


def between(log: GradientLog, spell: Spell) -> GradientLog:
    """The measured steps of a spell."""
    first = int(np.searchsorted(log.steps, spell.since))
    last = len(log.steps) if spell.until is None else int(np.searchsorted(log.steps, spell.until))
    return part(log, first, last + 1)


def windows(log: GradientLog, pair: int, blocks: Blocks, count: int) -> tuple[Cosine, ...]:
    """The pair's cosine in `count` windows of as many measured steps each."""
    edges = np.linspace(0, len(log.steps), count + 1).round().astype(int).tolist()
    parts = [part(log, a, b) for a, b in pairwise(edges)]
    found = [cosines(piece, [pair], blocks)[0] for piece in parts if len(piece.steps)]
    return tuple(one for one in found if one is not None)


def finest(log: GradientLog) -> int:
    """How many windows the log has room for."""
    return int(min(max(len(log.steps) // _WINDOW, 1), _MOST))


def spell(log: GradientLog, pair: int, blocks: Blocks, finely: Sequence[Cosine]) -> Spell | None:
    """When a pair that conflicts began to, as fine as the evidence is.

    A spell begins with the first window whose interval lies below 0 and after which no window's
    cosine is 0 or above. Where no such window lasts to the end it is the last run of them. Where no
    window alone is sure, windows of twice the length are tried, and so on up to the whole.
    """
    count, found = len(finely), tuple(finely)
    while count >= 1:
        run = _last_run(found)
        if run is not None:
            first, last = run
            until = None if last == len(found) - 1 else found[last].last
            return Spell(found[first].first, until)
        count //= 2
        found = windows(log, pair, blocks, count) if count else ()
    return None


def _last_run(found: Sequence[Cosine]) -> tuple[int, int] | None:
    sure = [place for place, one in enumerate(found) if one.below_zero]
    if not sure:
        return None
    first = last = sure[-1]
    while last + 1 < len(found) and found[last + 1].value < 0:
        last += 1
    while first > 0 and found[first - 1].value < 0:
        first -= 1
    return next(place for place in sure if place >= first), last
