"""Gradients turned until they are orthogonal and equally long."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.signal import SINGLE, Signal, weigh


@dataclass(frozen=True, slots=True)
class AlignedMtl(Stateless):
    """The mean of the gradients after alignment (Aligned-MTL; Senushkin et al., CVPR 2023).

    With G = V diag(s_1^2 ... s_r^2) V' the Gramian of the K tasks' gradients, r its rank, s its
    singular values, 1 the vector of ones, and a_k the recipe's weight,

        w_k = a_k u_k,   u = s_* V diag(1 / s_1 ... 1 / s_r) V' 1 / K

    This is the mean of the nearest system of r orthogonal vectors of length s_*. `scale` chooses
    s_*: the smallest of the s (`min`), their median, or their root mean square (`rmse`). Orthogonal
    gradients of one length get 1 / K each. Weights may be negative where gradients of different
    lengths agree.

    Need: the Gramian. Cost: an eigendecomposition of a K x K matrix.

    Differs from the paper: nothing with `min`; the authors' code also has the other two. Singular
    values below 3e-4 sqrt(K) of the largest are left out as rounding of single-precision
    gradients.
    """

    scale: Literal["min", "median", "rmse"]

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, self._rule)

    def _rule(self, signal: Signal) -> Float[np.ndarray, " n"]:
        count = len(signal.norms)
        squares, vectors = np.linalg.eigh(signal.gramian)
        held = squares > SINGLE * count * squares[-1]
        squares, vectors = squares[held], vectors[:, held]
        size = {
            "min": squares[0],
            "median": np.sort(squares)[(len(squares) - 1) // 2],  # the lower of the middle two
            "rmse": squares.mean(),
        }[self.scale]
        return (vectors * np.sqrt(size / squares)) @ (vectors.sum(axis=0) / count)
