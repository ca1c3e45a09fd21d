"""Transformer blocks by number, read off the names of modules and weights."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from madrigal.errors import ModelError

# The first number in a name; a later one may count experts.
_NUMBER = re.compile(r"(?:^|\.)(\d+)\.")


def block_of(name: str) -> int | None:
    """The number of the block that holds a module or weight of this name; None outside of all."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None


def in_blocks(name: str, blocks: str | Sequence[int]) -> bool:
    """Whether a module of this name is in one of the blocks; `all` and `none` as in a recipe."""
    if isinstance(blocks, str):
        return blocks == "all"
    return block_of(name) in blocks


def check_blocks(
    key: str, asked: Literal["all", "none"] | Sequence[int], names: Iterable[str]
) -> None:
    """Refuse numbers of blocks that a model with modules of these names does not have.

    Raises:
        ModelError: with `key`, the place in the recipe.
    """
    if isinstance(asked, str):
        return
    have = {block for block in map(block_of, names) if block is not None}
    for number in asked:
        if number not in have:
            known = f"it has {len(have)}, numbered from 0" if have else "its blocks have no numbers"
            raise ModelError(f"{key}: the model has no block {number}; {known}")
