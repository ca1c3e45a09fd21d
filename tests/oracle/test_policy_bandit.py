"""Where the penalty for leaving the reference stands decides what is learnt: a bandit, exactly.

Expectations are exact: every arm is a row of one token, and the gradient that reaches it counts as
often as the arm is drawn.
"""

import numpy as np
import pytest
import torch

from bandit import ARMS, BEST, BETA, REFERENCE, REWARD, kl, tv
from madrigal.objectives import Outputs, Policy
from madrigal.objectives.policy import in_loss
from madrigal.tasks.encoded import Acted, Encoded

pytestmark = pytest.mark.usefixtures("unchecked")

ON_POLICY = Policy(clip=None)
IN_REWARD = {
    None: np.zeros_like,
    "k1": np.asarray,
    "k3": lambda away: in_loss(torch.tensor(away), torch.zeros(ARMS), "k3").numpy(),
}
TABLE = {  # estimator in the reward, objective, TV, KL reached
    "k1 in the reward": ("k1", ON_POLICY, 0.0, 0.781),
    "k2 in the loss": (None, Policy(clip=None, penalty="k2", beta=BETA), 0.0, 0.781),
    "k3 x ratio in the loss": (None, Policy(clip=None, penalty="k3_ratio", beta=BETA), 0.0, 0.781),
    "k3 in the loss": (None, Policy(clip=None, penalty="k3", beta=BETA), 0.3166, 1.51),
    "of whole answers": ("k1", Policy(clip=None, ratio="answers"), 0.0, 0.781),
    "clipped": ("k1", Policy(clip=0.2, dual_clip=3.0), 0.0, 0.781),
}


def reached(objective, estimator, logps):
    """What the loss passes on to each arm's log-probability."""
    away = logps - np.log(REFERENCE)
    rewards = REWARD - BETA * IN_REWARD[estimator](away)
    rewards = rewards - np.exp(logps) @ rewards
    rows = [
        Encoded(
            np.array([8, arm]),
            np.array([False, True]),
            acted=Acted(logps[[arm]], rewards[[arm]], np.log(REFERENCE[[arm]])),
        )
        for arm in range(ARMS)
    ]
    given = torch.tensor(logps, requires_grad=True)
    loss = objective.loss(rows, Outputs(torch.arange(ARMS), given))
    assert objective.count(rows) == ARMS
    return torch.autograd.grad(loss, given)[0].numpy()


def learnt(objective, estimator, steps=2000, rate=0.02):
    logits = torch.tensor(np.log(REFERENCE), requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=rate)
    for step in range(steps):
        logps = logits.detach().log_softmax(0).numpy()
        slope = np.exp(logps) * reached(objective, estimator, logps)
        logits.grad = torch.from_numpy(slope - np.exp(logps) * slope.sum())
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps) + 1e-5
        optimiser.step()
    return logits.detach().softmax(0).numpy()


@pytest.mark.parametrize("name", TABLE)
def test_the_end_is_known(name):
    estimator, objective, distance, divergence = TABLE[name]
    found = learnt(objective, estimator)
    assert tv(found, BEST) == pytest.approx(distance, abs=0.001)
    assert kl(found) == pytest.approx(divergence, abs=0.005)


def test_k3_in_the_reward_holds_nothing_back():
    """Arms below the reference are pushed further down, until hardly any are left."""
    found = learnt(ON_POLICY, "k3")
    assert np.sort(found)[-2:].sum() > 0.999
    assert tv(found, BEST) > 0.39
