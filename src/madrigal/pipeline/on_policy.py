"""Distillation on what the model itself says, from a teacher that is shown the answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from madrigal.evaluation.batches import by_length
from madrigal.evaluation.evaluate import still
from madrigal.evaluation.few_shot import with_shown
from madrigal.evaluation.prefill import right_padded
from madrigal.evaluation.sample import sample
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Said, Teacher
from madrigal.tasks.encoded import Example
from madrigal.tasks.record import Record
from madrigal.training.chance import seed_pass

Tokens = Int[np.ndarray, " _"]


@dataclass(frozen=True, slots=True)
class _Row:
    """What the model said to a prompt, and the prompt that the teacher reads before it."""

    task: str
    prompt: Tokens
    told: Tokens
    said: Tokens


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt, at its place in the step, and the most tokens of an answer to it."""

    place: int
    task: str
    prompt: Tokens
    told: Tokens
    most: int


class OnPolicy:
    """Adds strength * KL(model, teacher) on answers that the model draws in the step itself.

    SDFT of Shenfeld et al., 2026 (arXiv 2601.19897): for a prompt x of the step with its answer c
    the model draws y ~ q(. | x), and is trained on the mean over the tokens of the step's y of
    sum_v q_v (log q_v - log p_v), where q = q(. | x, y_<t) is the model and p = p(. | x, c, x,
    y_<t) the teacher: the model before the stage, which reads the prompt with its answer before the
    prompt, in the form of an example in context. The divergence is the reverse one, over the whole
    vocabulary at each token; no gradient runs through the drawing of y or through the teacher. It
    is weighed with its task, and no balancer sees it. Raw text, which has no prompts, and prompts
    that do not fit the context twice are left out.

    A step costs the drawing of the answers, a teacher's pass over rows of about twice the length,
    and a forward and backward pass over rows as long as the step's own. Every process computes all
    of it.

    Differs from the paper: it is added to the loss of the stage's examples, where SDFT has no other
    loss; the teacher stays where it was, where the paper's follows the model as a moving average;
    the answer is shown as an example and not announced in words.
    """

    name = "distill"

    def __init__(
        self, built: Built, stage: StageSettings, model: LanguageModel, strength: float
    ) -> None:
        self.teacher = Teacher(model)
        self._built, self._model, self._strength = built, model, strength
        self._stage, self._budget = stage.name, stage.batch.microbatch_tokens
        # Steps are handed examples, and these are the ones of `built`.
        self._records: dict[int, tuple[str, Record]] = {
            id(example): (name, record)
            for name in stage.learn
            if built.tasks[name].answered
            for example, record in zip(
                built.examples[name], built.tasks[name].splits["train"], strict=True
            )
        }

    def add_gradient(
        self, step: int, drawn: Sequence[Example], weights: Mapping[str, float]
    ) -> Said | None:
        """Add the term's gradient for one step's examples; every process adds the same.

        Returns None where no example of the step has a prompt that fits. A row is read as it is
        drawn, and by the teacher behind the prompt with the answer.
        """
        rows = self._rows(step, drawn)
        if not rows:
            return None
        spoken: Counter[str] = Counter()
        for row in rows:
            spoken[row.task] += len(row.said)
        scales = {task: self._strength * weights[task] / count for task, count in spoken.items()}
        lengths = [len(row.told) + len(row.said) for row in rows]
        value = 0.0
        for number, batch in enumerate(by_length(lengths, self._budget)):
            # What dropout there is belongs to this pass, beside those of the step's own rows.
            seed_pass(self._built.recipe.seed, f"{self._stage}:own", step, number)
            loss = self._loss([rows[place] for place in batch], scales)
            loss.backward()
            value += float(loss.detach())
        own = sum(len(row.prompt) + len(row.said) for row in rows)
        return Said(value, read=own + sum(lengths), trained=own)

    def _rows(self, step: int, drawn: Sequence[Example]) -> list[_Row]:
        """What the model says now to the step's prompts."""
        found: list[_Row] = []
        asked = self._asked(drawn)
        for name in dict.fromkeys(one.task for one in asked):
            mine = [one for one in asked if one.task == name]
            with still(self._model), self._model.routed(name):
                said, _ = sample(
                    self._model,
                    [one.prompt for one in mine],
                    [one.most for one in mine],
                    [(self._built.coder.end,)],
                    [(self._built.recipe.seed, self._stage, step, one.place) for one in mine],
                    self._built.recipe.evaluate.batch_tokens,
                )
            found += [
                _Row(name, one.prompt, one.told, np.array(text, dtype=np.int64))
                for one, text in zip(mine, said, strict=True)
            ]
        return found

    def _asked(self, drawn: Sequence[Example]) -> list[_Asked]:
        """The step's examples that have a prompt, and room for it behind itself."""
        coder, found = self._built.coder, []
        for place, example in enumerate(drawn):
            if id(example) not in self._records:
                continue
            name, record = self._records[id(example)]
            task = self._built.tasks[name]
            shown = with_shown(record, [record], task, coder)
            if not shown.shots:
                continue
            most = task.max_new_tokens
            if record.choices:
                most = 1 + max(len(coder.answer(record, text)) for text in record.choices)
            prompt, told = (coder.prompt(one, room=most) for one in (record, shown.record))
            most = min(most, coder.context - len(told))
            found.append(_Asked(place, name, prompt, told, most))
        return found

    def _loss(self, rows: Sequence[_Row], scales: Mapping[str, float]) -> Tensor:
        """The scaled sum of the divergences at every token that was said."""
        model, counts = self._model, [len(row.said) for row in rows]
        scale = torch.tensor([scales[row.task] for row in rows], device=model.device)
        with model.routed([row.task for row in rows]), model.autocast():
            tokens, places = _beside([row.told for row in rows], rows)
            taught = self.teacher.states(tokens.to(model.device))[places]
            tokens, places = _beside([row.prompt for row in rows], rows)
            states = model.states(tokens.to(model.device))[places]

            def reference(first: int, last: int) -> Tensor:
                return self.teacher.log_probabilities(taught[first:last])

            nats = model.divergence(states, reference, counts=counts, reverse=True)
        return (nats * scale.repeat_interleave(torch.tensor(counts, device=model.device))).sum()


Places = tuple[Int[Tensor, " N"], Int[Tensor, " N"]]


def _beside(prompts: Sequence[Tokens], rows: Sequence[_Row]) -> tuple[Int[Tensor, "R T"], Places]:
    """Prompts with what was said to them, and where the states stand that predict it."""
    whole = [np.concatenate([one, row.said]) for one, row in zip(prompts, rows, strict=True)]
    row = [place for place, one in enumerate(rows) for _ in one.said]
    at = [
        len(prompt) - 1 + count
        for prompt, one in zip(prompts, rows, strict=True)
        for count in range(len(one.said))
    ]
    return right_padded(whole), (torch.tensor(row), torch.tensor(at))
