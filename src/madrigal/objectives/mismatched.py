"""Answers behind prompts that they do not belong to."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from madrigal.tasks.encoded import Encoded, Example, Judged

Tokens = Int[np.ndarray, "_"]  # of any number


def mismatched(examples: Sequence[Example], context: int) -> tuple[Encoded, ...]:
    """Each row's prompt with an answer to the nearest prompt before it that is another one.

    Before the first example stands the last. An example of K answers gives K rows. The start of a
    prompt is left out where the two do not fit in `context` tokens. Rows without a trained token
    give none, nor does anything where all prompts are the same.
    """
    cut = [[_cut(row) for row in example if row.trained.any()] for example in examples]
    cut = [example for example in cut if example]
    return tuple(
        _row(prompt, other[place % len(other)][1], context)
        for number, example in enumerate(cut)
        if (other := _other(cut, number)) is not None
        for place, (prompt, _) in enumerate(example)
    )


def _cut(row: Encoded) -> tuple[Tokens, Tokens]:
    """Prompt and answer, which is the last run of trained tokens."""
    at = np.flatnonzero(row.trained)
    gaps = np.flatnonzero(np.diff(at) > 1)
    start = int(at[gaps[-1] + 1] if len(gaps) else at[0])
    return row.tokens[:start], row.tokens[start : int(at[-1]) + 1]


def _other(
    cut: Sequence[Sequence[tuple[Tokens, Tokens]]], number: int
) -> Sequence[tuple[Tokens, Tokens]] | None:
    prompt = cut[number][0][0]
    for back in range(1, len(cut)):
        found = cut[number - back]
        if not np.array_equal(found[0][0], prompt):
            return found
    return None


def _row(prompt: Tokens, answer: Tokens, context: int) -> Encoded:
    answer = answer[: context - 1]
    kept = prompt[max(0, len(prompt) + len(answer) - context) :]
    tokens = np.concatenate([kept, answer])
    trained = np.arange(len(tokens)) >= len(kept)
    return Encoded(tokens, trained, len(prompt) - len(kept), Judged(0, (float("nan"),)))
