"""Experience: what answers of the model's own were worth, and what is learnt from each."""

from madrigal.experience.advantages import (
    among_equals,
    estimated,
    leave_one_out,
    token_rewards,
    whitened,
)
from madrigal.experience.best_of_n import best_of_n_divergence
from madrigal.experience.penalty import Penalty

__all__ = [
    "Penalty",
    "among_equals",
    "best_of_n_divergence",
    "estimated",
    "leave_one_out",
    "token_rewards",
    "whitened",
]
