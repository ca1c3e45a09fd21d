"""Distillation to the model before the stage: what it would have said is kept."""

from collections.abc import Collection
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from madrigal.model.head import Around, nothing_around
from madrigal.model.language_model import LanguageModel
from madrigal.retention.teacher import Teacher


@dataclass(frozen=True, slots=True, eq=False)
class Distillation:
    """Adds strength * KL(teacher, model) at the trained positions of some tasks' rows.

    Learning without forgetting (Li and Hoiem, ECCV 2016) for language models: with p the teacher's
    distribution of the next token and q the model's, KL = sum_v p_v (log p_v - log q_v). It belongs
    to the row it is computed on, so it is divided by the row's task's count of units and weighed
    with its task; the teacher is the model before the stage.

    Differs from the paper: the whole vocabulary at temperature 1 instead of the old classes at
    temperature 2; the divergence instead of the cross-entropy, which has the same gradient and is 0
    where nothing changed.
    """

    teacher: Teacher
    strength: float
    tasks: frozenset[str]

    def asks(self, tasks: Collection[str]) -> bool:
        """Whether the teacher is asked about rows of any of these tasks."""
        return not self.tasks.isdisjoint(tasks)

    def divergence(
        self,
        model: LanguageModel,
        states: Float[Tensor, "N D"],
        taught: Float[Tensor, "N D"],
        around: Around = nothing_around,
    ) -> Float[Tensor, " N"]:
        """KL in nats at each position of one task's rows; `taught` are the teacher's states."""

        def reference(first: int, last: int) -> Tensor:
            return self.teacher.log_probabilities(taught[first:last])

        return model.divergence(states, reference, around)
