"""Interval of the difference of two shares that were found on the same examples."""

import math
from statistics import NormalDist

_HALVINGS = 60  # an interval of at most 2 shrinks below the spacing of floats near 1


def tango(won: int, lost: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval (Statistics in Medicine 17, 1998) for a paired difference of shares.

    All differences D that the score test does not reject: |won - lost - n D| <= z sqrt(n (2 q + D -
    D^2)), with q the maximum likelihood estimate of the share of lost examples given D, and z the
    normal quantile. `won` and `lost` are the examples that only the second, only the first model
    gets right, of `n`. It holds its level where few examples differ, and is never of zero width.
    """
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    found = (won - lost) / n

    def rejected(difference: float) -> bool:
        distance = won - lost - n * difference
        return distance * distance > z2 * n * _variance(difference, won, lost, n)

    def bound(outside: float) -> float:
        inside = found
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        return inside

    return bound(-1.0), bound(1.0)


def _variance(difference: float, won: int, lost: int, n: int) -> float:
    """Variance of one example's difference where its mean is `difference`: 2 q + D - D^2."""
    slope = (2 * n - won + lost) * difference - won - lost
    root = math.sqrt(max(0.0, slope * slope + 8 * n * lost * difference * (1 - difference)))
    share_lost = (root - slope) / (4 * n)
    return max(0.0, 2 * share_lost + difference * (1 - difference))
