"""Weights that share the progress of a step fairly: one equation for Nash-MTL and FairGrad."""

import numpy as np
from jaxtyping import Float

from madrigal.balancing.quadratic import shortest
from madrigal.balancing.signal import Signal

# Squared length of the shortest mixture (weights with the sum 1) of unit gradients that is taken as
# it is. Shorter ones are lengthened to it: the weights of gradients that cancel are then large, up
# to the root of the inverse, but not infinite.
_SHORTEST = 1e-4
_STEPS = 200
_NEAR, _WHOLE = 1e-8, 4  # share of the value still to fall, and the steps from there


def fair_weights(signal: Signal, alpha: float) -> Float[np.ndarray, " n"]:
    """The w > 0 with  (G w)_k = w_k^(-1/alpha)  for every task, scaled by one number.

    With d_k the gradients' lengths, c their cosines, w_k = y_k / d_k and p = 1 / alpha it reads
    (c y)_k = q_k y_k^-p,  q_k = d_k^(p - 1): where the strictly convex

        y' c y / 2 - sum_k q_k y_k^(1 - p) / (1 - p)      (log y_k where p = 1)

    is least. For orthogonal gradients w_k is d_k^(-2 / (1 + p)); theirs are scaled to the sum 1,
    and all others so that the update is as long as that of orthogonal gradients with the same d_k.
    """
    p = 1.0 / alpha
    log_norms = np.log(signal.norms)
    start = np.exp(log_norms * (p - 1) / (p + 1))  # the solution for orthogonal gradients
    held = _held_apart(signal.cosines)
    y = _newton(held, log_norms * (p - 1), start, p)
    # As logarithms: lengths may differ by more than a quotient of two floats can hold.
    alone = -2.0 / (1.0 + p) * log_norms
    wanted = np.linalg.norm(np.exp(alone - alone.max() + log_norms))
    wanted /= np.exp(alone - alone.max()).sum()
    return y / signal.norms * (wanted / np.sqrt(y @ held @ y))


def _held_apart(cosines: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    mixture = shortest(cosines)
    lacking = _SHORTEST - float(mixture @ cosines @ mixture)
    return cosines + max(lacking, 0.0) * np.eye(len(cosines))


def _newton(
    cosines: Float[np.ndarray, "n n"],
    log_q: Float[np.ndarray, " n"],
    start: Float[np.ndarray, " n"],
    p: float,
) -> Float[np.ndarray, " n"]:
    """Newton's steps, halved until the convex function falls by a share of what they promise."""
    y, whole = start, 0
    best = _value(cosines, log_q, y, p)
    for _ in range(_STEPS):
        pull = np.exp(log_q - p * np.log(y))
        slope = cosines @ y - pull
        curvature = cosines + np.diag(p * pull / y)
        scale = 1.0 / np.sqrt(curvature.diagonal())  # of the unknowns, whatever their sizes
        move = -scale * np.linalg.solve(curvature * np.outer(scale, scale), scale * slope)
        promise = float(-slope @ move)
        if promise <= _NEAR * float(y @ cosines @ y + pull @ y):
            # From here whole steps double the digits, which the value is too coarse to show.
            y, whole = y + move, whole + 1
            if whole == _WHOLE:
                break
            continue
        share = min(1.0, 0.9 / max(float((-move / y).max()), 1e-300))
        while share > 1e-12:
            value = _value(cosines, log_q, y + share * move, p)
            if value <= best - 1e-4 * share * promise:
                break
            share /= 2
        y = y + share * move
        best = _value(cosines, log_q, y, p)
    return y


def _value(
    cosines: Float[np.ndarray, "n n"],
    log_q: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    p: float,
) -> float:
    if p == 1.0:
        return float(y @ cosines @ y / 2 - np.log(y).sum())
    return float(y @ cosines @ y / 2 - np.exp(log_q + (1 - p) * np.log(y)).sum() / (1 - p))
