"""AdamW and its learning rate."""

import math

import torch

from madrigal.model.language_model import LanguageModel
from madrigal.recipe.stage import Optimiser


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


def build_optimiser(settings: Optimiser, model: LanguageModel) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019) in one fused kernel; matrices decay, vectors do not."""
    matrices = [p for _, p in model.trainable() if p.ndim >= 2]
    vectors = [p for _, p in model.trainable() if p.ndim < 2]
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
