"""Looks at the likeliest answers to some prompts: what a model would say, not what it drew.

Answers are drawn at a temperature while a reward is learnt, and a mean over draws hides what the
likeliest answer does. The same prompts are looked at each time, so that a difference is paired.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from madrigal.recipe import policy
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.room import has_room
from madrigal.tasks.task import Task

# Fewer prompts than this tell nothing.
FEWEST = 8
# Standard errors by which the gold reward has to be below that at the start, and below that of the
# best of several looks.
_SURE, _SURER = 2.0, 3.0
_TINY = 1e-9


def looked_at(task: Task, settings: policy.Acting, coder: Coder) -> list[Record]:
    """Records whose likeliest answers the guard judges, spread over those of validation or, where
    these are too few, of training; none without a gold reward."""
    most = settings.guard.likeliest if settings.guard is not None else None
    if most is None or not settings.gold:
        return []
    splits = (task.splits[name] for name in ("validation", "train"))
    each = [[one for one in records if has_room(task, one, coder)] for records in splits]
    found = each[0] if len(each[0]) >= FEWEST else each[1]
    count = min(most, len(found))
    return [found[n * len(found) // count] for n in range(count)]


@dataclass(frozen=True, slots=True)
class Seen:
    """The gold reward of the likeliest answer to each prompt, and its reward in training; not a
    number where there is none."""

    gold: tuple[float, ...]
    reward: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Looks:
    """What was seen as the stage began, the best since, and the rollouts since the last look."""

    first: Seen | None = None
    best: Seen | None = None
    waited: int = 0

    def state_dict(self) -> dict[str, Any]:
        kept = {"first": self.first, "best": self.best}
        each = {n: None if s is None else [list(s.gold), list(s.reward)] for n, s in kept.items()}
        return {**each, "waited": self.waited}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Looks":
        """What `state_dict` told."""
        first, best = (
            None if state[name] is None else Seen(*(tuple(part) for part in state[name]))
            for name in ("first", "best")
        )
        return cls(first, best, state["waited"])

    def with_more(self, now: Seen) -> "Looks":
        """With one more look; one that is as good as the best and later takes its place."""
        if self.first is None or self.best is None:
            return Looks(now, now)
        better = moved(self.best.gold, now.gold)[0] >= 0
        return Looks(self.first, now if better else self.best)


@dataclass(frozen=True, slots=True)
class Fall:
    """The gold reward surely fell; how the reward in training moved on the same answers, in its own
    standard errors."""

    text: str
    reward: float

    @property
    def exploited(self) -> bool:
        """The reward in training rose on it, so more steps lead further away."""
        return self.reward > 0

    @property
    def together(self) -> bool:
        """The reward in training surely fell, too: the model unlearnt, and exploits nothing."""
        return self.reward < -_SURE


def fall(looks: Looks, now: Seen) -> Fall | None:
    """Whether the gold reward is surely below that at the start, or that of the best look."""
    for before, errors, when in (
        (looks.first, _SURE, "at the stage's start"),
        (looks.best, _SURER, "at best"),
    ):
        if before is None:
            continue
        mean, error = moved(before.gold, now.gold)
        if mean < -errors * error:
            shift, spread = moved(before.reward, now.reward)
            text = (
                f"The likeliest answers to {len(now.gold)} held-out prompts are worth "
                f"{_mean(now.gold):.3g} by the gold reward, {_mean(before.gold):.3g} {when}; the "
                f"reward in training went from {_mean(before.reward):.3g} to "
                f"{_mean(now.reward):.3g}."
            )
            return Fall(text, shift / max(spread, _TINY))
    return None


def moved(before: tuple[float, ...], now: tuple[float, ...]) -> tuple[float, float]:
    """The mean difference of a prompt and its standard error; none where too few are known."""
    apart = np.array(now) - np.array(before)
    known = apart[np.isfinite(apart)]
    if len(known) < FEWEST:
        return 0.0, math.inf
    return float(known.mean()), float(known.std(ddof=1)) / len(known) ** 0.5


def _mean(values: tuple[float, ...]) -> float:
    known = [one for one in values if math.isfinite(one)]
    return float(np.mean(known)) if known else math.nan
