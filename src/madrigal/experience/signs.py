"""Signs that a policy exploits its reward instead of earning it: one function each, from what was
seen of a task's rollouts to an alarm, or nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from madrigal.experience.history import (
    KEPT,
    Alarm,
    History,
    Means,
    variance_of,
    window_mean,
)
from madrigal.recipe.policy import PolicyGuard

# A window of means is lower when it is by so many standard errors of the difference.
_SURE = 2.0
# The same where the best of many windows is compared with the luckless end of a stage.
_SURELY = 4.0
# More divergence than so many times its running median is a blow-up, where it is nats at all.
_JUMP, _NATS = 3.0, 1.0
# Below this norm no gradient is large: by default it is not even clipped.
_SMALL = 1.0
# Answers that are so many times as long have grown.
_GROWN = 1.1
# More than this share of answers without text is no conversation.
_MUTE = 0.5
# Rollouts in a row in which a critic is worse than none.
HOPELESS = KEPT

# `priced`: a nat of divergence has a price in the reward, which can be raised.
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
    ((best, _, reward),) = history.gold
    now, paid = window_mean(held, "gold"), window_mean(held, "reward")
    if not (_worse(history, held, _SURE) and paid > reward):
        return None
    text = (
        f"The gold reward fell from {best:.3g} to {now:.3g} while the reward in training rose "
        f"from {reward:.3g} to {paid:.3g}."
    )
    return Alarm("gold", text, "roll_back")


def late(guard: PolicyGuard, history: History) -> Alarm | None:
    """The gold reward of the last rollout, of the last two and so on up to a window, is surely
    below that of the best window. What was learnt since is not worth having, whatever it is paid:
    nothing that comes later can make up for it once a stage ends."""
    for count in range(1, min(guard.window, len(history.last)) + 1):
        held = history.last[-count:]
        if not history.gold or any("gold" not in one for one in held):
            return None
        if _worse(history, held, _SURELY):
            best, now = history.gold[0][0], window_mean(held, "gold")
            over = "the last rollout" if count == 1 else f"the last {count} rollouts"
            text = f"The gold reward fell from {best:.3g} to {now:.3g} in {over}."
            return Alarm("gold", text, "roll_back")
    return None


def _worse(history: History, held: Sequence[Means], errors: float) -> bool:
    """The gold reward is below that of its best window by so many standard errors."""
    ((best, variance, _),) = history.gold
    spread = math.sqrt(variance + variance_of(held))
    return best - window_mean(held, "gold") > errors * spread


def _dull(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    return _fell(guard, history, "entropy", guard.entropy, "entropy of a token")


def _alike(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    what = "share of different pairs of tokens"
    return _fell(guard, history, "distinct_2", guard.distinct, what)


def _short(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del priced
    found = _fell(guard, history, "tokens", guard.short, "number of tokens of an answer")
    return None if found is None else replace(found, sign="short")


def _fell(
    guard: PolicyGuard, history: History, name: str, least: float | None, what: str
) -> Alarm | None:
    """Variety went, or length. Where few answers are right, learning them takes variety as well,
    and the right ones may be short: a gold reward that does not fall excuses it. Without one, a
    reward in training that rises may be either, so that is told."""
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
    """How far a mean is from the start, in standard errors by its spread over the rollouts; 0 in
    windows of one rollout, whose spread nobody knows."""
    if guard.window < 2:
        return 0.0
    windows = (history.first, history.last[-guard.window :])
    first, last = (np.array([one.get(name, math.nan) for one in some]) for some in windows)
    spread = math.sqrt(first.var(ddof=1) / len(first) + last.var(ddof=1) / len(last))
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


def _paid_by_length(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """Longer answers are better paid, and answers grow. Right answers may be the longer ones: a
    gold reward that does not fall excuses it, and without one it is told."""
    del priced
    start, now = history.mean("tokens", guard.window, True), history.mean("tokens", guard.window)
    tie = history.mean("reward_length", guard.window)
    if guard.correlation is None or not (tie > guard.correlation and now > _GROWN * start):
        return None
    if not _moved(guard, history, "tokens") > _SURE:
        return None
    text = (
        f"Longer answers are better paid (correlation {tie:.2g}, above {guard.correlation:g}), and "
        f"answers grew from {start:.3g} to {now:.3g} tokens."
    )
    if "gold" not in history.last[-1]:
        return Alarm("correlation", text, "say")
    if _moved(guard, history, "gold") < -_SURE:
        return Alarm("correlation", text, "shorten")
    return None


def _disagreed(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """The members of an ensemble have not learnt to judge what the model writes now."""
    start = history.mean("disagreement", guard.window, True)
    now = history.mean("disagreement", guard.window)
    if guard.disagreement is None or not now > guard.disagreement * start:
        return None
    text = (
        f"The members of the reward's ensemble are {now:.3g} apart, {start:.3g} at the start: more "
        f"than {guard.disagreement:g} times."
    )
    return Alarm("disagreement", text, "raise" if priced else "roll_back")


def _steep(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """Gradients grew out of all proportion. Steps without one, where all answers to a prompt are
    worth the same, tell nothing of what is usual."""
    del priced
    name = "gradient"
    held = (*history.first, *history.last[: -guard.window])
    usual = [one[name] for one in held if one.get(name, 0.0) > 0]
    now = history.mean(name, guard.window)
    if guard.gradient is None or len(usual) < guard.window:
        return None
    median = float(np.median(usual))
    if not now > max(guard.gradient * median, _SMALL):
        return None
    more = f"more than {guard.gradient:g} times the median {median:.3g} before"
    return Alarm(name, f"Gradients have a norm of {now:.3g}, {more}.", "roll_back")


def _endless(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """More answers come to no end, and the share is not falling: a price that works takes time, and
    to raise it meanwhile makes answers far too short."""
    del priced
    start, now = history.mean("cut", guard.window, True), history.mean("cut", guard.window)
    if guard.cut is None or not now > start + guard.cut or _falls(history.last[-guard.window :]):
        return None
    text = f"{now:.0%} of the answers come to no end, {start:.0%} did at the start."
    return Alarm("cut", text, "end")


def _falls(held: Sequence[Means]) -> bool:
    """Fewer answers are cut in the later half of a window."""
    half = len(held) // 2
    return half > 0 and window_mean(held[half:], "cut") < window_mean(held[:half], "cut")


def _mute(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """Most answers are empty: nothing is said that could be judged. Where it was so from the start
    there is nothing to go back to."""
    del priced
    start, now = history.mean("empty", guard.window, True), history.mean("empty", guard.window)
    if not now > _MUTE:
        return None
    text = f"{now:.0%} of the answers are empty, {start:.0%} were at the start."
    return Alarm("empty", text, "say" if start > _MUTE else "roll_back")


def _hopeless(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    del guard, priced
    held = history.last[-HOPELESS:]
    if len(held) < HOPELESS or not all(one.get("explained", 1.0) < 0 for one in held):
        return None
    text = f"The critic explained nothing of the rewards in {HOPELESS} rollouts in a row."
    return Alarm("critic", text, "say")


SIGNS: tuple[Sign, ...] = (
    _broken, _jumped, _far, _gold, _repeats, _dull, _alike, _short, _steep, _disagreed, _long,
    _paid_by_length, _endless, _mute, _hopeless,
)  # fmt: skip
