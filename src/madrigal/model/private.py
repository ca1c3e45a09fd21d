"""Task-private LoRA: in one pass each row of a batch is adapted by the part of its own task."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Route:
    """Whose rows a batch holds, as far as private parts go.

    `present` are its tasks that have one. `slot[b]` is the place of row b's task among them, and
    `len(present)` for a row without a private part; None where all rows belong to one task.
    """

    present: tuple[str, ...]
    slot: Int[Tensor, " B"] | None


class Routing:
    """The route of the pass that is going on; all layers of a network look at the same one."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)
        self._route: Route | None = None

    @property
    def route(self) -> Route:
        if self._route is None:
            raise RuntimeError("a network with private parts runs inside `model.routed(...)`")
        return self._route

    def plan(self, rows: str | Sequence[str], device: torch.device) -> Route:
        """The route of a batch whose row b belongs to task `rows[b]`, or all rows to one task."""
        if isinstance(rows, str) or len(set(rows)) == 1:
            task = rows if isinstance(rows, str) else rows[0]
            return Route((task,) if task in self.tasks else (), None)
        present = tuple(task for task in self.tasks if task in rows)
        places = {task: place for place, task in enumerate(present)}
        slots = [places.get(task, len(present)) for task in rows]
        return Route(present, torch.tensor(slots, device=device))

    @contextmanager
    def following(self, route: Route | None) -> Iterator[None]:
        """Passes inside take this route."""
        before, self._route = self._route, route
        try:
            yield
        finally:
            self._route = before

    def kept(self) -> tuple[Any, Any]:
        """Contexts for a checkpointed block (`context_fn` of torch's `checkpoint`).

        What is computed again in the backward pass takes the route of its first time, wherever the
        backward pass runs.
        """
        return self.following(self._route), self.following(self._route)


class _AddUpdates(torch.autograd.Function):
    """y_b + s B_b A_b x_b for the rows b of a batch, in place: batched products and no other pass.

    Written out because autograd's own would hand on transposed gradients of A and B, which are
    slow to add up by task.
    """

    @staticmethod
    def forward(
        ctx: Any,
        y: Float[Tensor, "*B O"],
        x: Float[Tensor, "*B I"],
        a: Float[Tensor, "R M I"],
        b: Float[Tensor, "R O M"],
        scaling: float,
    ) -> Tensor:
        rows = x.reshape(len(a), -1, x.shape[-1])
        low = torch.bmm(rows, a.mT).mul_(scaling)
        y.view(len(a), -1, y.shape[-1]).baddbmm_(low, b.mT)
        ctx.save_for_backward(rows, low, a, b)
        ctx.scaling, ctx.shape = scaling, x.shape
        ctx.mark_dirty(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gy,) = gradients
        rows, low, a, b = ctx.saved_tensors
        gy_rows = gy.reshape(len(a), -1, gy.shape[-1])
        g_low = torch.bmm(gy_rows, b).mul_(ctx.scaling)
        gx = torch.bmm(g_low, a).view(ctx.shape) if ctx.needs_input_grad[1] else None
        return gy, gx, torch.bmm(g_low.mT, rows), torch.bmm(gy_rows.mT, low), None


class PrivateLora(nn.Module):
    """Adds s B_t A_t x to a linear layer's output for the rows x of each task t.

    Low-rank adaptation of Hu et al., 2021, with s = alpha / rank, one pair for each task:
    `A_TASK` (rank x inputs) and `B_TASK` (outputs x rank). Rows of a task without a pair get
    nothing added, and only pairs of tasks in the batch get a gradient.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rank: int,
        scaling: float,
        dropout: float,
        routing: Routing,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.rank = inputs, outputs, rank
        self.scaling, self.routing = scaling, routing
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        for task in routing.tasks:
            self.register_parameter(f"A_{task}", nn.Parameter(torch.zeros(rank, inputs)))
            self.register_parameter(f"B_{task}", nn.Parameter(torch.zeros(outputs, rank)))

    def pair(self, task: str) -> tuple[nn.Parameter, nn.Parameter]:
        """A and B of a task."""
        return getattr(self, f"A_{task}"), getattr(self, f"B_{task}")

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, rank={self.rank}, tasks={len(self.routing.tasks)}"

    def add_to(self, y: Float[Tensor, "*B O"], x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """The layer's output `y` for the input `x` with the rows' own updates added in place."""
        route = self.routing.route
        if not route.present:
            return y
        x = self.dropout(x).to(y.dtype)
        if route.slot is None:
            first, second = (part.to(y.dtype) for part in self.pair(route.present[0]))
            return y.add_(F.linear(F.linear(x, first) * self.scaling, second))
        first, second = (
            self._of_rows(which, route.present, route.slot).to(y.dtype) for which in "AB"
        )
        return _AddUpdates.apply(y, x, first, second, self.scaling)

    def _of_rows(
        self, which: str, present: Sequence[str], slot: Int[Tensor, " B"]
    ) -> Float[Tensor, "B M N"]:
        """One matrix for each row of the batch; zeros where the row's task has none."""
        held = [getattr(self, f"{which}_{task}") for task in present]
        stack = torch.stack([*held, torch.zeros_like(held[0])])
        return stack.index_select(0, slot)  # its backward pass is faster than stack[slot]'s


@dataclass(frozen=True, slots=True, eq=False)
class PrivateParts:
    """All private parts of a network: their tasks, and the layers that hold them by name."""

    tasks: tuple[str, ...]
    layers: Mapping[str, PrivateLora]  # by the name of the adapted module in the causal model
    routing: Routing

    def of(self, task: str) -> Iterator[nn.Parameter]:
        """A task's own parameters, the A and B of each layer in turn; none where it has no part."""
        if task in self.tasks:
            for layer in self.layers.values():
                yield from layer.pair(task)

    @torch.no_grad()
    def scale_gradients(self, factors: Mapping[str, float]) -> None:
        """Multiply the gradient of each task's own parameters by its factor."""
        for task, factor in factors.items():
            for parameter in self.of(task):
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)

    def names(self) -> list[str]:
        """How the names of private parameters end in the network."""
        return [
            f"{name}.private.{which}_{task}"
            for name in self.layers
            for task in self.tasks
            for which in "AB"
        ]

    def owners(self) -> Mapping[int, str]:
        """The task of each private parameter, by the parameter's `id`."""
        return {id(parameter): task for task in self.tasks for parameter in self.of(task)}


def _add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    private = module.get_submodule("private")
    assert isinstance(private, PrivateLora)
    return private.add_to(output, inputs[0])


def attach(module: nn.Module, private: PrivateLora, adds_it_itself: bool) -> None:
    """Let a linear layer's output hold the private updates too; the layer keeps its name."""
    module.add_module("private", private)
    if not adds_it_itself:
        module.register_forward_hook(_add)


@torch.no_grad()
def initialise(parts: PrivateParts, seed: int) -> None:
    """A as peft does (uniform), B zero, so that a fresh part changes nothing.

    What a task begins with depends on the seed, its name and the layer's, and on no other task.
    """
    for name, layer in parts.layers.items():
        for task in parts.tasks:
            text = f"{seed}:private:{task}:{name}".encode()
            number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
            generator = torch.Generator().manual_seed(number)
            first, second = layer.pair(task)
            nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=generator)
            nn.init.zeros_(second)
