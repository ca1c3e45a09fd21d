"""The contract of a balancer: how much each task counts in this step."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepView:
    """What a balancer may look at: the K tasks that are present in this step, in a fixed order.

    `losses` and `gramian` are there only when the balancer said that it needs them; `update` always
    sees the losses. Chance in a balancer is a function of `seed` and `step` alone.
    """

    tasks: tuple[str, ...]
    rows: Float[Tensor, " K"]  # examples of each task in this step, all processes
    task_weights: Float[Tensor, " K"]  # the recipe's fixed weights
    losses: Float[Tensor, " K"] | None = None  # nats per unit
    gramian: Float[Tensor, "K K"] | None = None  # of the gradients of these losses; float64
    step: int = 0  # from 0
    seed: int = 0


@runtime_checkable
class Balancer(Protocol):
    """`weights` reads, `update` changes. State is a flat dict that JSON can hold."""

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]: ...

    def weights(self, view: StepView) -> Float[Tensor, " K"]: ...

    def update(self, view: StepView) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
