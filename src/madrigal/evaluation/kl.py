"""How far a model has gone from its base on the prompts of a task: KL(base || model).

On the prompts of the *new* task this predicts what is forgotten of everything else (Shenfeld et
al., 2025, "RL's Razor").
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.errors import RunStopped
from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.divergence import Divergence
from madrigal.evaluation.evaluate import MANY_DOCUMENTS, still
from madrigal.evaluation.prediction import numbered
from madrigal.evaluation.prefill import right_padded
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task


@runtime_checkable
class Base(Protocol):
    """What the model is compared with."""

    def states(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The decoder's last states."""
        ...

    def log_probabilities(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Of the next token, at states of its own."""
        ...


@dataclass(frozen=True, slots=True)
class AdapterOff:
    """The base under an adapter: the same network without adapter and private parts."""

    model: LanguageModel

    @contextmanager
    def _off(self) -> Iterator[None]:
        network: Any = self.model.network
        trained = [parameter for _, parameter in self.model.learning()]
        left = [p for _, p in self.model.trainable() if not p.requires_grad]
        # Where all parts are private peft has no adapter to switch off.
        off: AbstractContextManager[Any] = getattr(network, "disable_adapter", nullcontext)()
        try:
            with self.model.routed(""), off:  # rows of no task meet no private part
                yield
        finally:
            for parameter in trained:  # peft switches an adapter on with all of it trainable
                parameter.requires_grad_(True)
            for parameter in left:
                parameter.requires_grad_(False)

    def states(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The decoder's last states."""
        with self._off():
            return self.model.states(tokens)

    def log_probabilities(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Of the next token."""
        with self._off():
            return self.model.logits(states).float().log_softmax(-1)


@dataclass(frozen=True, slots=True)
class Another:
    """A base that was loaded again, beside the model."""

    model: LanguageModel

    def states(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The decoder's last states."""
        return self.model.states(tokens)

    def log_probabilities(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Of the next token."""
        return self.model.logits(states).float().log_softmax(-1)


def kl_to_base(
    model: LanguageModel,
    base: Base,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int = 8192,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[Divergence]:
    """KL(base || model) at every answer position of some records of a task, summed by example.

    KL = sum over the vocabulary of p (log p - log q), with p the base's distribution of the next
    token and q the model's, behind the prompt and the earlier tokens of the reference answer (of
    raw text: behind the text before). The vocabulary is whole, positions come in chunks, so memory
    holds two blocks of logits and no more.

    Differs from the paper: it draws the answers behind which the divergence is taken from the
    model; reference answers need no generation and are the same for every model that is compared.
    """
    examples = _rows(coder, task, records)
    rows = [row for _, _, row in examples]
    nats = [0.0] * len(rows)
    done = 0
    with still(model):
        for batch in by_length([row.length for row in rows], batch_tokens):
            found = _batch(model, base, task.name, [rows[i] for i in batch])
            for index, value in zip(batch, found, strict=True):
                nats[index] = value
            done += len(batch)
            on_progress(done, len(rows))
    _check_finite(task, nats)
    return [
        Divergence(name, cluster, value, row.answer_tokens)
        for (name, cluster, row), value in zip(examples, nats, strict=True)
    ]


def _rows(coder: Coder, task: Task, records: Sequence[Record]) -> list[tuple[str, str, Encoded]]:
    """Id, cluster and tokens of everything that is predicted; raw text window by window."""
    found = []
    apart = task.kind == "text" and len(records) < MANY_DOCUMENTS
    for record, name in zip(records, numbered([record.key for record in records]), strict=True):
        own = record.fields.get(task.cluster, "") if task.cluster else ""
        parts = coder.example(record, task)
        for number, row in enumerate(parts, start=1):
            id_ = f"{name}.{number}" if len(parts) > 1 else name
            if row.answer_tokens:
                found.append((id_, own or (id_ if apart else name), row))
    return found


def _batch(model: LanguageModel, base: Base, task: str, rows: Sequence[Encoded]) -> list[float]:
    tokens = right_padded([row.tokens for row in rows]).to(model.device)
    trained = right_padded([row.trained for row in rows]).to(model.device)
    row, place = trained.nonzero().unbind(dim=1)
    taught = base.states(tokens)[row, place - 1]

    def reference(first: int, last: int) -> Tensor:
        return base.log_probabilities(taught[first:last])

    with model.routed(task):
        each = model.divergence(model.states(tokens)[row, place - 1], reference)
    sums = torch.zeros(len(rows), dtype=torch.float64, device=model.device)
    return sums.index_add(0, row, each.double()).tolist()


def _check_finite(task: Task, nats: Sequence[float]) -> None:
    if not np.isfinite(nats).all():
        raise RunStopped(
            f"task '{task.name}': the model's divergence from the base is not finite, so its "
            "weights are broken; go back to an earlier checkpoint or lower the learning rate"
        )
