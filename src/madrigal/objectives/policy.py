"""Policy gradients: answers that were better than expected become more likely."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.errors import RunStopped
from madrigal.objectives.base import Need, Outputs
from madrigal.tasks.encoded import Acted, Encoded, Example

Ratio = Literal["tokens", "answers"]
InLoss = Literal["none", "k2", "k3_ratio", "k3"]
FARTHEST = 20.0  # nats of a log-ratio, so that its exponential stays finite


@dataclass(frozen=True, slots=True)
class Policy:
    """Answers of the model's own, each token weighed by its advantage, not too far at a time.

    With rho = pi(y) / pi_old(y) of a token and A its advantage (Schulman et al., 2017),

        l = -min(rho A, clip(rho, 1 - low, 1 + high) A)

    - `clip` is low and high in one, `clip_high` another high (DAPO; Yu et al., 2025). Without
      `clip` l = -rho A, which on answers that are trained once is REINFORCE.
    - `dual_clip` c: where A < 0, l is at most -c A (Ye et al., 2020).
    - `ratio`: rho of each token, or of the whole answer, whose advantage then is that of its first
      token (RLOO; Ahmadian et al., 2024).
    - `penalty`: what stands in the loss, times `beta`, with d = log pi - log pi_ref: `k2` is
      d^2 / 2, `k3_ratio` rho (e^(-d) - 1 + d), and their gradients are that of the KL divergence.
      `k3` is without rho, as in GRPO (Shao et al., 2024), and its gradient is not: it holds the
      model back too little. k1 belongs into the reward: in the loss its expected gradient is 0.
    - `value`: weight of half the squared error of the critic, which may move by `value_clip` from
      what it said before; the larger error of the two counts.
    - `once`: the weights that learn are those that wrote, so pi_old is pi itself and rho is 1 but
      for its gradient. What the rows know of pi_old is only compared, on the mean.
    - `sampling_temperature` is that of the distribution that answers were drawn from: this one is
      trained.

    The loss is a sum over tokens (over answers, for the ratio of answers), which the step divides
    by their number.

    Differs from the papers: log-ratios are kept within 20 nats, before exponentials; means are over
    all tokens of a step, in whatever batches, where GRPO takes the mean of each answer first.
    """

    clip: float | None = 0.2
    clip_high: float | None = None
    dual_clip: float | None = None
    ratio: Ratio = "tokens"
    penalty: InLoss = "none"
    beta: float = 0.0
    value: float = 0.0
    value_clip: float | None = 0.2
    sampling_temperature: float = 1.0
    once: bool = False

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "values"} if self.value else {"logps"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        if self.ratio == "answers":
            return float(len(rows))
        return float(sum(row.answer_tokens for row in rows))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        acted, logps = _acted(rows), outputs.logps
        moved = (logps - _flat([a.old for a in acted], logps)).clamp(-FARTHEST, FARTHEST)
        _check_fresh(acted, moved, self.once)
        if self.once:
            moved = logps - logps.detach()
        advantage = _flat([a.advantage for a in acted], logps)
        cost = self._surrogate(rows, outputs, moved, advantage)
        if self.penalty != "none":
            reference = _known([a.reference for a in acted], "log-probabilities of a reference")
            away = (logps - _flat(reference, logps)).clamp(-FARTHEST, FARTHEST)
            cost = cost + self.beta * in_loss(away, moved, self.penalty).sum()
        if self.value:
            cost = cost + self.value * self._missed(acted, outputs)
        return cost

    def _surrogate(
        self,
        rows: Sequence[Encoded],
        outputs: Outputs,
        moved: Float[Tensor, " N"],
        advantage: Float[Tensor, " N"],
    ) -> Float[Tensor, ""]:
        if self.ratio == "answers":
            sums = moved.new_zeros(len(rows)).index_add(0, outputs.row, moved)
            moved, advantage = sums.clamp(-FARTHEST, FARTHEST), advantage[_firsts(rows)]
        rho = moved.exp()
        cost = -rho * advantage
        if self.clip is not None:
            high = self.clip if self.clip_high is None else self.clip_high
            cost = torch.maximum(cost, -rho.clamp(1 - self.clip, 1 + high) * advantage)
        if self.dual_clip is not None:
            most = -self.dual_clip * advantage
            cost = torch.where(advantage < 0, torch.minimum(cost, most), cost)
        return cost.sum()

    def _missed(self, acted: Sequence[Acted], outputs: Outputs) -> Float[Tensor, ""]:
        if outputs.values is None:
            raise ValueError("this objective trains a critic, and the model gave no values")
        returns = _flat(_known([a.returns for a in acted], "returns"), outputs.values)
        missed = (outputs.values - returns).square()
        if self.value_clip is not None:
            before = _flat(_known([a.value for a in acted], "values of the critic"), outputs.values)
            near = before + (outputs.values - before).clamp(-self.value_clip, self.value_clip)
            missed = torch.maximum(missed, (near - returns).square())
        return missed.sum() / 2


def in_loss(
    away: Float[Tensor, " N"], moved: Float[Tensor, " N"], penalty: InLoss
) -> Float[Tensor, " N"]:
    """The penalty of each token: `away` is log pi - log pi_ref, `moved` log pi - log pi_old."""
    if penalty == "k2":
        return away.square() / 2
    k3 = torch.expm1(-away) + away  # the naive form loses its sign near 0
    return moved.exp() * k3 if penalty == "k3_ratio" else k3


def _acted(rows: Sequence[Encoded]) -> list[Acted]:
    found = [row.acted for row in rows]
    if None in found:
        raise ValueError("this objective learns from answers of the model's own, and a row is none")
    return [one for one in found if one is not None]


def _check_fresh(acted: Sequence[Acted], moved: Float[Tensor, " N"], mean: bool) -> None:
    """Answers that the weights as they are have written are as likely as they were: each token, or
    on the mean, where what is known of them has another rounding."""
    allowed = [a.fresh for a in acted if a.fresh is not None]
    if len(allowed) < len(acted) or not allowed or not moved.requires_grad or not len(moved):
        return
    off = moved.detach().exp().sub(1).abs()
    farthest = float(off.mean() if mean else off.max())
    if farthest > max(allowed):  # what is not a number is told by the step
        raise RunStopped(
            f"answers were written with other probabilities than they are trained with: the ratio "
            f"is off by {farthest:.2g} where rounding explains {max(allowed):.2g}; the model has a "
            "part that differs between the two passes"
        )


def _known(
    parts: Sequence[Float[np.ndarray, " _"] | None], what: str
) -> list[Float[np.ndarray, " _"]]:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        raise ValueError(f"this objective needs the {what} of each row, and a row has none")
    return known


def _flat(parts: Sequence[Float[np.ndarray, " _"]], like: Tensor) -> Float[Tensor, " N"]:
    joined = np.concatenate([np.zeros(0), *parts])
    return torch.from_numpy(joined).to(like.device, like.dtype)


def _firsts(rows: Sequence[Encoded]) -> list[int]:
    """Where each answer's first token stands among all."""
    sizes = np.array([row.answer_tokens for row in rows])
    return (np.cumsum(sizes) - sizes).tolist()
