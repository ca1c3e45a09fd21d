"""What was written and found of answers, answers as rows, and what they are paid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from madrigal.experience.answer import Answer
from madrigal.experience.plan import Standing
from madrigal.recipe import policy
from madrigal.tasks.encoded import Acted, Encoded


@dataclass(frozen=True, slots=True)
class Found:
    """Tokens of answers, their rewards, how far ensembles are apart, gold rewards, if any, what a
    server said of each token, where one wrote them, and why there is no reward."""

    said: list[list[int]]
    rewards: list[float]
    apart: list[float]
    gold: list[float]
    theirs: list[list[float]]
    why: dict[int, str]  # there is no reward, by the answer's number


def paid(
    settings: policy.Acting,
    state: Standing,
    answers: Sequence[Answer],
    raw: Float[np.ndarray, " R"],
) -> tuple[Standing, Float[np.ndarray, " R"]]:
    """What answers are paid for their rewards as given: on the task's scale, within bounds, less
    what caution takes from the unended and the long."""
    scale = state.scale.with_more(raw)
    rewards = scale.applied(raw) if settings.normalise == "start" else raw
    rewards = rewards.clip(-settings.most, settings.most)
    cut = np.array([not one.ended for one in answers])
    sizes = np.array([len(one.tokens) for one in answers])
    cost = state.caution.cost(settings.missing_end, cut, sizes)
    return replace(state, scale=scale), rewards - cost


def row_of(answer: Answer) -> Encoded:
    """Prompt and answer, of which the answer is trained."""
    prompt = answer.prompt.tokens
    trained = np.arange(len(prompt) + len(answer.tokens)) >= len(prompt)
    return Encoded(np.concatenate([prompt, answer.tokens]), trained)


def drawn_from(row: Encoded, kept: UInt8[np.ndarray, "A W"]) -> Encoded:
    """A row of which nothing is known but the tokens that it was drawn from."""
    none = np.zeros(row.answer_tokens)
    return replace(row, acted=Acted(none, none, kept=kept))
