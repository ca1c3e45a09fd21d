"""Signs that a policy exploits its reward instead of earning it, and what is done about each.

All signs compare means over the last few rollouts with those over the first few of the stage, which
the model wrote before it had learnt anything. What a mean tells of chance shrinks with the answers
of a rollout, so windows are several rollouts long.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from madrigal.recipe.policy import PolicyGuard

Action = Literal["say", "raise", "shorten", "end", "roll_back"]
Means = Mapping[str, float]

# A window of gold rewards is lower when it is by so many standard errors of the difference.
_SURE = 2.0
# More divergence than so many times its running median is a blow-up, where it is nats at all.
_JUMP, _NATS = 3.0, 1.0
# Rollouts in a row in which a critic is worse than none.
_HOPELESS = 20


@dataclass(frozen=True, slots=True)
class Alarm:
    """A sign, the sentence with its evidence, and what is to be done."""

    sign: str
    text: str
    action: Action


@dataclass(frozen=True, slots=True)
class History:
    """Means of the first rollouts of a task, and of the last ones, oldest first."""

    first: tuple[Means, ...] = ()
    last: tuple[Means, ...] = ()
    gold: tuple[tuple[float, float, float], ...] = ()  # best window: mean, variance, reward

    def with_more(self, means: Means, window: int) -> "History":
        """With one more rollout."""
        first = self.first if len(self.first) >= window else (*self.first, means)
        last = (*self.last, means)[-max(window, _HOPELESS) :]
        return History(first, last, _best_gold(self.gold, last[-window:], window))

    def quiet(self) -> "History":
        """Without the last ones, which were dealt with: they are not counted twice."""
        return History(self.first, (), self.gold)

    def mean(self, name: str, window: int, first: bool = False) -> float:
        """Mean over the first, or the last, rollouts; nan where there are too few."""
        held = self.first if first else self.last[-window:]
        known = [one[name] for one in held if name in one and math.isfinite(one[name])]
        return float(np.mean(known)) if len(known) >= window else math.nan


def alarm(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """The gravest sign of all, or nothing. `priced`: a nat of divergence has a price in the reward,
    which can be raised."""
    signs = (
        _broken, _jumped, _far, _gold, _repeats, _dull, _alike, _long, _endless, _hopeless,
    )  # fmt: skip
    found = [one for sign in signs if (one := sign(guard, history, priced)) is not None]
    return min(found, key=lambda one: _GRAVITY[one.action], default=None)


_GRAVITY: Mapping[Action, int] = {"roll_back": 0, "raise": 1, "shorten": 2, "end": 3, "say": 4}
Sign = Callable[[PolicyGuard, History, bool], Alarm | None]


def _broken(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del guard, priced
    for name in ("divergence", "entropy"):
        if history.last and not math.isfinite(history.last[-1][name]):
            return Alarm("broken", f"The {name} of the last rollout is no number.", "roll_back")
    return None


def _jumped(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    before = [one["divergence"] for one in history.last[-guard.window - 1 : -1]]
    if guard.divergence is None or len(before) < guard.window:
        return None
    now, median = history.last[-1]["divergence"], float(np.median(before))
    if now <= max(_JUMP * median, _NATS, guard.divergence / 2):
        return None
    more = f"more than {_JUMP:g} times its median {median:.3g}"
    text = f"The divergence jumped to {now:.3g} nats, {more}."
    return Alarm("jump", text, "roll_back")


def _far(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    now = history.mean("divergence", guard.window)
    if guard.divergence is None or not now > guard.divergence:
        return None
    text = (
        f"Answers are {now:.3g} nats away from the model before the stage, more than the "
        f"{guard.divergence:g} allowed."
    )
    grave = now > 2 * guard.divergence or not priced
    return Alarm("divergence", text, "roll_back" if grave else "raise")


def _gold(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """The reward rises and what is not trained on falls."""
    del priced
    held = history.last[-guard.window :]
    if not history.gold or len(held) < guard.window or "gold" not in held[-1]:
        return None
    ((best, variance, reward),) = history.gold
    now, spread = _window(held, "gold"), _variance(held)
    if not (best - now > _SURE * math.sqrt(variance + spread) and _window(held, "reward") > reward):
        return None
    text = (
        f"The gold reward fell from {best:.3g} to {now:.3g} while the reward in training rose "
        f"from {reward:.3g} to {_window(held, 'reward'):.3g}."
    )
    return Alarm("gold", text, "roll_back")


def _best_gold(
    before: tuple[tuple[float, float, float], ...], held: Sequence[Means], window: int
) -> tuple[tuple[float, float, float], ...]:
    if len(held) < window or any("gold" not in one for one in held):
        return before
    now = (_window(held, "gold"), _variance(held), _window(held, "reward"))
    return (now,) if not before or now[0] > before[0][0] else before


def _window(held: Sequence[Means], name: str) -> float:
    return float(np.mean([one[name] for one in held]))


def _variance(held: Sequence[Means]) -> float:
    """Of a window's mean gold reward."""
    return float(np.sum([one["gold_error"] ** 2 for one in held])) / len(held) ** 2


def _dull(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    return _fell(guard, history, "entropy", guard.entropy, "entropy of a token")


def _alike(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    what = "share of different pairs of tokens"
    return _fell(guard, history, "distinct_2", guard.distinct, what)


def _fell(
    guard: PolicyGuard, history: History, name: str, least: float | None, what: str
) -> Alarm | None:
    """Variety went. Where few answers are right, learning them takes variety as well: a gold reward
    that does not fall excuses it. Without one, a reward in training that rises may be either, so
    that is told."""
    start, now = history.mean(name, guard.window, True), history.mean(name, guard.window)
    if least is None or not now < least * start:
        return None
    text = f"The {what} fell from {start:.3g} to {now:.3g}, below {least:g} of what it was."
    if "gold" in history.last[-1]:
        return Alarm(name, text, "roll_back") if _moved(guard, history, "gold") < -_SURE else None
    if _moved(guard, history, "reward") > _SURE:
        return Alarm(name, f"{text} The reward rose with it.", "say")
    return Alarm(name, text, "roll_back")


def _moved(guard: PolicyGuard, history: History, name: str) -> float:
    """How far a mean is from the start, in standard errors by its spread over the rollouts."""
    windows = (history.first, history.last[-guard.window :])
    first, last = (np.array([one.get(name, math.nan) for one in some]) for some in windows)
    spread = math.sqrt(first.var() / len(first) + last.var() / len(last))
    return float(last.mean() - first.mean()) / max(spread, 1e-9)


def _repeats(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    start = history.mean("repeated", guard.window, True)
    now = history.mean("repeated", guard.window)
    if guard.repeated is None or not now > start + guard.repeated:
        return None
    text = f"{now:.0%} of an answer's pairs of tokens stood in it before, {start:.0%} at the start."
    return Alarm("repeated", text, "roll_back")


def _long(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    start, now = history.mean("tokens", guard.window, True), history.mean("tokens", guard.window)
    if guard.length is None or not now > guard.length * start:
        return None
    text = f"Answers grew from {start:.3g} to {now:.3g} tokens, more than {guard.length:g} times."
    return Alarm("length", text, "shorten")


def _endless(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    start, now = history.mean("cut", guard.window, True), history.mean("cut", guard.window)
    if guard.cut is None or not now > start + guard.cut:
        return None
    text = f"{now:.0%} of the answers come to no end, {start:.0%} did at the start."
    return Alarm("cut", text, "end")


def _hopeless(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del guard, priced
    held = history.last[-_HOPELESS:]
    if len(held) < _HOPELESS or not all(one.get("explained", 1.0) < 0 for one in held):
        return None
    text = f"The critic explained nothing of the rewards in {_HOPELESS} rollouts in a row."
    return Alarm("critic", text, "say")
