"""Per-task gradients of one step, gathered while a single backward pass runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.gradients.spans import Spans

# Multiplications in a row's product below which a call costs more than what it computes.
_SMALL = 1 << 19


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
        self._blocks: list[Tensor] = []
        self._views: list[list[Tensor]] = []
        end = 0
        for place, (name, parameter) in enumerate(parameters.items()):
            start, end = end, end + parameter.numel()
            self._places[id(parameter)] = place
            self._slices[name] = slice(start, end)
            block = self._matrix[:, start:end]
            self._blocks.append(block)
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
        place = self._places[id(parameter)]
        fresh, self._fresh[place][row] = self._fresh[place][row], False
        return self._views[place][row], fresh

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

        Many small products are one call: those of blocks of equal length, which a second one adds
        up to rows. A few large ones are a call each, which saves passes over the results.
        """
        size = left.shape[1] * right.shape[1]
        if left.shape[0] * size > _SMALL * len(spans.spans):
            for row, span in spans.of(left.shape[0]):
                self.add_product(parameter, row, left[span].T, right[span])
            return
        scatter = spans.scatter(self.rows, left.device)
        blocks = scatter.shape[1]
        each = torch.bmm(
            left.reshape(blocks, -1, left.shape[1]).mT, right.reshape(blocks, -1, right.shape[1])
        )
        self._add_rows(parameter, scatter, each.view(blocks, size))

    def add_sums(self, parameter: nn.Parameter, spans: Spans, values: Tensor) -> None:
        """Add to row k the sum of the vectors of its span."""
        scatter = spans.scatter(self.rows, values.device)
        each = values.reshape(scatter.shape[1], -1, values.shape[1]).float().sum(1)
        self._add_rows(parameter, scatter, each)

    def _add_rows(
        self, parameter: nn.Parameter, scatter: Float[Tensor, "R B"], each: Float[Tensor, "B p"]
    ) -> None:
        """Add blocks to the rows that they belong to."""
        place = self._places[id(parameter)]
        flags = self._fresh[place]
        empty = all(flags)
        if not empty:
            self._zero(place)
        self._blocks[place].addmm_(scatter, each.float(), beta=0 if empty else 1)
        self._fresh[place] = [False] * self.rows

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
        for place in range(len(self._fresh)):
            self._zero(place)
        return self._matrix

    def _zero(self, place: int) -> None:
        """Make the rows of one parameter that hold nothing of this step zero."""
        flags = self._fresh[place]
        if any(flags):
            for row, fresh in enumerate(flags):
                if fresh:
                    self._views[place][row].zero_()
            self._fresh[place] = [False] * self.rows

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
