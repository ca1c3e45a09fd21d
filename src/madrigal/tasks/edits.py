"""Which tokens an editor changed."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from jaxtyping import Float


def edited(
    before: Sequence[int], after: Sequence[int]
) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " B"]]:
    """Of each token of two versions 1 where it differs from the other version, else 0.

    By the opcodes of `difflib`. Where tokens stand in the other version only, the one that follows
    instead is marked: it is where the two ways part.
    """
    marks = np.zeros(len(before)), np.zeros(len(after))
    matcher = SequenceMatcher(None, list(before), list(after), autojunk=False)
    for tag, *ends in matcher.get_opcodes():
        if tag == "equal":
            continue
        for mark, start, end in zip(marks, ends[::2], ends[1::2], strict=True):
            mark[start : max(end, start + 1)] = 1.0
    return marks
