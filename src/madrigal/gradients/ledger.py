"""Per-task gradients of one step, gathered while a single backward pass runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.gradients.spans import Spans

# Multiplications in a row's product up to which float32 is quicker than bfloat16 on a CPU.
_SMALL = 1 << 20


class Ledger:
    """The R x P matrix of gradients by row, P counting the trainable parameters that are split.

    A row stands for a task, or for half of a task's examples. Layers add to it from inside their
    backward pass, once for each use of a parameter, so tied weights and several microbatches add
    up. Rows are sums of unnormalised losses' gradients; what divides them by counts of units works
    on the small Gramian instead. The matrix is float32 whatever the layers compute in, and one
    block of memory: the Gramian is one product, and so is the mixed gradient.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], rows: int) -> None:
        self.rows = rows
        self._parameters = dict(parameters)
        device = next(iter(parameters.values())).device
        sizes = [p.numel() for p in parameters.values()]
        self._matrix = torch.zeros(rows, sum(sizes), dtype=torch.float32, device=device)
        self._places: dict[int, int] = {}
        self._slices: dict[str, slice] = {}
        self._views: list[list[Tensor]] = []
        end = 0
        for place, (name, parameter) in enumerate(parameters.items()):
            start, end = end, end + parameter.numel()
            self._places[id(parameter)] = place
            self._slices[name] = slice(start, end)
            block = self._matrix[:, start:end]
            self._views.append([block[row].view(parameter.shape) for row in range(rows)])
        self._fresh = [[True] * rows for _ in self._views]  # nothing added in this step yet
        self._spans: Spans | None = None

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The parameters whose gradients are split, by name."""
        return self._parameters

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

    def row(self, parameter: nn.Parameter, row: int) -> tuple[Tensor, bool]:
        """A row's gradient of one parameter, and whether it holds nothing of this step yet.

        The caller adds to it, or overwrites it where it is fresh.
        """
        views, fresh = self._of(parameter)
        was, fresh[row] = fresh[row], False
        return views[row], was

    def _of(self, parameter: nn.Parameter) -> tuple[list[Tensor], list[bool]]:
        place = self._places[id(parameter)]
        return self._views[place], self._fresh[place]

    def add(self, parameter: nn.Parameter, row: int, gradient: Tensor) -> None:
        """Add a gradient of one parameter to a row."""
        held, fresh = self.row(parameter, row)
        if fresh:
            held.copy_(gradient)
        else:
            held.add_(gradient)

    def add_products(
        self,
        parameter: nn.Parameter,
        spans: Spans,
        left: Float[Tensor, "N M"],
        right: Float[Tensor, "N D"],
    ) -> None:
        """Add left_k^T right_k to row k, over the vectors of its span.

        On a CPU small products are made in float32 whatever comes: one in bfloat16 spends more on
        being set up, anew for each length, than on multiplying.
        """
        rows, lengths = spans.lengths(left.shape[0])
        few = left.numel() * right.shape[1] <= _SMALL * len(lengths)
        if few and left.device.type == "cpu":
            left, right = left.float(), right.float()
        parts = zip(rows, left.T.split(lengths, 1), right.split(lengths), strict=True)
        views, fresh = self._of(parameter)
        for row, first, second in parts:
            if row is None:
                continue
            if first.dtype != torch.float32:
                self.add(parameter, row, first @ second)
            elif fresh[row]:
                fresh[row] = False
                torch.mm(first, second, out=views[row])
            else:
                views[row].addmm_(first, second)

    def add_sums(self, parameter: nn.Parameter, spans: Spans, values: Tensor) -> None:
        """Add to row k the sum of the vectors of its span."""
        for row, span in spans.of(values.shape[0]):
            self.add(parameter, row, values[span].float().sum(0))

    def add_product(
        self, parameter: nn.Parameter, row: int, left: Float[Tensor, "M N"], right: Tensor
    ) -> None:
        """Add the matrix product of `left` and `right` to a row."""
        held, fresh = self.row(parameter, row)
        if left.dtype != held.dtype:
            product = left @ right
            if fresh:
                held.copy_(product)
            else:
                held.add_(product)
        elif fresh:
            torch.mm(left, right, out=held)
        else:
            held.addmm_(left, right)

    def clear(self) -> None:
        """Begin the next step."""
        self._fresh = [[True] * self.rows for _ in self._views]

    def matrix(self) -> Float[Tensor, "R P"]:
        """All rows; those that nothing was added to are zero."""
        for views, flags in zip(self._views, self._fresh, strict=True):
            for row, fresh in enumerate(flags):
                if fresh:
                    views[row].zero_()
                    flags[row] = False
        return self._matrix

    def gradients(self, row: int) -> dict[str, Tensor]:
        """One row as gradients by parameter name."""
        self.matrix()
        return {name: views[row] for name, views in zip(self._slices, self._views, strict=True)}

    def block(self, name: str) -> Float[Tensor, "R *shape"]:
        """All rows' gradients of one parameter."""
        return self.matrix()[:, self._slices[name]].view(-1, *self._parameters[name].shape)

    def sums(self) -> dict[str, Tensor]:
        """The sum of all rows as gradients by parameter name."""
        total = self.matrix().sum(0)
        return {
            name: total[self._slices[name]].view(parameter.shape)
            for name, parameter in self._parameters.items()
        }

    def gramian(
        self,
        names: frozenset[str] | None = None,
        metric: Float[Tensor, " P"] | None = None,
    ) -> Float[Tensor, "R R"]:
        """J D J^T in float64 on the host, over all parameters or those named.

        D is the diagonal `metric`; left out, the identity.
        """
        matrix = self.matrix()
        total = torch.zeros(self.rows, self.rows, dtype=torch.float64)
        for part in self._parts(names):
            block = matrix[:, part]
            scaled = block if metric is None else block * metric[part]
            total += (scaled @ block.T).double().cpu()
        return (total + total.T) / 2

    def _parts(self, names: frozenset[str] | None) -> list[slice]:
        if names is None:
            return [slice(0, self._matrix.shape[1])]
        return [part for name, part in self._slices.items() if name in names]

    def write_gradient(self, weights: Float[Tensor, " R"]) -> None:
        """Set every `parameter.grad` to its part of w^T J."""
        mixed = weights.to(self._matrix) @ self.matrix()
        for name, parameter in self._parameters.items():
            part = mixed[self._slices[name]].view(parameter.shape)
            parameter.grad = part.to(parameter.dtype)
