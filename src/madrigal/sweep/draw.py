"""What a trial is set to by chance alone: a function of the sweep's seed and the trial's number."""

import json
from collections.abc import Sequence
from typing import Any

from madrigal.sweep.knob import Knob, Values, text_of
from madrigal.training.chance import CHANCES, derive

_ATTEMPTS = 2000


def drawn(knobs: Sequence[Knob], seed: int, number: int, attempt: int = 0) -> dict[str, Any]:
    """One point: every knob by itself, evenly over its choices or its range."""
    chances = (derive(seed, "sweep", number, attempt, knob.key) / CHANCES for knob in knobs)
    return {knob.key: knob.at(chance) for knob, chance in zip(knobs, chances, strict=True)}


def points(knobs: Sequence[Knob], seed: int, count: int, first: Values) -> list[Values]:
    """Points of the first trials, `first` being the recipe's own; none comes twice.

    Fewer than `count` where there are no more.
    """
    found: list[Values] = [first]
    seen = {same(first)}
    for number in range(1, count):
        tries = (drawn(knobs, seed, number, attempt) for attempt in range(_ATTEMPTS))
        new = next((one for one in tries if same(one) not in seen), None)
        if new is None:
            break
        seen.add(same(new))
        found.append(new)
    return found


def same(values: Values) -> str:
    """Equal for points that are equal."""
    return json.dumps({key: text_of(value) for key, value in sorted(values.items())})
