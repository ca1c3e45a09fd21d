"""How careful a task is learnt after signs that its reward is exploited."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from madrigal.experience.history import History
from madrigal.recipe.policy import PolicyGuard


@dataclass(frozen=True, slots=True)
class Caution:
    """What was seen, what was done about it, and what answers now cost for it."""

    history: History = field(default_factory=History)
    strikes: int = 0  # times that something was done
    length_price: float = 0.0  # of each start length beyond the first one
    cut_price: float = 0.0  # of having no end, beside `missing_end`

    def with_more(self, guard: PolicyGuard | None, means: Mapping[str, float]) -> "Caution":
        """With one more rollout."""
        if guard is None:
            return self
        return replace(self, history=self.history.with_more(dict(means), guard.window))

    def settled(self) -> "Caution":
        """After something was done about what was seen: the next sign needs new rollouts."""
        return replace(self, history=self.history.quiet())

    def dearer_length(self) -> "Caution":
        return replace(self, length_price=self.length_price + 1)

    def dearer_cut(self) -> "Caution":
        return replace(self, cut_price=self.cut_price + 1)

    def cost(
        self, missing_end: float, cut: Bool[np.ndarray, " R"], tokens: Int[np.ndarray, " R"]
    ) -> Float[np.ndarray, " R"]:
        """What each answer loses for having no end, and for its length."""
        lost = (missing_end + self.cut_price) * cut
        if not self.length_price or not self.history.first:
            return lost
        usual = float(np.mean([one["tokens"] for one in self.history.first]))
        return lost + self.length_price * np.maximum(0.0, tokens / usual - 1)

    def state_dict(self) -> dict[str, Any]:
        return {
            "first": [dict(one) for one in self.history.first],
            "last": [dict(one) for one in self.history.last],
            "gold": [list(one) for one in self.history.gold],
            "strikes": self.strikes,
            "length_price": self.length_price,
            "cut_price": self.cut_price,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Caution":
        """What `state_dict` told."""
        gold = tuple((mean, variance, reward) for mean, variance, reward in state["gold"])
        history = History(tuple(state["first"]), tuple(state["last"]), gold)
        return cls(history, state["strikes"], state["length_price"], state["cut_price"])
