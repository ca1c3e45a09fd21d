"""Products of few rows with one large matrix, many times, on a CPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Elements from which a matrix is worth a copy, and the rows that its layout is best for.
_LARGE, _ROWS = 1 << 20, 16
# Bytes that such a copy may take.
_MOST = 1 << 30

Product = Callable[[Float[Tensor, "*B I"]], Float[Tensor, "*B O"]]


def product(weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None) -> Product:
    """x -> W x + b, for products without gradients.

    A large float32 matrix on a CPU is copied once into the layout that oneDNN's kernels read, which
    is about twice as fast for a few rows; every other one is used as it is.
    """
    plain = not packs(weight)
    held = None if plain else torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)

    def times(x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        if held is None or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return nn.functional.linear(x, weight, bias)
        return torch.ops.mkldnn._linear_pointwise(x, held, bias, "none", [], "")

    return times


def packs(weight: Tensor) -> bool:
    """Whether a matrix is large and of a kind that can be laid out anew."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and weight.numel() >= _LARGE
        and weight.nbytes <= _MOST
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


@contextmanager
def packed(layer: nn.Module | None) -> Iterator[None]:
    """Inside, a plain linear layer is computed by `product`."""
    if type(layer) is not nn.Linear or not packs(layer.weight):
        yield
        return
    vars(layer)["forward"] = product(layer.weight, layer.bias)
    try:
        yield
    finally:
        del vars(layer)["forward"]
