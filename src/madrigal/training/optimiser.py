"""AdamW and its learning rate."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.model.language_model import LanguageModel
from madrigal.recipe.stage import Optimiser
from madrigal.training.split import Split


def learning_rate(settings: Optimiser, step: int, steps: int) -> float:
    """Learning rate of step `step` (from 0) of `steps`: linear warm-up, then the schedule.

    With s the share of the way after warm-up, cosine is final + (1 - final) (1 + cos(pi s)) / 2 and
    linear 1 - (1 - final) s, both times the peak.
    """
    warmup = math.ceil(settings.warmup * steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    way = (step - warmup) / max(1, steps - warmup)
    left = (1 + math.cos(math.pi * way)) / 2 if settings.schedule == "cosine" else 1 - way
    return settings.learning_rate * (settings.final + (1 - settings.final) * left)


def clip(model: LanguageModel, limit: float) -> float:
    """Scale the gradient to the largest norm, where it is above 0; its norm before."""
    parameters = [p for _, p in model.learning() if p.grad is not None]
    total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    norm = float(total)
    if norm > limit > 0:  # a pass over all gradients that most steps can do without
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, total)
    return norm


def adam_metric(
    optimiser: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]
) -> Float[Tensor, " P"]:
    """1 / (sqrt(v) + epsilon) for every entry of the parameters, with v AdamW's second moment.

    What AdamW multiplies a gradient with, without its momentum and its correction of early steps
    (which is one factor for all). Parameters that took no step yet count as they are.
    """
    epsilon = optimiser.defaults["eps"]
    parts = []
    for parameter in parameters:
        second = optimiser.state.get(parameter, {}).get("exp_avg_sq")
        scale = torch.ones_like(parameter) if second is None else 1 / (second.sqrt() + epsilon)
        parts.append(scale.detach().flatten().float())
    return torch.cat(parts)


def step_metric(
    split: Split | None, optimiser: torch.optim.Optimizer
) -> Float[Tensor, " P"] | None:
    """AdamW's own scale of each split parameter, once it has one; None for plain products."""
    if split is None or split.metric != "adam" or not optimiser.state:
        return None
    return adam_metric(optimiser, split.ledger.parameters.values())


def build_optimiser(settings: Optimiser, model: LanguageModel) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) in one fused kernel; matrices decay, vectors do not."""
    matrices = [p for _, p in model.learning() if p.ndim >= 2]
    vectors = [p for _, p in model.learning() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )
