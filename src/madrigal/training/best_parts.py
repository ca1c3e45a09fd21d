"""Private parts as they were at their task's best validation, to go back to for one task alone."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from madrigal.model.language_model import LanguageModel
from madrigal.recipe.stage import EarlyStop

_KEPT = "best_part"  # in a checkpoint: best_part/TASK/PARAMETER


class BestParts:
    """A copy of each task's private parameters, taken where its validation gained.

    It does nothing unless the recipe's rule for early stopping asks for roll-backs.
    """

    def __init__(self, model: LanguageModel, rule: EarlyStop | None) -> None:
        self._model = model
        self._asked = rule is not None and rule.roll_back
        self._held: dict[str, dict[str, Tensor]] = {}

    def keep(self, tasks: Iterable[str]) -> None:
        """Remember these tasks' parts as they are now."""
        if self._asked:
            for task in tasks:
                self._held[task] = {name: p.detach().clone() for name, p in self._of(task)}

    @torch.no_grad()
    def put_back(
        self, tasks: Iterable[str], optimiser: torch.optim.Optimizer | None = None
    ) -> None:
        """Make these tasks' parts what was remembered, and forget their moments.

        A task that left is drawn no more, so nothing gives its part a gradient, and without one the
        optimiser neither moves it nor lets it decay.
        """
        for task in tasks if self._asked else ():
            for name, parameter in self._of(task):
                parameter.copy_(self._held[task][name])
                if optimiser is not None:
                    optimiser.state.pop(parameter, None)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {
            f"{_KEPT}/{task}/{name}": value
            for task, held in self._held.items()
            for name, value in held.items()
        }

    def load(self, kept: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; other tensors of the checkpoint are passed over."""
        self._held = {}
        for key, value in kept.items() if self._asked else ():
            kind, _, rest = key.partition("/")
            if kind == _KEPT:
                task, _, name = rest.partition("/")
                self._held.setdefault(task, {})[name] = value.to(self._model.device)

    def _of(self, task: str) -> Iterator[tuple[str, nn.Parameter]]:
        private = self._model.private
        own = {id(parameter) for parameter in private.alone(task)} if private is not None else set()
        return ((name, p) for name, p in self._model.trainable() if id(p) in own)
