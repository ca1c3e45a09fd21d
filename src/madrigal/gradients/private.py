"""The private update of a layer with its gradients split by task, where a part has several."""

from typing import Any

import torch
from torch import Tensor

from madrigal.gradients.ledger import Ledger
from madrigal.model.private import PrivateLora
from madrigal.model.route import Route


class SplitUpdates(torch.autograd.Function):
    """y + s B_t A_t x in place, where t is the part that a row meets.

    Row k of the ledger gets s (B_t^T gy_k)^T x_k for A_t and gy_k^T (s A_t x_k) for B_t, over the
    vectors of its span. `matrices` are A and B of each part that is present.
    """

    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        x: Tensor,
        scaling: float,
        route: Route,
        ledger: Ledger,
        *matrices: Tensor,
    ) -> Tensor:
        pairs = list(zip(matrices[::2], matrices[1::2], strict=True))
        flat_y, flat_x = y.view(-1, y.shape[-1]), x.reshape(-1, x.shape[-1])
        units = ledger.spans.units
        each = len(flat_x) // units
        runs = [
            (route.present.index(part), slice(first * each, last * each))
            for part, first, last in route.runs(units)
        ]
        low = flat_x.new_zeros(len(flat_x), pairs[0][0].shape[0])
        for place, span in runs:
            a, b = (matrix.to(y.dtype) for matrix in pairs[place])
            low[span] = (flat_x[span] @ a.T).mul_(scaling)
            flat_y[span].addmm_(low[span], b.T)
        ctx.save_for_backward(flat_x, low)
        ctx.pairs, ctx.scaling, ctx.shape, ctx.runs = pairs, scaling, x.shape, runs
        ctx.route, ctx.ledger, ctx.spans = route, ledger, ledger.spans
        ctx.mark_dirty(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (gy,) = grad_outputs
        x, low = ctx.saved_tensors
        flat = gy.reshape(-1, gy.shape[-1])
        g_low = torch.zeros_like(low)
        gx = torch.zeros_like(x) if ctx.needs_input_grad[1] else None
        for place, span in ctx.runs:
            a, b = (matrix.to(gy.dtype) for matrix in ctx.pairs[place])
            g_low[span] = (flat[span] @ b).mul_(ctx.scaling)
            if gx is not None:
                torch.mm(g_low[span], a, out=gx[span])
        for held, (row, span) in zip(ctx.spans.spans, ctx.spans.of(len(flat)), strict=True):
            part = ctx.route.part(held.first)
            if part is not None:
                first, second = ctx.pairs[ctx.route.present.index(part)]
                ctx.ledger.add_product(first, row, g_low[span].T, x[span])
                ctx.ledger.add_product(second, row, flat[span].T, low[span])
        gx = None if gx is None else gx.view(ctx.shape)
        return gy, gx, None, None, None, *(None for pair in ctx.pairs for _ in pair)


def split_private(module: PrivateLora, ledger: Ledger) -> Any:
    """The forward of a private layer whose gradients go to the ledger."""

    def forward(y: Tensor, x: Tensor) -> Tensor:
        route = module.routing.route
        if not route.present:
            return y
        x = module.dropout(x).to(y.dtype)
        matrices = [matrix for part in route.present for matrix in module.pair(part)]
        return SplitUpdates.apply(y, x, module.scaling, route, ledger, *matrices)

    return forward
