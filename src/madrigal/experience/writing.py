"""Answers of the model's own, as they are written and read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.errors import RunStopped
from madrigal.evaluation.evaluate import still
from madrigal.evaluation.sample import Choose, Drawn, heated, sample
from madrigal.experience.answer import Answer, Prompt
from madrigal.recipe import policy
from madrigal.training.lockstep import by_first
from madrigal.training.reference import Asked

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes answers with the model as it is. Token t of answer j to the prompt at place p of step
    s follows from seed, stage, task, s, p, j and t alone."""

    asked: Asked
    end: int
    chance: tuple[int, str]
    batch_tokens: int

    def drawn(
        self, task: str, step: int, prompts: Sequence[Prompt], settings: policy.Acting
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens of answers that are drawn, and their log-probabilities; prompts repeat `samples`
        times, equal ones adjacent."""
        choose = heated(settings.temperature, settings.top_p)
        return self._written(task, step, prompts, settings.samples, choose)

    def likeliest(self, task: str, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Tokens of answers of which each is the likeliest in its place."""
        return self._written(task, 0, prompts, 1, _likeliest)[0]

    def _written(
        self, task: str, step: int, prompts: Sequence[Prompt], count: int, choose: Choose
    ) -> tuple[list[list[int]], list[list[float]]]:
        model = self.asked.model
        with still(model), model.routed(task), model.lean():
            return sample(
                model,
                [one.tokens for one in prompts],
                [one.limit for one in prompts],
                [(self.end,)],
                [(*self.chance, task, step, n // count, n % count) for n in range(len(prompts))],
                self.batch_tokens,
                choose,
            )

    def read(self, prompts: Sequence[Prompt], said: Sequence[list[int]]) -> list[Answer]:
        """Tokens as answers."""
        ended = [tokens[-1:] == [self.end] for tokens in said]
        bare = [t[:-1] if over else t for t, over in zip(said, ended, strict=True)]
        texts = self.asked.model.tokenizer.batch_decode(bare, skip_special_tokens=True)
        return [
            Answer(prompt, np.array(tokens, dtype=np.int64), text.strip(), over)
            for prompt, tokens, text, over in zip(prompts, said, texts, ended, strict=True)
        ]

    def by_first(self, work: Callable[[], T]) -> T:
        """What the first process finds, in all of them; all stop where it must.

        Raises:
            RunStopped: the work did.
        """

        def careful() -> Any:
            try:
                return work()
            except RunStopped as problem:
                return str(problem)

        processes = self.asked.processes
        found = processes.from_first(by_first(processes, self.asked.model, careful))
        if isinstance(found, str):
            raise RunStopped(found)
        assert found is not None
        return found


def _likeliest(logits: Float[Tensor, "R V"], chance: Sequence[float]) -> Drawn:
    """It is certain, so its log-probability is 0."""
    del chance
    return logits.argmax(dim=-1), logits.new_zeros(len(logits))
