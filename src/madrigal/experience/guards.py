"""Signs that a policy exploits its reward instead of earning it, and what is done about each.

All signs compare means over the last few rollouts with those over the first few of the stage, which
the model wrote before it had learnt anything. What a mean tells of chance shrinks with the answers
of a rollout, so windows are several rollouts long.
"""

from collections.abc import Mapping

from madrigal.experience.history import Action, Alarm, History
from madrigal.experience.signs import SIGNS
from madrigal.recipe.policy import PolicyGuard

_GRAVITY: Mapping[Action, int] = {"roll_back": 0, "raise": 1, "shorten": 2, "end": 3, "say": 4}


def alarm(guard: PolicyGuard, history: History, priced: bool) -> Alarm | None:
    """The gravest sign of all, or nothing. `priced`: a nat of divergence has a price in the reward,
    which can be raised."""
    found = [one for sign in SIGNS if (one := sign(guard, history, priced)) is not None]
    return min(found, key=lambda one: _GRAVITY[one.action], default=None)
