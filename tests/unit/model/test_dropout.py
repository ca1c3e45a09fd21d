import pytest
import torch

import tiny
from madrigal.model.dropout import set_dropout, without_dropout
from madrigal.recipe.model import LoraAdapter


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_nothing_is_dropped_inside_and_all_is_as_it_was_after(kind):
    held = tiny.model(kind, LoraAdapter(rank=2, dropout=0.5))
    set_dropout(held.network, 0.5)
    held.network.train()
    tokens = torch.arange(12)[None]

    def same():
        return torch.equal(held.states(tokens), held.states(tokens))

    assert not same()
    with without_dropout(held.network):
        assert held.network.training
        assert same()
    assert not same()
