"""Distances between two clouds of points, and what each point of the first adds to their gradient.

Each function returns the distance, without a gradient, and `pull`: a sum over some points x of the
first cloud whose gradient by x is that of the distance, the other points being held. So a distance,
which is no sum over points, can be followed in microbatches and processes.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

How = Literal["coral", "mmd"]
Pull = Callable[[Float[Tensor, "P D"]], Float[Tensor, ""]]

# Of the kernels' bandwidths, as multiples of the median squared distance (Long et al., 2015).
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
_SMALL = 1e-12


def coral(one: Float[Tensor, "N D"], other: Float[Tensor, "M D"]) -> tuple[Tensor, Pull]:
    """|C_1 - C_2|_F^2 / (4 D^2), C the covariance (Sun and Saenko, 2016, equations 1 to 3).

    d / dx = (C_1 - C_2) (x - mean) / (D^2 (N - 1)).
    """
    size = one.shape[1]
    gap = torch.cov(one.T) - torch.cov(other.T)
    mean = one.mean(dim=0)

    def pull(points: Float[Tensor, "P D"]) -> Float[Tensor, ""]:
        away = points - mean
        return ((away @ gap) * away).sum() / (2 * size**2 * (len(one) - 1))

    return gap.square().sum() / (4 * size**2), pull


def mmd(one: Float[Tensor, "N D"], other: Float[Tensor, "M D"]) -> tuple[Tensor, Pull]:
    """The unbiased squared maximum mean discrepancy (Gretton et al., 2012, equation 3):

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j)

    k(x, y) is the mean over w in `WIDTHS` of exp(-|x - y|^2 / (w m)), m the median squared distance
    of two points of both clouds, which is held. It may be a little below 0.
    """
    every = torch.cat([one, other])
    pairs = torch.pdist(every).square()
    middle = pairs.median().clamp(min=_SMALL)

    def kernel(x: Float[Tensor, "P D"], y: Float[Tensor, "Q D"]) -> Float[Tensor, "P Q"]:
        # Not by a root of squares: its derivative has no value where two points are the same.
        apart = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=0)
        return torch.stack([torch.exp(-apart / (w * middle)) for w in WIDTHS]).mean(dim=0)

    def inside(x: Float[Tensor, "P D"]) -> Float[Tensor, ""]:
        return (kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1))

    def pull(points: Float[Tensor, "P D"]) -> Float[Tensor, ""]:
        # A point's kernel with itself has no slope, so that it need not be left out.
        own = kernel(points, one).sum() / (len(one) * (len(one) - 1))
        return 2 * (own - kernel(points, other).sum() / (len(one) * len(other)))

    return inside(one) + inside(other) - 2 * kernel(one, other).mean(), pull


DISTANCES: Mapping[How, Callable[[Tensor, Tensor], tuple[Tensor, Pull]]] = {
    "coral": coral,
    "mmd": mmd,
}
