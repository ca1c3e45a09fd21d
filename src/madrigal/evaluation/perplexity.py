"""How well raw text is predicted: nats of every token, window by window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import right_padded
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.record import Record


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a document that fits the context, and the bytes of what is predicted in it."""

    document: int  # index into the records
    number: int  # within the document, from 1; 0 where the document is one window
    row: Encoded
    bytes: int


def windows_of(coder: Coder, records: Sequence[Record]) -> list[Window]:
    """Each document in windows of the context's length. Those that predict nothing are left out.

    A document without start token loses its first token and its bytes: nothing precedes it. The
    last window takes what the others leave of the document's bytes, so that the sum is exact even
    where a window ends inside a character.
    """
    found = []
    for document, record in enumerate(records):
        rows = [row for row in coder.windows([record]) if row.answer_tokens]
        if not rows:
            continue
        sizes = [_size(coder.tokenizer, row.tokens[row.trained].tolist()) for row in rows[:-1]]
        first = _size(coder.tokenizer, rows[0].tokens[:1].tolist())
        sizes.append(max(0, len(record.text.encode()) - first - sum(sizes)))
        for number, (row, size) in enumerate(zip(rows, sizes, strict=True), start=1):
            found.append(Window(document, number if len(rows) > 1 else 0, row, size))
    return found


def _size(tokenizer: Any, tokens: list[int]) -> int:
    """Bytes that tokens stand for; special tokens stand for none."""
    text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return len(text.encode())


def row_nats(
    model: LanguageModel,
    rows: Sequence[Encoded],
    batch_tokens: int,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[float]:
    """Sum of the negative log-likelihoods of each row's trained tokens, in nats."""
    nats = [0.0] * len(rows)
    done = 0
    for batch in by_length([row.length for row in rows], batch_tokens):
        tokens = right_padded([rows[i].tokens for i in batch]).to(model.device)
        trained = right_padded([rows[i].trained for i in batch]).to(model.device)
        row, place = trained.nonzero().unbind(dim=1)
        logps, _ = model.logps(model.states(tokens)[row, place - 1], tokens[row, place])
        sums = torch.zeros(len(batch), dtype=torch.float64, device=model.device)
        for index, value in zip(
            batch, sums.index_add(0, row, -logps.double()).tolist(), strict=True
        ):
            nats[index] = value
        done += len(batch)
        on_progress(done, len(rows))
    return nats
