"""Layers whose backward pass splits the parameter gradient by task.

Each function computes the same output and the same input gradient as the layer it stands for. The
parameter gradient is not returned to autograd but added to the ledger, one product a task: the
operations are the same, cut at the borders of the tasks.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from madrigal.gradients.ledger import Ledger


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


class SplitLinear(torch.autograd.Function):
    """x W^T + b: row k of the weight gradient is gy_k^T x_k over the vectors of task k."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, ledger: Ledger) -> Tensor:
        y = F.linear(x, weight, bias)
        ctx.save_for_backward(x if x.dtype == y.dtype else x.to(y.dtype), weight)
        ctx.bias, ctx.ledger, ctx.spans, ctx.dtype = bias, ledger, ledger.spans, x.dtype
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        x, weight = ctx.saved_tensors
        flat_g, flat_x = _flat(gy), _flat(x)
        if weight.requires_grad:
            rows = ctx.ledger.buffer(weight)
            for task, span in ctx.spans.of(len(flat_x)):
                if rows.dtype == flat_x.dtype:
                    rows[task].addmm_(flat_g[span].T, flat_x[span])
                else:
                    rows[task] += flat_g[span].T @ flat_x[span]
        if ctx.bias is not None and ctx.bias.requires_grad:
            rows = ctx.ledger.buffer(ctx.bias)
            for task, span in ctx.spans.of(len(flat_g)):
                rows[task] += flat_g[span].sum(0)
        gx = (gy @ weight.to(gy.dtype)).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        return gx, None, None, None


class SplitConv1D(torch.autograd.Function):
    """GPT-2's linear layer: as `SplitLinear`, but its weight is (in, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, ledger: Ledger) -> Tensor:
        y = torch.addmm(bias, _flat(x), weight).view(*x.shape[:-1], weight.shape[1])
        ctx.save_for_backward(x if x.dtype == y.dtype else x.to(y.dtype), weight)
        ctx.bias, ctx.ledger, ctx.spans, ctx.dtype = bias, ledger, ledger.spans, x.dtype
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        x, weight = ctx.saved_tensors
        flat_g, flat_x = _flat(gy), _flat(x)
        for task, span in ctx.spans.of(len(flat_x)):
            if weight.requires_grad:
                ctx.ledger.buffer(weight)[task] += flat_x[span].T @ flat_g[span]
            if ctx.bias.requires_grad:
                ctx.ledger.buffer(ctx.bias)[task] += flat_g[span].sum(0)
        gx = (gy @ weight.to(gy.dtype).T).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        return gx, None, None, None


class SplitEmbedding(torch.autograd.Function):
    """A table look-up: row k adds the output gradients of task k at their tokens."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, padding: int | None, ledger: Ledger
    ) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        ctx.padding, ctx.ledger, ctx.spans = padding, ledger, ledger.spans
        return F.embedding(tokens, weight, padding)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        tokens, weight = ctx.saved_tensors
        flat_g, flat_t = _flat(gy).float(), tokens.reshape(-1)
        if ctx.padding is not None:
            flat_g = flat_g.masked_fill((flat_t == ctx.padding)[:, None], 0)
        rows = ctx.ledger.buffer(weight)
        for task, span in ctx.spans.of(len(flat_t)):
            rows[task].index_add_(0, flat_t[span], flat_g[span])
        return None, None, None, None


class SplitGain(torch.autograd.Function):
    """normalised x times gain plus shift: the trained part of RMSNorm and LayerNorm."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor | None, ledger: Ledger) -> Tensor:
        ctx.save_for_backward(x, gain)
        ctx.shift, ctx.ledger, ctx.spans = shift, ledger, ledger.spans
        return x * gain if shift is None else x * gain + shift

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        x, gain = ctx.saved_tensors
        flat_g, flat_x = _flat(gy), _flat(x)
        product = (flat_g * flat_x).float() if gain.requires_grad else None
        for task, span in ctx.spans.of(len(flat_x)):
            if product is not None:
                ctx.ledger.buffer(gain)[task] += product[span].sum(0)
            if ctx.shift is not None and ctx.shift.requires_grad:
                ctx.ledger.buffer(ctx.shift)[task] += flat_g[span].float().sum(0)
        return gy * gain, None, None, None
