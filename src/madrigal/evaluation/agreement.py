"""Whether a model thinks of answers as people do."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Chances = tuple[tuple[float, ...], ...]  # nan: not compared


@dataclass(frozen=True, slots=True)
class Judging:
    """K answers to one prompt, what people said of them and what the model thinks.

    `wins[i][k]` is the share of people who found answer i better than answer k, nan where nobody
    compared them. `logps` are the answers' log-likelihoods in nats with the end token, over
    `tokens` tokens; `rewards` what the task's reward head gives, where it has one.
    """

    answers: tuple[str, ...]
    wins: Chances
    logps: tuple[float, ...]
    tokens: tuple[int, ...]
    rewards: tuple[float, ...] | None = None
    values: tuple[float, ...] | None = None
    margin: float = 0.0

    @property
    def worth(self) -> tuple[float, ...]:
        """How good the model finds each answer: its reward, else its mean nats a token."""
        if self.rewards is not None:
            return self.rewards
        return tuple(nats / n for nats, n in zip(self.logps, self.tokens, strict=True))

    @property
    def best(self) -> str:
        """The answer that the model finds best; of equals the first."""
        return self.answers[int(np.argmax(self.worth))]

    @property
    def liked(self) -> tuple[str, ...]:
        """The answers that most people put above the most others."""
        chances = np.array(self.wins, dtype=np.float64).reshape(len(self.answers), -1)
        beaten = (chances > 0.5).sum(axis=1)
        return tuple(a for a, n in zip(self.answers, beaten, strict=True) if n == beaten.max())

    def to_json(self) -> dict[str, Any]:
        """Plain data, with None for what was not compared."""
        wins = [[None if math.isnan(x) else x for x in row] for row in self.wins]
        held: dict[str, Any] = {"answers": self.answers, "wins": wins, "logps": self.logps}
        held["tokens"] = self.tokens
        if self.rewards is not None:
            held["rewards"] = self.rewards
        if self.values is not None:
            held["values"] = [None if math.isnan(x) else x for x in self.values]
        return held | {"margin": self.margin} if self.margin else held

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Judging":
        """The inverse of `to_json`. Raises KeyError or TypeError on foreign data."""
        rewards, values = body.get("rewards"), body.get("values")
        return cls(
            tuple(body["answers"]),
            tuple(map(_known, body["wins"])),
            tuple(map(float, body["logps"])),
            tuple(map(int, body["tokens"])),
            None if rewards is None else tuple(map(float, rewards)),
            None if values is None else _known(values),
            float(body.get("margin", 0.0)),
        )


def _known(values: Sequence[float | None]) -> tuple[float, ...]:
    """Numbers out of JSON, which has no nan."""
    return tuple(math.nan if x is None else float(x) for x in values)


def agreement(judging: Judging) -> float:
    """Share of people who agree with the model, mean over the pairs they compared.

    A pair that the model finds equally good counts one half, whatever people say. An answer that
    nobody compared with another gives one half.
    """
    wins, over = _pairs(judging)
    if not wins.size:
        return 0.5
    return float(np.where(over > 0, wins, np.where(over < 0, 1 - wins, 0.5)).mean())


def ceiling(judgings: Sequence[Judging]) -> float:
    """The agreement of a model that always sides with most people, by example; nan without pairs.

    It is what the same people can be agreed with: their own disagreement is beyond it.
    """
    each = [_pairs(one)[0] for one in judgings]
    best = [float(np.maximum(wins, 1 - wins).mean()) for wins in each if wins.size]
    return float(np.mean(best)) if best else math.nan


def _pairs(judging: Judging) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Of each pair that was compared: the chance that its first is better, and by how much the
    model thinks so."""
    wins = np.array(judging.wins, dtype=np.float64).reshape(len(judging.answers), -1)
    first, second = np.triu_indices(len(judging.answers), 1)
    chances = wins[first, second]
    worth = np.array(judging.worth)
    there = ~np.isnan(chances)
    return chances[there], (worth[first] - worth[second])[there]
