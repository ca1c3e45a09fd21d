"""Private LoRA: in one pass each row of a batch is adapted by its own task's or group's part."""

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from madrigal.model.route import Routing


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
    """Adds s B_t A_t x to a linear layer's output for the rows x of each part t.

    Low-rank adaptation of Hu et al., 2021, with s = alpha / rank, one pair for each part (a task's
    or a group's): `A_PART` (rank x inputs) and `B_PART` (outputs x rank). Rows of a task without a
    part get nothing added, and only pairs of parts in the batch get a gradient.
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
        for part in routing.parts:
            self.register_parameter(f"A_{part}", nn.Parameter(torch.zeros(rank, inputs)))
            self.register_parameter(f"B_{part}", nn.Parameter(torch.zeros(outputs, rank)))

    def pair(self, part: str) -> tuple[nn.Parameter, nn.Parameter]:
        """A and B of a part."""
        return getattr(self, f"A_{part}"), getattr(self, f"B_{part}")

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, rank={self.rank}, parts={len(self.routing.parts)}"

    def forward(self, y: Float[Tensor, "*B O"], x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
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
        held = [getattr(self, f"{which}_{part}") for part in present]
        stack = torch.stack([*held, torch.zeros_like(held[0])])
        return stack.index_select(0, slot)  # its backward pass is faster than stack[slot]'s


class PrivateHead(PrivateLora):
    """The same for the output head, which sees positions of many rows one after another.

    A matrix for each position would be too much. The pairs of all parts that are present stand side
    by side, and each position keeps the low-rank values of its own part alone:
    y + s [B_1 .. B_G] (m * [A_1; ..; A_G] x) with m 1 at the own part and 0 elsewhere.
    """

    def forward(self, y: Float[Tensor, "*B O"], x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        route = self.routing.route
        if not route.present:
            return y
        x = self.dropout(x).to(y.dtype)
        pairs = [self.pair(part) for part in route.present]
        first = torch.cat([a for a, _ in pairs]).to(y.dtype)
        second = torch.cat([b for _, b in pairs], dim=1).to(y.dtype)
        low = F.linear(x.reshape(-1, self.inputs), first) * self.scaling
        if route.slot is not None:
            slot = route.slot.repeat_interleave(len(low) // len(route.slot))
            own = slot[:, None] == torch.arange(len(pairs), device=slot.device)
            low = low * own.repeat_interleave(self.rank, dim=1)
        y.view(-1, self.outputs).addmm_(low, second.T)
        return y


@dataclass(frozen=True, slots=True, eq=False)
class PrivateParts:
    """All private parts of a network: whose they are, and the layers that hold them by name.

    A part is named by its task, or by its group where several tasks share one.
    """

    layers: Mapping[str, PrivateLora]  # by the name of the adapted module in the causal model
    routing: Routing

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a part."""
        return tuple(self.routing.part_of)

    def meet(self, tasks: Collection[str]) -> bool:
        """Whether some part belongs to several of these tasks."""
        met = [self.routing.part_of[task] for task in tasks if task in self.routing.part_of]
        return len(set(met)) < len(met)

    def of(self, task: str) -> Iterator[nn.Parameter]:
        """Parameters of a task's part, the A and B of each layer in turn; none without a part.

        Where the task is in a group they are the whole group's.
        """
        if task in self.routing.part_of:
            yield from self._named(self.routing.part_of[task])

    def alone(self, task: str) -> Iterator[nn.Parameter]:
        """Parameters that rows of this task reach and those of no other."""
        part = self.routing.part_of.get(task)
        if part is not None and self.members(part) == (task,):
            yield from self._named(part)

    def members(self, part: str) -> tuple[str, ...]:
        """The tasks that meet a part."""
        return tuple(task for task, name in self.routing.part_of.items() if name == part)

    def _named(self, part: str) -> Iterator[nn.Parameter]:
        for layer in self.layers.values():
            yield from layer.pair(part)

    @torch.no_grad()
    def scale_gradients(self, factors: Mapping[str, float]) -> None:
        """Multiply the gradient of each task's own parameters by its factor."""
        for task, factor in factors.items():
            for parameter in self.of(task):
                if parameter.grad is not None:
                    parameter.grad.mul_(factor)

    def forget_gradients(self, present: Collection[str]) -> None:
        """No gradient at parts that no rows of these tasks reach, so that nothing moves them."""
        reached = {self.routing.part_of.get(task) for task in present}
        for part in self.routing.parts:
            if part not in reached:
                for parameter in self._named(part):
                    parameter.grad = None

    @property
    def at_head(self) -> bool:
        """Whether the output head has private updates."""
        return any(isinstance(layer, PrivateHead) for layer in self.layers.values())

    def names(self) -> list[str]:
        """How the names of private parameters end in the network."""
        return [
            f"{name}.private.{which}_{part}"
            for name in self.layers
            for part in self.routing.parts
            for which in "AB"
        ]

    def owners(self) -> Mapping[int, tuple[str, ...]]:
        """The tasks that reach each private parameter, by the parameter's `id`."""
        return {
            id(parameter): self.members(part)
            for part in self.routing.parts
            for parameter in self._named(part)
        }


def _add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    private = module.get_submodule("private")
    assert isinstance(private, PrivateLora)
    return private(output, inputs[0])


def attach(module: nn.Module, private: PrivateLora, adds_it_itself: bool) -> None:
    """Let a linear layer's output hold the private updates too; the layer keeps its name."""
    module.add_module("private", private)
    if not adds_it_itself:
        module.register_forward_hook(_add)


@torch.no_grad()
def initialise(parts: PrivateParts, seed: int) -> None:
    """A as peft does (uniform), B zero, so that a fresh part changes nothing.

    What a part begins with depends on the seed, its name and the layer's, and on no other part.
    """
    for name, layer in parts.layers.items():
        for part in parts.routing.parts:
            text = f"{seed}:private:{part}:{name}".encode()
            number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
            generator = torch.Generator().manual_seed(number)
            first, second = layer.pair(part)
            nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=generator)
            nn.init.zeros_(second)
