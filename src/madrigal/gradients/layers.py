"""Layers whose backward pass splits the parameter gradient by task.

Each function computes the same output and the same input gradient as the layer it stands for. The
parameter gradient is not returned to autograd but added to the ledger: the operations are the same,
cut at the borders of its rows. Parameters are kept by reference, not saved
for the backward pass: checkpointing hands saved tensors back as copies, and the ledger knows a
parameter by what it is.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from madrigal.gradients.ledger import Ledger


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


class SplitLinear(torch.autograd.Function):
    """x W^T + b: row k of the weight gradient is gy_k^T x_k over the vectors of its span."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, ledger: Ledger) -> Tensor:
        y = F.linear(x, weight, bias)
        ctx.save_for_backward(x if x.dtype == y.dtype else x.to(y.dtype))
        ctx.weight, ctx.bias, ctx.dtype = weight, bias, x.dtype
        ctx.ledger, ctx.spans = ledger, ledger.spans
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        (x,), weight = ctx.saved_tensors, ctx.weight
        flat_g, flat_x = _flat(gy), _flat(x)
        if weight.requires_grad:
            ctx.ledger.add_products(weight, ctx.spans, flat_g, flat_x)
        if ctx.bias is not None and ctx.bias.requires_grad:
            ctx.ledger.add_sums(ctx.bias, ctx.spans, flat_g)
        gx = (gy @ weight.to(gy.dtype)).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        return gx, None, None, None


class SplitConv1D(torch.autograd.Function):
    """GPT-2's linear layer: as `SplitLinear`, but its weight is (in, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, ledger: Ledger) -> Tensor:
        y = torch.addmm(bias, _flat(x), weight).view(*x.shape[:-1], weight.shape[1])
        ctx.save_for_backward(x if x.dtype == y.dtype else x.to(y.dtype))
        ctx.weight, ctx.bias, ctx.dtype = weight, bias, x.dtype
        ctx.ledger, ctx.spans = ledger, ledger.spans
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        (x,), weight = ctx.saved_tensors, ctx.weight
        flat_g, flat_x = _flat(gy), _flat(x)
        if weight.requires_grad:
            ctx.ledger.add_products(weight, ctx.spans, flat_x, flat_g)
        if ctx.bias.requires_grad:
            ctx.ledger.add_sums(ctx.bias, ctx.spans, flat_g)
        gx = (gy @ weight.to(gy.dtype).T).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        return gx, None, None, None


class SplitEmbedding(torch.autograd.Function):
    """A table look-up: row k adds the output gradients of its span at their tokens."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, padding: int | None, ledger: Ledger
    ) -> Tensor:
        ctx.save_for_backward(tokens)
        ctx.weight, ctx.padding = weight, padding
        ctx.ledger, ctx.spans = ledger, ledger.spans
        return F.embedding(tokens, weight, padding)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        (tokens,), weight = ctx.saved_tensors, ctx.weight
        flat_g, flat_t = _flat(gy).float(), tokens.reshape(-1)
        if ctx.padding is not None:
            flat_g = flat_g.masked_fill((flat_t == ctx.padding)[:, None], 0)
        for row, span in ctx.spans.of(len(flat_t)):
            held, fresh = ctx.ledger.row(weight, row)
            if fresh:
                held.zero_()
            held.index_add_(0, flat_t[span], flat_g[span])
        return None, None, None, None


class SplitLowRankTable(torch.autograd.Function):
    """peft's LoRA on an embedding: scale B A[:, token]; A is (rank, vocabulary), B (out, rank)."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        a: Tensor,
        b: Tensor,
        padding: int | None,
        scale: float,
        ledger: Ledger,
    ) -> Tensor:
        low = F.embedding(tokens, a.T, padding)
        ctx.save_for_backward(tokens, low)
        ctx.a, ctx.b, ctx.padding, ctx.scale = a, b, padding, scale
        ctx.ledger, ctx.spans = ledger, ledger.spans
        return (low @ b.T) * scale

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        (tokens, low), a, b = ctx.saved_tensors, ctx.a, ctx.b
        flat_g, flat_low, flat_t = _flat(gy) * ctx.scale, _flat(low), tokens.reshape(-1)
        low_g = (flat_g @ b.to(flat_g.dtype)).float()
        if ctx.padding is not None:
            low_g = low_g.masked_fill((flat_t == ctx.padding)[:, None], 0)
        ctx.ledger.add_products(b, ctx.spans, flat_g, flat_low.to(flat_g.dtype))
        for row, span in ctx.spans.of(len(flat_t)):
            held, fresh = ctx.ledger.row(a, row)
            if fresh:
                held.zero_()
            held.T.index_add_(0, flat_t[span], low_g[span])
        return None, None, None, None, None, None


class SplitGain(torch.autograd.Function):
    """normalised x times gain plus shift: the trained part of RMSNorm and LayerNorm."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor | None, ledger: Ledger) -> Tensor:
        ctx.save_for_backward(x)
        ctx.gain, ctx.shift = gain, shift
        ctx.ledger, ctx.spans = ledger, ledger.spans
        return x * gain if shift is None else x * gain + shift

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        (x,), gain = ctx.saved_tensors, ctx.gain
        flat_g, flat_x = _flat(gy), _flat(x)
        if gain.requires_grad:
            ctx.ledger.add_sums(gain, ctx.spans, flat_g * flat_x)
        if ctx.shift is not None and ctx.shift.requires_grad:
            ctx.ledger.add_sums(ctx.shift, ctx.spans, flat_g)
        return gy * gain, None, None, None
