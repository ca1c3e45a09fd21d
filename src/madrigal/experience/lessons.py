"""What is learnt from answers of the model's own: rows with what an objective must know of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from jaxtyping import Float, Int, UInt8

from madrigal.experience.advantages import (
    among_equals,
    estimated,
    leave_one_out,
    token_rewards,
    whitened,
)
from madrigal.recipe import policy
from madrigal.tasks.encoded import Acted, Encoded, Example, Judged


@dataclass(frozen=True, slots=True)
class Written:
    """R answers to some prompts, in order, each with a reward; N tokens one answer after another.

    `group[r]` is the number of answer r's prompt. Log-probabilities are in nats, of the
    distribution that the answers were drawn from; `values` are a critic's, where there is one.
    """

    rows: Sequence[Encoded]
    group: Int[np.ndarray, " R"]
    rewards: Float[np.ndarray, " R"]
    old: Float[np.ndarray, " N"]
    reference: Float[np.ndarray, " N"]
    values: Float[np.ndarray, " N"] | None
    fresh: float  # as far as rounding may take a ratio from 1
    kept: Sequence[UInt8[np.ndarray, "_ W"]] | None = None  # of each row, see `Acted`

    @property
    def sizes(self) -> Int[np.ndarray, " R"]:
        return np.array([row.answer_tokens for row in self.rows], dtype=np.int64)

    @property
    def away(self) -> Float[np.ndarray, " N"]:
        """log pi - log pi_ref of each token."""
        return self.old - self.reference

    def by_answer(self, tokens: Float[np.ndarray, " N"]) -> Float[np.ndarray, " R"]:
        """Sums over the tokens of each answer."""
        starts = np.cumsum(self.sizes) - self.sizes
        return np.add.reduceat(tokens, starts) if len(tokens) else np.zeros(len(self.rows))


# An example for each prompt, by the prompt's number; prompts from which nothing is learnt miss.
Lessons = dict[int, Example]


def lessons(settings: policy.Acting, written: Written, beta: float) -> Lessons:
    """What the objective of these settings learns from; `beta` is the price of a nat, where the
    reward pays it."""
    if not written.rows:
        return {}
    match settings:
        case policy.Rloo():
            kept = _in_company(written)
            if not kept.rows:
                return {}
            rewards = kept.rewards - beta * kept.by_answer(kept.away)
            worth = leave_one_out(rewards, kept.group)
            return _acted(kept, np.repeat(worth, kept.sizes))
        case policy.Grpo():
            kept = _in_company(written)
            if not kept.rows:
                return {}
            worth = among_equals(kept.rewards, kept.group, settings.scaled)
            return _acted(kept, np.repeat(worth, kept.sizes), reference=kept.reference)
        case policy.Ppo():
            return _with_critic(settings, written, beta)
        case policy.BestOfN():
            return {group: (written.rows[best],) for group, (best, _) in _ends(written).items()}
        case policy.OnlineDpo():
            sums = written.by_answer(written.reference)
            found = {g: _pair(written, sums, *ends) for g, ends in _ends(written).items()}
            return {group: pair for group, pair in found.items() if pair is not None}
    raise AssertionError(f"no lessons of {type(settings).__name__}")


def _with_critic(settings: policy.Ppo, written: Written, beta: float) -> Lessons:
    assert written.values is not None
    rewards = token_rewards(written.rewards, written.away, written.sizes, beta)
    advantages, returns = estimated(
        rewards, written.values, written.sizes, settings.discount, settings.trace
    )
    if settings.whiten and len(advantages):
        advantages = whitened(advantages)
    return _acted(written, advantages, value=written.values, returns=returns)


def _acted(
    written: Written, advantages: Float[np.ndarray, " N"], **known: Float[np.ndarray, " N"]
) -> Lessons:
    """Each prompt's answers, each token with its advantage and what else is `known` of it."""
    found: dict[int, list[Encoded]] = {}
    ends = np.cumsum(written.sizes)
    every = written.kept or [None] * len(written.rows)
    parts = zip(written.rows, written.group.tolist(), ends.tolist(), every, strict=True)
    for row, group, end, kept in parts:
        span = slice(end - row.answer_tokens, end)
        more = {name: values[span] for name, values in known.items()}
        acted = Acted(written.old[span], advantages[span], fresh=written.fresh, kept=kept, **more)
        found.setdefault(group, []).append(replace(row, acted=acted))
    return {group: tuple(rows) for group, rows in found.items()}


def _in_company(written: Written) -> Written:
    """Without answers that are the only one to their prompt: nothing can be compared with them."""
    _, place = np.unique(written.group, return_inverse=True)
    counts = np.bincount(place)[place] if len(place) else np.zeros(0, dtype=np.int64)
    return chosen(written, lambda number: bool(counts[number] > 1))


def chosen(written: Written, keep: Callable[[int], bool]) -> Written:
    """Only the answers whose number is kept."""
    mask = np.array([keep(number) for number in range(len(written.rows))], dtype=bool)
    tokens = np.repeat(mask, written.sizes)
    return Written(
        rows=[row for row, kept in zip(written.rows, mask, strict=True) if kept],
        group=written.group[mask],
        rewards=written.rewards[mask],
        old=written.old[tokens],
        reference=written.reference[tokens],
        values=None if written.values is None else written.values[tokens],
        fresh=written.fresh,
        kept=None if written.kept is None else list(compress(written.kept, mask)),
    )


def _ends(written: Written) -> dict[int, tuple[int, int]]:
    """The best and the worst answer to each prompt; of equal ones the first."""
    found: dict[int, tuple[int, int]] = {}
    for number, group in enumerate(written.group.tolist()):
        best, worst = found.get(group, (number, number))
        if written.rewards[number] > written.rewards[best]:
            best = number
        if written.rewards[number] < written.rewards[worst]:
            worst = number
        found[group] = best, worst
    return found


def _pair(
    written: Written, reference: Float[np.ndarray, " R"], best: int, worst: int
) -> Example | None:
    """The best answer and the worst, as judged answers are; None where they are equally good."""
    if not written.rewards[best] > written.rewards[worst]:
        return None
    nan = float("nan")
    judged = (
        Judged(0, (nan, 1.0), reference=float(reference[best])),
        Judged(1, (0.0, nan), reference=float(reference[worst])),
    )
    rows = (written.rows[best], written.rows[worst])
    return tuple(replace(row, judged=said) for row, said in zip(rows, judged, strict=True))
