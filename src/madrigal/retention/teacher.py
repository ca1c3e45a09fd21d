"""The model as it was before the stage, asked without holding a second network."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.model.branches import Branches
from madrigal.model.language_model import LanguageModel


class Teacher:
    """A model with the trained parameters that it has now, whatever becomes of them later.

    The copies are put in the parameters' place for a pass and taken out again, by exchanging
    storage: nothing is copied at a step, and the frozen part is there once. Without dropout.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._held = [(p, p.detach().clone()) for _, p in model.trainable()]

    @property
    def bytes(self) -> int:
        """Memory of the copies."""
        return sum(held.numel() * held.element_size() for _, held in self._held)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Inside, the model is the teacher. No graph may be built here, and none may be run."""
        network = self._model.network
        training = network.training
        cached = torch.is_autocast_cache_enabled()
        self._exchange()
        network.eval()
        # Autocast remembers a parameter's lower precision by its identity, which both share.
        torch.set_autocast_cache_enabled(False)
        try:
            with torch.no_grad():
                yield
        finally:
            torch.set_autocast_cache_enabled(cached)
            network.train(training)
            self._exchange()

    def states(
        self, tokens: Int[Tensor, "B T"], branches: Branches | None = None
    ) -> Float[Tensor, "B T D"]:
        """The decoder's last states."""
        with self.speaking():
            return self._model.states(tokens, branches)

    def log_probabilities(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """Of the next token, at states of the teacher's."""
        with self.speaking():
            return self._model.logits(states).float().log_softmax(-1)

    def _exchange(self) -> None:
        for place, (parameter, held) in enumerate(self._held):
            now = parameter.data
            parameter.data = held
            self._held[place] = (parameter, now)
