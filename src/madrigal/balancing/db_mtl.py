"""Losses by their logarithm, gradients brought to one length, with gradient memory."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import LEAST_LOSS, Stateless, StepView, with_task_weights


@dataclass(frozen=True, slots=True)
class DualBalancing(Stateless):
    """DB-MTL (Lin et al., 2023): every task pulls equally hard, whatever its loss and its gradient.

    With L_k the loss of task k, g_k its gradient, beta = `decay` and a_k the recipe's weight:

        m_k <- beta m_k + (1 - beta) g_k / (L_k + 1e-8)      the gradient of log L_k, averaged
        update = 1/K sum_k a_k (max_j |m_j| / |m_k|) m_k

    so that the weights this balancer gives, of the m_k, are w_k = a_k max_j |m_j| / (K |m_k|).
    Needs the losses and the tasks' gradients, and keeps one gradient a task (K x P numbers).
    Differs from the paper: divided by K, as a mean over tasks; beta is constant, where the paper
    lets it fall as beta / t^sigma; the average starts with the first gradient instead of zero.
    """

    decay: float = 0.9

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def factors(self, view: StepView) -> Float[Tensor, " K"]:
        """What each task's gradient is multiplied with before it is remembered: 1 / L_k."""
        assert view.losses is not None
        return 1 / (view.losses.double().clamp(min=0) + LEAST_LOSS)

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        """`view.gramian` is that of the remembered gradients."""
        assert view.gramian is not None
        norms = view.gramian.diagonal().clamp(min=0).sqrt()
        inverse = torch.where(norms > 0, norms.max() / norms.where(norms > 0, norms.max()), 0.0)
        return with_task_weights(view, inverse / len(view.tasks))
