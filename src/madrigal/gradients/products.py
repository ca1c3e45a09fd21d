"""Inner products that a Gramian is made of: of parameters' gradients, or of weights' updates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.gradients.ledger import Ledger
from madrigal.model.private import PrivateLora


@runtime_checkable
class Products(Protocol):
    """How two rows of the ledger are multiplied with each other."""

    def gramian(
        self, ledger: Ledger, names: frozenset[str] | None, scale: Float[Tensor, " P"] | None
    ) -> Float[Tensor, "R R"]:
        """In float64 on the host, over all parameters or those named; `scale` is a diagonal."""
        ...


@dataclass(frozen=True, slots=True)
class ParameterProducts:
    """J D J^T of the parameters' own gradients."""

    def gramian(
        self, ledger: Ledger, names: frozenset[str] | None, scale: Float[Tensor, " P"] | None
    ) -> Float[Tensor, "R R"]:
        return ledger.gramian(names, scale)


PLAIN = ParameterProducts()


@dataclass(frozen=True, slots=True)
class LowRankPair:
    """Names of A and B of a low-rank update s B A."""

    a: str
    b: str
    scaling: float


@dataclass(frozen=True, slots=True)
class UpdateProducts:
    """The Gramian of what a plain gradient step would do to the weights themselves.

    A row's gradients dA (rank x inputs) and dB (outputs x rank) of an update s B A (Hu et al.,
    2021) move the weights by dW = s (B dA + dB A), and for rows i and j

        <dW_i, dW_j> = s^2 ( <dA_i, B'B dA_j> + <dB_i, dB_j A A'>
                           + <B'dB_j, dA_i A'> + <B'dB_i, dA_j A'> ),

    where nothing is larger than the gradients held already. Each pair is a matrix of its own, also
    where a shared and a private pair stand at one layer. Parameters in no pair count as they are.

    The value depends on dW alone, not on how A and B share it out. dW itself is that of a step on
    this A and this B: gradients at another A and B with the same product make another step.
    """

    pairs: tuple[LowRankPair, ...]

    @torch.no_grad()
    def gramian(
        self, ledger: Ledger, names: frozenset[str] | None, scale: Float[Tensor, " P"] | None
    ) -> Float[Tensor, "R R"]:
        assert scale is None, "products of updates know no diagonal"
        wanted = frozenset(ledger.parameters) if names is None else names
        pairs = [pair for pair in self.pairs if pair.a in wanted]
        rest = wanted.difference(*({pair.a, pair.b} for pair in pairs))
        total = ledger.gramian(rest)
        if pairs:
            parts = [_gramian(ledger, pair) for pair in pairs]
            total += torch.stack(parts).cpu().double().sum(0)
        return (total + total.T) / 2


def _gramian(ledger: Ledger, pair: LowRankPair) -> Float[Tensor, "R R"]:
    a, b = (ledger.parameters[name].float() for name in (pair.a, pair.b))
    da, db = ledger.block(pair.a), ledger.block(pair.b)
    inner = ((b.T @ b) @ da).flatten(1) @ da.flatten(1).T
    outer = (db @ (a @ a.T)).flatten(1) @ db.flatten(1).T
    mixed = (da @ a.T).flatten(1) @ (b.T @ db).flatten(1).T
    return pair.scaling**2 * (inner + outer + mixed + mixed.T)


def low_rank_pairs(
    network: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> tuple[LowRankPair, ...]:
    """The low-rank updates whose A and B are both among the parameters."""
    names = {id(parameter): name for name, parameter in parameters.items()}
    return tuple(
        LowRankPair(names[id(a)], names[id(b)], scaling)
        for module in network.modules()
        for a, b, scaling in _updates(module)
        if id(a) in names and id(b) in names
    )


def _updates(module: nn.Module) -> Iterator[tuple[Any, Any, float]]:
    """A, B and scaling of every low-rank update that a layer holds."""
    from peft.tuners.lora import LoraLayer

    if isinstance(module, PrivateLora):
        for part in module.routing.parts:
            yield *module.pair(part), module.scaling
    elif isinstance(module, LoraLayer):
        for name, a in module.lora_A.items():
            yield a.weight, module.lora_B[name].weight, module.scaling[name]
        for name, a in module.lora_embedding_A.items():
            yield a, module.lora_embedding_B[name], module.scaling[name]
