"""Raw text as rows of tokens."""

from collections.abc import Sequence

import numpy as np

from madrigal.tasks.encoded import Encoded
from madrigal.tasks.pieces import Pieces


def text_windows(texts: Sequence[str], pieces: Pieces, context: int) -> list[Encoded]:
    """Documents joined by the end token and cut into rows of at most `context` tokens.

    A window begins with the start token, or, where the tokenizer has none, with the last token of
    the window before. So every token of the texts but the very first of a text without start token
    is trained exactly once. The start token itself is never trained: generation stops before it.
    """
    start = list(pieces.start)
    stream: list[int] = []
    for ids in pieces.starts(texts):
        stream += [pieces.end, *start, *ids] if stream else ids
    if start:
        step = context - len(start)
        chunks = [start + stream[at : at + step] for at in range(0, len(stream), step)]
    else:
        step = context - 1
        chunks = [stream[at : at + context] for at in range(0, len(stream) - 1, step)]
    return [_window(chunk, [] if pieces.end in start else start) for chunk in chunks]


def _window(chunk: list[int], untrained: list[int]) -> Encoded:
    tokens = np.array(chunk, dtype=np.int64)
    trained = ~np.isin(tokens, untrained)
    trained[0] = False
    return Encoded(tokens, trained)
