"""Quadratic programs of K unknowns with a sign, solved exactly by their active sets."""

import numpy as np
from jaxtyping import Bool, Float

# A unit diagonal is raised by this much, so that dependent rows still have one solution; two
# refinements then take it out again wherever the rows are independent.
_RAISED = 1e-8
_REFINEMENTS = 2
_EXACT = 1e-12  # a sign counts as wrong beyond this share of the largest number of its row
_PATIENCE = 3


def nonnegative(
    matrix: Float[np.ndarray, "K K"], linear: Float[np.ndarray, "N K"]
) -> Float[np.ndarray, "N K"]:
    """Each of N rows x >= 0 that minimises  x' A x / 2 - b' x,  b the same row of `linear`.

    A is positive semidefinite with a diagonal of about 1, and every b is A times something, so
    that a minimum exists. Where it is a whole set, the result treats equal unknowns alike.

    Block principal pivoting (Portugal, Judice and Vicente, 1994; Kim and Park, 2011): guess which
    unknowns are positive, solve for those, exchange all that have the wrong sign; where that does
    not get better for a while, exchange only the last of them, which is known to end (Murty, 1974).
    """
    rows, size = linear.shape
    tolerance = _EXACT * np.abs(linear).max(axis=1, keepdims=True, initial=0.0)
    positive = linear > tolerance  # where the slope at zero leads up
    fewest = np.full(rows, size + 1)
    patience = np.full(rows, _PATIENCE)
    found = np.zeros((rows, size))
    for _ in range(100 * size):
        found = _solved_on(matrix, linear, positive)
        slope = found @ matrix - linear
        wrong = np.where(positive, found < -tolerance, slope < -tolerance)
        count = wrong.sum(axis=1)
        if not count.any():
            break
        better = count < fewest
        fewest = np.where(better, count, fewest)
        patience = np.where(better, _PATIENCE, patience - 1)
        last = size - 1 - np.argmax(wrong[:, ::-1], axis=1)
        alone = wrong & (np.arange(size) == last[:, None])
        positive ^= np.where((patience >= 0)[:, None], wrong, alone)
    return np.maximum(found, 0.0)


def _solved_on(
    matrix: Float[np.ndarray, "K K"],
    linear: Float[np.ndarray, "N K"],
    positive: Bool[np.ndarray, "N K"],
) -> Float[np.ndarray, "N K"]:
    """Solve A x = b over the unknowns that are `positive`, the others being 0."""
    both = positive[:, :, None] & positive[:, None, :]
    held = np.where(both, matrix, 0.0)
    raised = held + np.eye(len(matrix)) * np.where(positive, _RAISED, 1.0)[:, None, :]
    wanted = np.where(positive, linear, 0.0)
    found = np.zeros_like(linear)
    for _ in range(1 + _REFINEMENTS):
        rest = wanted - (held @ found[:, :, None])[:, :, 0]
        # Not by the inverse: its rounding errors are as large as the solution where rows depend.
        found += np.where(positive, np.linalg.solve(raised, rest[:, :, None])[:, :, 0], 0.0)
    return found


def in_dual_cone(
    cosines: Float[np.ndarray, "K K"],
    norms: Float[np.ndarray, " K"],
    wanted: Float[np.ndarray, "N K"],
) -> Float[np.ndarray, "N K"]:
    """Weights v of the vectors nearest to J' u that conflict with no row of J, u a row of `wanted`.

    They minimise v' G v subject to v >= u (Quinton and Rey, 2024, proposition 1), G = J J'.
    """
    scaled = wanted * norms
    return wanted + nonnegative(cosines, -scaled @ cosines) / norms


def shortest(gramian: Float[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """The point a of the simplex (a >= 0, sum of a = 1) that minimises a' G a.

    With r_k proportional to 1 / sqrt(G_kk) and C the cosines of G, the x >= 0 that minimises
    x' (C + r r') x / 2 - r' x  is proportional to a / r: both have the same conditions of
    Karush, Kuhn and Tucker.
    """
    squares = gramian.diagonal()
    least = int(np.argmin(squares))
    if squares[least] <= 1e-60 * squares.max():
        return np.eye(len(gramian))[least]
    norms = np.sqrt(squares)
    inverse = norms[least] / norms
    cosines = gramian / norms / norms[:, None]
    found = nonnegative(cosines + np.outer(inverse, inverse), inverse[None])[0] * inverse
    return found / found.sum()
