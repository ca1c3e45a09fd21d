"""Averages of what two models add to the layers of one base."""

import pytest
import torch

from madrigal.model.update import Update
from madrigal.retention import merge


@pytest.mark.parametrize("back", [0.0, 0.3, 1.0])
def test_updates_are_averaged_as_products_and_not_factor_by_factor(back):
    numbers = torch.Generator().manual_seed(0)

    def update(rank):
        a, b = torch.randn(rank, 5, generator=numbers), torch.randn(4, rank, generator=numbers)
        return Update(a, b)

    start, end = {"one": update(2), "gone": update(2)}, {"one": update(3), "new": update(3)}
    found = {name: held.b @ held.a for name, held in merge.between(start, end, back).items()}
    product = {name: held.b @ held.a for name, held in {**end, **start}.items()}
    one = (1 - back) * end["one"].b @ end["one"].a + back * start["one"].b @ start["one"].a
    torch.testing.assert_close(found["one"], one)
    torch.testing.assert_close(found["new"], (1 - back) * product["new"])
    torch.testing.assert_close(found["gone"], back * product["gone"])
    assert merge.between(start, end, back)["one"].a.shape == (5, 5)
