"""One process or several: who am I, and sums over all."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, nn

from madrigal.model.host import choose_device

T = TypeVar("T")

# The others wait while the first evaluates, however long that takes. When a process dies, it is
# torchrun that ends the others.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Processes:
    """This process's place among all that share the work."""

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.index == 0

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def from_first(self, value: T) -> T:
        """The first process's value, in every process."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        held = [value]
        broadcast_object_list(held)
        return held[0]

    def any_(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says so; all of them get the same answer."""
        if self.count == 1:
            return flag
        votes = torch.tensor([float(flag)], device=device)
        self.sum_([votes])
        return bool(votes.item() > 0)

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Add each tensor up over all processes, in place, in one message."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        held = list(tensors)
        flat = torch.cat([tensor.reshape(-1).float() for tensor in held])
        flat = reduce(flat, "sum")
        assert isinstance(flat, Tensor)
        for tensor, part in zip(held, flat.split([t.numel() for t in held]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add gradients up; a process without work for a parameter counts as zero."""
        if self.count == 1:
            return
        held = list(parameters)
        for parameter in held:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.sum_(p.grad for p in held if p.grad is not None)


def join_processes() -> Processes:
    """Join the group that torchrun started, through accelerate; alone without torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    from accelerate import PartialState

    state = PartialState(cpu=choose_device().type == "cpu", timeout=_PATIENCE)
    return Processes(state.process_index, state.num_processes)
