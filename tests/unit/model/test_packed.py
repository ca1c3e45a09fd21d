"""Products of few rows with one large matrix."""

import pytest
import torch
from torch import nn

from madrigal.model.packed import packed, packs, product

LARGE = (2048, 640)


def layer(shape=LARGE, bias=False):
    torch.manual_seed(0)
    return nn.Linear(shape[1], shape[0], bias=bias)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 16, 50])
def test_a_packed_product_is_the_product(bias, rows):
    one = layer(bias=bias)
    x = torch.randn(rows, 2, LARGE[1])
    with torch.no_grad():
        wanted = one(x)
        with packed(one):
            assert "forward" in vars(one), "nothing was packed"
            found = one(x)
        assert torch.allclose(found, wanted, atol=1e-5)
        assert torch.equal(one(x), wanted), "the layer is not as it was"


def test_small_coarse_and_other_layers_are_left_alone():
    assert packs(layer().weight)
    assert not packs(layer((64, 64)).weight)
    assert not packs(layer().weight.bfloat16())
    for one in (layer((64, 64)), nn.Identity(), None):
        with packed(one):
            assert one is None or "forward" not in vars(one)


def test_autocast_still_decides_the_format():
    one = layer()
    times = product(one.weight, None)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert times(torch.randn(2, LARGE[1])).dtype == torch.bfloat16


def test_weights_that_changed_are_packed_again():
    one = layer()
    x = torch.randn(2, LARGE[1])
    with torch.no_grad():
        with packed(one):
            before = one(x)
        one.weight.mul_(2)
        with packed(one):
            assert torch.allclose(one(x), 2 * before, atol=1e-5)
