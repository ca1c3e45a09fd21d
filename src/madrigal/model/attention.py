"""Attention for training in bfloat16 on a CPU."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "madrigal_short_rows"
# Longer rows keep torch's attention, which does not hold the T x T weights of every head.
LONGEST = 1024


class _Plain(torch.autograd.Function):
    """softmax(scale QK^T + mask) V as plain batched products: causal, or what a mask lets see.

    Torch's fused attention takes three to four times as long in bfloat16 on a CPU, most of it in
    its backward pass; the hardware is fast only at whole matrix products.
    """

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(
        ctx: Any,
        query: Float[Tensor, "B H T D"],
        key: Float[Tensor, "B H T D"],
        value: Float[Tensor, "B H T E"],
        seen: Bool[Tensor, "B 1 T T"] | None,
        scale: float,
    ) -> Float[Tensor, "B H T E"]:
        q, k, v = (part.flatten(0, 1) for part in (query, key, value))
        length = q.shape[1]
        if seen is None:
            mask = q.new_full((length, length), -torch.inf).triu(1)
        else:
            mask = q.new_zeros(seen.shape).masked_fill_(~seen, -torch.inf)
            mask = mask.expand(*query.shape[:2], length, length).flatten(0, 1)
        weights = torch.baddbmm(mask, q, k.mT, alpha=scale).softmax(-1)
        ctx.save_for_backward(q, k, v, weights)
        ctx.scale = scale
        return torch.bmm(weights, v).view_as(value)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        q, k, v, weights = ctx.saved_tensors
        outer = gradient.flatten(0, 1)
        of_weights = torch.bmm(outer, v.mT)
        scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        parts = (
            torch.bmm(scores, k).mul_(ctx.scale),
            torch.bmm(scores.mT, q).mul_(ctx.scale),
            torch.bmm(weights.mT, outer),
        )
        return *(part.unflatten(0, gradient.shape[:2]) for part in parts), None, None


def attend(
    module: nn.Module,
    query: Float[Tensor, "B H T D"],
    key: Float[Tensor, "B K S D"],
    value: Float[Tensor, "B K S E"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Float[Tensor, "B T H E"], None]:
    """An attention function of transformers: its `sdpa`, but for what `_Plain` does faster."""
    plain = (
        torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and query.device.type == "cpu"
        and (attention_mask is None or _hides_no_row(attention_mask, query))
        and dropout == 0.0
        and query.shape[2] == key.shape[2] <= LONGEST
        and (attention_mask is not None or _causal(module, others))
        and not any(others.get(name) for name in ("softcap", "position_bias", "cache"))
    )
    if not plain:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **others
        )
    groups = query.shape[1] // key.shape[1]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    keys, values = repeat_kv(key, groups), repeat_kv(value, groups)
    mixed = _Plain.apply(query, keys, values, attention_mask, scale)
    return mixed.transpose(1, 2).contiguous(), None


def _causal(module: nn.Module, others: Mapping[str, Any]) -> bool:
    return others.get("is_causal") in (None, True) and getattr(module, "is_causal", True)


def _hides_no_row(mask: Tensor, query: Tensor) -> bool:
    """Whether a mask says what each token sees, the same for all heads, and each sees something."""
    rows, length = query.shape[0], query.shape[2]
    alike = mask.dtype == torch.bool and mask.shape == (rows, 1, length, length)
    return alike and bool(mask.any(-1).all())


def use_for_short_rows(network: Any) -> None:
    """Let a transformers model attend with `attend` where it now uses `sdpa`."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    if network.config._attn_implementation == "sdpa":
        network.set_attn_implementation(NAME)
