"""Which examples share a forward pass: a fixed function of their lengths and order."""

from collections.abc import Iterator, Sequence

# A batch that is filled to an eighth takes a longer example only if less than a tenth is padding.
_FILLED = 8
_PADDING = 0.1


def by_length(lengths: Sequence[int], budget: int, extra: int = 0) -> Iterator[list[int]]:
    """Indices in batches of similar length, shortest first.

    A batch holds at most `budget` padded tokens, or one example; each example counts `extra` tokens
    more than its length. Nothing random enters, so the same examples always meet in the same batch.
    """
    batch: list[int] = []
    held = 0  # tokens without padding
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        size = lengths[index] + extra
        padded = (len(batch) + 1) * size
        wasteful = padded * (1 - _PADDING) > held + size and held * _FILLED >= budget
        if batch and (padded > budget or wasteful):
            yield batch
            batch, held = [], 0
        batch.append(index)
        held += size
    if batch:
        yield batch


def quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""
    del done, total
