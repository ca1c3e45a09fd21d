"""Per-task gradients of one step, gathered while a single backward pass runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Span:
    """Adjacent units (rows of a batch, or positions of the head) of one task."""

    task: int
    first: int
    last: int  # exclusive


@dataclass(frozen=True, slots=True)
class Spans:
    """Which of `units` leading units of every activation belong to which task."""

    units: int
    spans: tuple[Span, ...]

    def of(self, leading: int) -> Iterator[tuple[int, slice]]:
        """Each task's slice of an activation flattened to `leading` vectors.

        A row of T tokens holds T vectors of the states, and T times the heads of a per-head norm,
        so a unit is `leading / units` adjacent vectors.
        """
        each, rest = divmod(leading, self.units)
        assert rest == 0, f"{leading} vectors do not divide into {self.units} units"
        return ((s.task, slice(s.first * each, s.last * each)) for s in self.spans)


class Ledger:
    """The K x P matrix J of per-task gradients, one buffer of shape (K, *shape) a parameter.

    Layers add to it from inside their backward pass, once for each use of a parameter, so tied
    weights and several microbatches add up. Rows are sums of unnormalised losses' gradients; the
    step divides row k by the task's count of units. Buffers are float32 whatever the layers
    compute in.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], tasks: int) -> None:
        self.tasks = tasks
        self.names = {id(parameter): name for name, parameter in parameters.items()}
        self._buffers = {
            name: torch.zeros(tasks, *p.shape, dtype=torch.float32, device=p.device)
            for name, p in parameters.items()
        }
        self._spans: Spans | None = None

    @contextmanager
    def following(self, spans: Spans) -> Iterator[None]:
        """Layers that run inside know these spans; so do their backward passes."""
        before, self._spans = self._spans, spans
        try:
            yield
        finally:
            self._spans = before

    @property
    def spans(self) -> Spans:
        """The spans of the pass that is going on."""
        assert self._spans is not None, "a layer ran outside a per-task pass"
        return self._spans

    def buffer(self, parameter: nn.Parameter) -> Float[Tensor, "K ..."]:
        """The rows of one parameter."""
        return self._buffers[self.names[id(parameter)]]

    def clear(self) -> None:
        """Zero everything, for the next step."""
        for buffer in self._buffers.values():
            buffer.zero_()

    def matrices(self) -> Mapping[str, Float[Tensor, "K ..."]]:
        """The buffers by parameter name."""
        return self._buffers

    def scale_rows(self, factors: Float[Tensor, " K"]) -> None:
        """Multiply row k by its factor (one over the task's count)."""
        for buffer in self._buffers.values():
            buffer.mul_(factors.view(-1, *[1] * (buffer.ndim - 1)))

    def gramian(self, names: Sequence[str] | None = None) -> Float[Tensor, "K K"]:
        """J J^T in float64 on the host, over all parameters or those named."""
        chosen = self._buffers if names is None else {n: self._buffers[n] for n in names}
        total = torch.zeros(self.tasks, self.tasks, dtype=torch.float64)
        for buffer in chosen.values():
            flat = buffer.reshape(self.tasks, -1)
            total += (flat @ flat.T).double().cpu()
        return total

    def write_gradient(
        self, parameters: Mapping[str, nn.Parameter], weights: Float[Tensor, " K"]
    ) -> None:
        """Set every `parameter.grad` to w^T J."""
        for name, parameter in parameters.items():
            buffer = self._buffers[name]
            mixed = torch.tensordot(weights.to(buffer), buffer, dims=1)
            parameter.grad = mixed.to(parameter.dtype)
