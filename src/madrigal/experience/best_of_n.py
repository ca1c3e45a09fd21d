"""The best of several answers, as a policy."""

import math


def best_of_n_divergence(count: int) -> float:
    """How far taking the best of n answers is from the model, at most: log n - (n - 1) / n nats.

    Stiennon et al. (2020, appendix G.3); a bound (Beirami et al., 2024), met where no two answers
    are the same.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"best of {count} answers; draw 1 or more")
    return math.log(count) - (count - 1) / count
