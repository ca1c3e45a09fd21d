"""Auxiliary tasks help while they pull the way of the main tasks, and are left out otherwise."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Balancer, Follows, StepView, wants_losses_after


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """Another balancer for the main tasks; an auxiliary task counts as far as it agrees with them.

    After Du et al., 2018 ("Adapting auxiliary losses using gradient similarity", weighted version).
    With d = sum_m w_m g_m the update of the main tasks m under the other balancer, g_a the gradient
    of auxiliary task a, r its examples in the step, and a_a the recipe's weight,

        w_a = a_a (r_a / sum_k r_k) max(0, c_a),   c_a <- decay c_a + (1 - decay) cos(g_a, d)

    Needs the Gramian. Differs from the paper: the cosine is averaged over steps, because that of
    one step is mostly noise (decay 0 is the paper), and its weight starts from its share of the
    examples, as `mean` weighs them.
    """

    main: Balancer
    names: Collection[str]
    decay: float = 0.9
    _cosines: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    @property
    def wants_losses_after(self) -> bool:
        return wants_losses_after(self.main)

    @property
    def validation_every(self) -> int:
        return self.main.validation_every if isinstance(self.main, Follows) else 0

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        main, others = self._places(view)
        found = torch.zeros(len(view.tasks))
        if main:
            found[main] = self.main.weights(self._part(view, main))
        agreement = self._agreement(view, found, others)
        for place in others:
            share = view.rows[place] / view.rows.sum()
            found[place] = view.task_weights[place] * share * max(0.0, agreement[view.tasks[place]])
        return found

    def update(self, view: StepView) -> None:
        main, others = self._places(view)
        found = torch.zeros(len(view.tasks))
        if main:
            part = self._part(view, main)
            found[main] = self.main.weights(part)
            self.main.update(part)
        self._cosines.update(self._agreement(view, found, others))

    def _places(self, view: StepView) -> tuple[list[int], list[int]]:
        """Places of the main and of the auxiliary tasks among those present."""
        helping = [place for place, task in enumerate(view.tasks) if task in self.names]
        return [place for place in range(len(view.tasks)) if place not in helping], helping

    def _part(self, view: StepView, places: Sequence[int]) -> StepView:
        """The view of some of the tasks, as if no other were trained."""
        index, told = torch.tensor(places), view.validation
        return replace(
            view,
            tasks=tuple(view.tasks[place] for place in places),
            rows=view.rows[index],
            task_weights=view.task_weights[index],
            protected=tuple(view.protected[place] for place in places if view.protected),
            losses=None if view.losses is None else view.losses[index],
            gramian=None if view.gramian is None else view.gramian[index][:, index],
            losses_after=None if view.losses_after is None else view.losses_after[index],
            # Of every main task, also of those that this step does not hold.
            validation=told and {t: x for t, x in told.items() if t not in self.names},
        )

    def _agreement(
        self, view: StepView, weights: Float[Tensor, " K"], others: Sequence[int]
    ) -> dict[str, float]:
        """c_a of the auxiliary tasks, this step's cosine included; `weights` of the main tasks."""
        assert view.gramian is not None
        held = weights.to(view.gramian)
        length = float(held @ view.gramian @ held) ** 0.5
        found = {}
        for place in others:
            name, norm = view.tasks[place], float(view.gramian[place, place]) ** 0.5
            before = self._cosines.get(name)
            if length * norm > 0:
                now = float(view.gramian[place] @ held) / (length * norm)
                found[name] = (
                    now if before is None else self.decay * before + (1 - self.decay) * now
                )
            else:  # nothing to agree with in this step
                found[name] = before if before is not None else 0.0
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"main": self.main.state_dict(), "cosines": dict(self._cosines)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.main.load_state_dict(state["main"])
        self._cosines.clear()
        self._cosines.update(state["cosines"])
