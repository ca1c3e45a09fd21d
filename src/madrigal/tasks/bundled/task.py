"""A bundled task: rows made by a pure function of a fixed seed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from madrigal.tasks.task import Split

# A row as a user's file would hold it: the ordinary record formats read it.
Row = dict[str, Any]

SIZES: Mapping[Split, int] = {"train": 2400, "validation": 240, "test": 300}


@dataclass(frozen=True, slots=True)
class BundledTask:
    """Rows of one task by split, and the settings that suit it.

    `settings` holds keys of a recipe's task (`prompt`, `labels`, `metric`, `cluster`,
    `max_new_tokens`). `held_out` says what the test has that training has not; validation is made
    like training, of other prompts.
    """

    name: str
    about: str
    held_out: str
    rows: Mapping[Split, tuple[Row, ...]]
    settings: Mapping[str, Any]


def make_rows(
    name: str, make: Callable[[Random, Split, int], Iterable[Row]], prompt: tuple[str, ...]
) -> dict[Split, tuple[Row, ...]]:
    """Rows of every split, no two with the same prompt, in a random order.

    Args:
        name: Name of the task; everything random follows from it and the name of the split.
        make: Makes the i-th group of rows of a split. A group is kept or dropped whole.
        prompt: Fields that make up the prompt.
    """
    taken: set[tuple[str, ...]] = set()
    return {
        split: _fill(Random(f"madrigal {name} {split}"), split, size, make, prompt, taken)
        for split, size in SIZES.items()
    }


def _fill(
    rng: Random,
    split: Split,
    size: int,
    make: Callable[[Random, Split, int], Iterable[Row]],
    prompt: tuple[str, ...],
    taken: set[tuple[str, ...]],
) -> tuple[Row, ...]:
    rows: list[Row] = []
    group = 0
    for _ in range(100 * size):
        made = list(make(rng, split, group))
        keys = {tuple(row[field] for field in prompt) for row in made}
        if len(keys) < len(made) or keys & taken:
            continue
        taken |= keys
        rows += made
        group += 1
        if len(rows) >= size:
            rng.shuffle(rows)
            return tuple(rows[:size])
    raise AssertionError(f"only {len(rows)} of {size} different {split} prompts")
