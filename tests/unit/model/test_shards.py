"""What a base is refused for before it is shared out. Shared out for real: tests/story."""

import pytest
import torch

import tiny
from madrigal.errors import ModelError
from madrigal.model.shards import held_bytes, share_out_blocks

CPU = torch.device("cpu")


@pytest.fixture
def two(monkeypatch):
    """As if a second process were there."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)


def frozen(kind="llama"):
    return tiny.network(kind).requires_grad_(False)


def test_one_process_shares_nothing():
    assert share_out_blocks(frozen(), CPU) is None


def test_blocks_must_have_numbers(two):
    network = frozen()
    network.model.layers = torch.nn.Sequential()
    with pytest.raises(ModelError) as refused:
        share_out_blocks(network, CPU)
    assert str(refused.value) == (
        "model.shard: the blocks of llama models have no numbers, so they cannot be shared out; "
        "leave it out"
    )


def test_blocks_must_be_apart(two):
    network = frozen()
    network.model.layers[1].mlp = network.model.layers[0].mlp
    with pytest.raises(ModelError) as refused:
        share_out_blocks(network, CPU)
    assert str(refused.value) == (
        "model.shard: llama models use model.layers.1.mlp.gate_proj.weight in several places, so "
        "it cannot be shared out; leave it out"
    )


def test_bytes_of_a_tied_table_count_once():
    network = tiny.network(tie_word_embeddings=True)
    assert held_bytes(network) == 4 * sum(p.numel() for p in network.parameters())
