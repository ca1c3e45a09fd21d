"""A frozen base shared out over the processes: each holds a part of every block."""

import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from madrigal.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """What the processes have to agree about where each holds a part of every block (FSDP2).

    A block is gathered from all of them when a pass reaches it, forward and backward, and let go
    when the pass leaves it. So a pass is an affair of all processes: they make the same number of
    them, and one without work of its own makes an empty one.
    """

    decoder: nn.Module
    device: torch.device

    def lead(self, work: Callable[[], T]) -> T:
        """The work of the first process; every pass in it is announced to those that `follow`."""

        def announce(*_: object) -> None:
            self._tell(going=True)

        # Before FSDP's own hook, which gathers.
        handle = self.decoder.register_forward_pre_hook(announce, prepend=True)
        try:
            found = work()
        finally:
            handle.remove()
        self._tell(going=False)
        return found

    def follow(self, empty_pass: Callable[[], None]) -> None:
        """Make an empty pass for each one that the first process announces, until it is done."""
        while self._hear():
            empty_pass()

    def _tell(self, going: bool) -> None:
        torch.distributed.broadcast(torch.tensor([int(going)], device=self.device), 0)

    def _hear(self) -> bool:
        heard = torch.zeros(1, dtype=torch.int64, device=self.device)
        torch.distributed.broadcast(heard, 0)
        return bool(heard.item())


def share_out_blocks(causal: Any, device: torch.device) -> Shards | None:
    """Let each process keep its part of the frozen parameters of every block; None for one process.

    What is trained stays whole everywhere, so nothing about gradients, clipping, optimiser and
    checkpoints changes. So do the embedding, the last norm and the head: every step needs them
    from its first pass to its last, while a block is needed only in passing.

    Raises:
        ModelError: the model has no blocks that can be told apart.
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return None
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    decoder = causal.get_decoder()
    blocks = dict(_blocks(decoder))
    _refuse_what_does_not_divide(causal, blocks)
    # The input of every block needs a gradient, so that a backward pass goes through all of them,
    # whatever the rows of this process train.
    causal.enable_input_require_grads()
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks.values():
        trained = {p for p in block.parameters() if p.requires_grad}
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    fully_shard(decoder, mesh=mesh, ignored_params=set(decoder.parameters()))
    # States are never changed in place here.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    return Shards(decoder, device)


def held_bytes(network: nn.Module) -> int:
    """Bytes of parameters in this process's memory between passes."""
    from torch.distributed.tensor import DTensor

    held = {
        own.untyped_storage().data_ptr(): own.untyped_storage().nbytes()
        for parameter in network.parameters()
        for own in (parameter.to_local() if isinstance(parameter, DTensor) else parameter.data,)
    }
    return sum(held.values())


def _blocks(decoder: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The numbered modules that are inside no other numbered one."""
    for name, module in decoder.named_modules():
        *above, last = name.split(".")
        if last.isdigit() and not any(part.isdigit() for part in above):
            yield name, module


def _refuse_what_does_not_divide(causal: Any, blocks: dict[str, nn.Module]) -> None:
    kind = causal.config.model_type
    if not blocks:
        raise ModelError(
            f"model.shard: the blocks of {kind} models have no numbers, so they cannot be shared "
            "out; leave it out"
        )
    owners: dict[int, str] = {}
    for name, parameter in causal.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            continue
        owner = _owner(name, blocks)
        if owners.setdefault(id(parameter), owner) != owner:
            raise ModelError(
                f"model.shard: {kind} models use {name} in several places, so it cannot be shared "
                "out; leave it out"
            )


def _owner(name: str, blocks: Collection[str]) -> str:
    """The block that a parameter of this name is in; empty for those in none."""
    return next((block for block in blocks if f".{block}." in f".{name}"), "")
