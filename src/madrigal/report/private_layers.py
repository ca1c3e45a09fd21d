"""Which blocks to give private parts, from the conflicts that were measured by layer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from madrigal.evaluation.interference import Interference
from madrigal.report import fights


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers of the blocks in which some pair surely conflicts, of all others, and why."""

    private: tuple[int, ...]
    shared: tuple[int, ...]
    reasons: tuple[str, ...]

    def sentence(self, rank: int) -> str:
        """What is private from now on, and what is not."""
        told = f"Each task gets a part of its own, of rank {rank}, {_blocks(self.private)}"
        rest = _blocks(self.shared)
        return f"{told}; {f'{rest} the adapter stays shared' if rest else 'no block stays shared'}."


def choose(found: Mapping[str, Interference]) -> Choice:
    """The blocks in which a pair that conflicts does so surely, in any of the stages.

    A pair conflicts after correction for all pairs, and in a block after correction for all blocks
    (`evaluation.interference`). Blocks without any are shared; where none is private, nothing is to
    be changed.
    """
    every = {n for one in found.values() for name in one.groups if (n := _number(name)) is not None}
    private: set[int] = set()
    reasons: list[str] = []
    for one in found.values():
        for pair in one.conflicts:
            blocks = {n for name in pair.fighting_layers if (n := _number(name)) is not None}
            private |= blocks
            if blocks:
                reasons.append(f"{fights.fight(pair, one)}.")
    shared = tuple(sorted(every - private))
    return Choice(tuple(sorted(private)), shared, tuple(reasons))


def _number(group: str) -> int | None:
    found = re.fullmatch(r"block (\d+)", group)
    return int(found[1]) if found else None


def _blocks(numbers: tuple[int, ...]) -> str:
    return fights.places([f"block {number}" for number in numbers], ())
