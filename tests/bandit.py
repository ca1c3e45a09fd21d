"""A bandit of eight arms: one prompt, and an answer is one of eight tokens with reward r.

The optimum of KL-regularised reward is pi* ~ pi_ref exp(r / beta).
"""

import numpy as np

BETA = 0.5
REFERENCE = np.array(
    [0.311883, 0.086361, 0.023076, 0.157880, 0.049638, 0.039842, 0.140650, 0.190671]
)
REFERENCE /= REFERENCE.sum()
REWARD = np.array(
    [-0.719258, -0.403344, -0.596635, 0.182036, -0.856675, 1.100604, -1.071187, 0.122701]
)
ARMS = len(REWARD)

BEST = REFERENCE * np.exp(REWARD / BETA)
BEST /= BEST.sum()


def tv(one, other):
    return np.abs(one - other).sum() / 2


def kl(shares):
    return float((shares * np.log(shares / REFERENCE)).sum())
