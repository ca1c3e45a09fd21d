"""How much better an answer, or a token of it, was than expected.

Answers lie one after another: N tokens of R answers, `sizes[r]` of them of answer r. Nothing is
padded, so nothing has to be masked.
"""

import numpy as np
from jaxtyping import Float, Int

Sizes = Int[np.ndarray, " R"]


def token_rewards(
    scores: Float[np.ndarray, " R"], log_ratios: Float[np.ndarray, " N"], sizes: Sizes, beta: float
) -> Float[np.ndarray, " N"]:
    """The reward of each token: the answer's score at its last, and everywhere less the penalty.

    r_t = [t is the last token] score - beta (log pi_old(y_t) - log pi_ref(y_t)), `log_ratios` being
    the bracket, in nats (k1 in the reward; Ziegler et al., 2019). Its expected gradient is that of
    the KL divergence of whole answers.

    Raises:
        ValueError: An answer is empty, so that there is no token to give its score to.
    """
    if len(sizes) and sizes.min() < 1:
        where = int(np.argmin(sizes))
        raise ValueError(f"answer {where} has no token; an empty answer cannot be rewarded")
    rewards = -beta * log_ratios
    rewards[np.cumsum(sizes) - 1] += scores
    return rewards


def estimated(
    rewards: Float[np.ndarray, " N"],
    values: Float[np.ndarray, " N"],
    sizes: Sizes,
    discount: float = 1.0,
    trace: float = 0.95,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Advantages by generalised advantage estimation, and the returns that a critic learns.

    Schulman et al. (2016): with V_t what the critic expects before token t, and 0 after the last,

        delta_t = r_t + discount V_(t+1) - V_t,    A_t = delta_t + discount trace A_(t+1)

    and the return is A_t + V_t. trace 1 is the whole future less V_t, trace 0 one token's surprise.
    """
    starts = np.cumsum(sizes) - sizes
    last = np.zeros(len(rewards), dtype=bool)
    last[starts + sizes - 1] = True
    following = np.where(last, 0.0, np.append(values[1:], 0.0))
    surprise = rewards + discount * following - values
    advantages = surprise.copy()
    for t in range(len(rewards) - 2, -1, -1):
        if not last[t]:
            advantages[t] += discount * trace * advantages[t + 1]
    return advantages, advantages + values


def leave_one_out(
    rewards: Float[np.ndarray, " R"], groups: Int[np.ndarray, " R"]
) -> Float[np.ndarray, " R"]:
    """The reward of each answer less the mean of the other answers to its prompt.

    RLOO (Ahmadian et al., 2024): A_i = R_i - sum_(j != i) R_j / (k - 1), with k answers to the
    prompt. `groups[r]` is the number of answer r's prompt. The baseline does not depend on the
    answer, so the gradient is unbiased.

    Raises:
        ValueError: A prompt has one answer only.
    """
    counts, sums = _by_group(rewards, groups)
    if (counts < 2).any():
        alone = int(groups[counts < 2][0])
        raise ValueError(f"prompt {alone} has one answer; leave-one-out needs two or more")
    return rewards - (sums - rewards) / (counts - 1)


def among_equals(
    rewards: Float[np.ndarray, " R"],
    groups: Int[np.ndarray, " R"],
    scaled: bool = False,
    floor: float = 1e-4,
) -> Float[np.ndarray, " R"]:
    """The reward of each answer less the mean of all answers to its prompt.

    GRPO (Shao et al., 2024): with `scaled` divided by the standard deviation of these rewards plus
    `floor`. Without, Dr. GRPO (Liu et al., 2025).

    Differs from the paper: not scaled by default. A standard deviation shrinks while the policy
    sharpens, and a penalty that stands outside the division shrinks beside it to nothing.
    """
    counts, sums = _by_group(rewards, groups)
    centred = rewards - sums / counts
    if not scaled:
        return centred
    _, squares = _by_group(centred**2, groups)
    return centred / (np.sqrt(squares / np.maximum(1, counts - 1)) + floor)


def whitened(
    advantages: Float[np.ndarray, " N"], shift: bool = True, least: float = 1e-8
) -> Float[np.ndarray, " N"]:
    """Advantages with mean 0 and variance 1 over all tokens of the rollout; without `shift` the
    mean stays."""
    mean = advantages.mean()
    white = (advantages - mean) / np.sqrt(advantages.var() + least)
    return white if shift else white + mean


def _by_group(
    values: Float[np.ndarray, " R"], groups: Int[np.ndarray, " R"]
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
    """Of each answer's group: the number of answers, and the sum of their values."""
    _, place = np.unique(groups, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    return counts[place], np.bincount(place, weights=values)[place]
