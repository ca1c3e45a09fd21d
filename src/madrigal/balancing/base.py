"""The contract of a balancer: how much each task counts in this step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_LOSS = 1e-8  # nats; smaller losses count as this where a logarithm or quotient is taken


@dataclass(frozen=True, slots=True)
class StepView:
    """What a balancer may look at: the K tasks that are present in this step, in a fixed order.

    `losses` and `gramian` are there only when the balancer said that it needs them; `update` always
    sees the losses. The last two are there only in `update`, for a balancer that `Follows`. Chance
    in a balancer is a function of `seed` and `step` alone.
    """

    tasks: tuple[str, ...]
    rows: Float[Tensor, " K"]  # examples of each task in this step, all processes
    task_weights: Float[Tensor, " K"]  # the recipe's fixed weights
    losses: Float[Tensor, " K"] | None = None  # nats per unit
    gramian: Float[Tensor, "K K"] | None = None  # of the gradients of these losses; float64
    step: int = 0  # from 0
    seed: int = 0
    losses_after: Float[Tensor, " K"] | None = None  # of the same rows after the optimiser's step
    validation: Mapping[str, float] | None = None  # nats per unit, for every task of the stage
    protected: tuple[bool, ...] = ()  # tasks of earlier stages that are replayed; empty: none is


@runtime_checkable
class Balancer(Protocol):
    """`weights` reads, `update` changes. State is a flat dict that JSON can hold."""

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]: ...

    def weights(self, view: StepView) -> Float[Tensor, " K"]: ...

    def update(self, view: StepView) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Stateless:
    """A balancer with no state of its own; gradients that it `Remembers` are kept by the step."""

    __slots__ = ()

    def update(self, view: StepView) -> None:
        """Nothing is remembered."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is remembered."""


class StateByTask:
    """A balancer whose state is a list of plain values a task, copied on its way in and out."""

    __slots__ = ()
    _state: dict[str, Any]

    def state_dict(self) -> dict[str, Any]:
        return {task: list(held) for task, held in self._state.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state.clear()
        self._state.update({task: list(held) for task, held in state.items()})


@runtime_checkable
class Follows(Protocol):
    """A balancer whose `update` looks beyond the step's own losses; all others need not say so."""

    @property
    def wants_losses_after(self) -> bool:
        """Whether `update` reads `view.losses_after`: one more forward pass a step."""
        ...

    @property
    def validation_every(self) -> int:
        """Steps between two views with `validation`, the first at step 0; 0: never."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A balancer of remembered gradients: `view.gramian` is theirs, and so are its weights.

    The step keeps m_k <- decay m_k + (1 - decay) s_k g_k for every task of the stage.
    """

    @property
    def decay(self) -> float: ...

    def factors(self, view: StepView) -> Float[Tensor, " K"]:
        """s_k, from the losses of this step."""
        ...


def wants_losses_after(balancer: Balancer) -> bool:
    """Whether the step has to measure its rows again, without gradient, once it has been taken."""
    return isinstance(balancer, Follows) and balancer.wants_losses_after


def wants_validation(balancer: Balancer, step: int) -> bool:
    """Whether `update` of this step (from 0) is to see losses on validation rows."""
    every = balancer.validation_every if isinstance(balancer, Follows) else 0
    return every > 0 and step % every == 0


def with_task_weights(view: StepView, values: Sequence[float] | Tensor) -> Float[Tensor, " K"]:
    """`values` times the recipe's own weights, in their precision: a balancer's last act."""
    held = torch.as_tensor(values, dtype=torch.float64).to(view.task_weights)
    return held * view.task_weights


def losses_by_task(view: StepView, after: bool = False) -> dict[str, float]:
    """Finite losses of the tasks present: what a state may be changed by."""
    losses = view.losses_after if after else view.losses
    if losses is None:
        raise ValueError(f"the view holds no losses{' after the step' if after else ''}")
    found = zip(view.tasks, losses.tolist(), strict=True)
    return {task: loss for task, loss in found if math.isfinite(loss)}
