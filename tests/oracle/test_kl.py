"""KL to the base against the whole softmax of both models, one position at a time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from madrigal.errors import RunFolderError, RunStopped
from madrigal.evaluation.divergence import (
    Divergence,
    mean_kl,
    read_divergences_of,
    write_divergences,
)
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.kl import AdapterOff, Another, kl_to_base
from madrigal.model import language_model
from madrigal.recipe.model import LoraAdapter
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task

WORDS = ("choir", "bell", "river", "wood", "salt", "town", "rain", "children", "stories", "boat")
RESAMPLING = Resampling(draws=300)


def records(count=7):
    chance = np.random.default_rng(5)
    return tuple(
        Record(
            f"x:{i}",
            (Turn("user", " ".join(chance.choice(WORDS, int(chance.integers(2, 9))))),),
            (" ".join(chance.choice(WORDS, int(chance.integers(1, 4)))),),
        )
        for i in range(count)
    )


def task(kind="answer", held=()):
    metric = {"answer": "exact_match", "text": "perplexity"}[kind]
    return Task("songs", kind, metric, {"train": (), "validation": (), "test": tuple(held)})


def coder():
    return Coder(tiny.tokenizer(), tiny.CONTEXT, False)


@torch.no_grad()
def naive(base, model, rows):
    """Sum over positions and vocabulary, one example after another, without padding."""
    found = []
    for row in rows:
        tokens = torch.tensor(row.tokens)[None]
        p, q = (one.causal(tokens).logits[0].double().log_softmax(-1) for one in (base, model))
        places = np.flatnonzero(row.trained) - 1
        found.append(float((p.exp() * (p - q)).sum(-1)[places].sum()))
    return found


@pytest.mark.parametrize("chunk", [1 << 24, 2000])  # all positions at once; six at a time
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_full_fine_tuning_against_the_base_loaded_again(monkeypatch, kind, chunk):
    monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", chunk)
    base, model = tiny.model(kind), tiny.model(kind, seed=1)
    held, code = records(), coder()
    found = kl_to_base(model, Another(base), code, task(), held, batch_tokens=100)
    rows = [code.example(record, task())[0] for record in held]
    assert [one.nats for one in found] == pytest.approx(naive(base, model, rows), rel=1e-4)
    assert [one.tokens for one in found] == [row.answer_tokens for row in rows]
    assert [one.id for one in found] == [record.key for record in held]
    assert min(one.nats for one in found) > 0.1


def test_an_adapter_is_switched_off_and_on_again():
    model = tiny.model("llama", tiny.LORA)
    held, code = records(), coder()
    model.network.train()
    before = {name: p.requires_grad for name, p in model.network.named_parameters()}
    found = kl_to_base(model, AdapterOff(model), code, task(), held)
    assert {name: p.requires_grad for name, p in model.network.named_parameters()} == before
    assert model.network.training
    model.network.eval()
    rows = [code.example(record, task())[0] for record in held]
    expected = naive(tiny.model("llama"), model, rows)  # the same seed gives the same base
    assert [one.nats for one in found] == pytest.approx(expected, rel=1e-4)
    again = kl_to_base(model, Another(tiny.model("llama")), code, task(), held)
    assert [one.nats for one in again] == pytest.approx([one.nats for one in found])


def test_a_model_that_is_its_base_has_no_divergence():
    code, held = coder(), records()
    full = kl_to_base(tiny.model(), Another(tiny.model()), code, task(), held)
    assert [one.nats for one in full] == [0.0] * len(held)
    lora = tiny.model("llama", tiny.LORA)
    for name, parameter in lora.trainable():
        if "lora_B" in name:
            torch.nn.init.zeros_(parameter)
    off = kl_to_base(lora, AdapterOff(lora), code, task(), held)
    assert [one.nats for one in off] == pytest.approx([0.0] * len(held), abs=1e-6)
    mean = mean_kl("songs", full, RESAMPLING)
    assert (mean.value, mean.low, mean.high) == (0.0, 0.0, 0.0)


def test_raw_text_counts_every_token_window_by_window():
    base, model, code = tiny.model(), tiny.model(seed=1), coder()
    held = (Record("x:1", text=" ".join(WORDS * 12)), Record("x:2", text=" ".join(WORDS)))
    found = kl_to_base(model, Another(base), code, task("text"), held)
    rows = [row for record in held for row in code.windows([record])]
    assert len(rows) > len(held)
    assert [one.nats for one in found] == pytest.approx(naive(base, model, rows), rel=1e-4)
    # Few documents: a window is resampled alone, as for perplexity.
    assert len({one.cluster for one in found}) == len(rows)


@pytest.mark.parametrize("head", [False, True], ids=["blocks", "head"])
def test_a_task_with_a_private_part_meets_it_and_the_base_does_not(head):
    from madrigal.model.adapter import add_adapter, add_private

    adapter = LoraAdapter.model_validate({"rank": 3, "private": {"rank": 2, "head": head}})
    network = add_adapter(tiny.network(), adapter, 0)
    private = add_private(network, adapter, ["songs", "other"], 0)
    torch.manual_seed(3)
    for parameter in network.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    model = replace(tiny.model(), network=network, private=private)
    held, code = records(), coder()
    found = kl_to_base(model, AdapterOff(model), code, task(), held)
    rows = [code.example(record, task())[0] for record in held]
    with model.routed("songs"):
        expected = naive(tiny.model(), model, rows)
    assert [one.nats for one in found] == pytest.approx(expected, rel=1e-4)
    with model.routed("other"):
        assert naive(tiny.model(), model, rows) != pytest.approx(expected, rel=1e-2)


def test_broken_weights_are_told():
    broken = tiny.model(seed=1)
    with torch.no_grad():
        next(broken.network.parameters()).fill_(float("nan"))
    with pytest.raises(RunStopped, match=r"task 'songs': the model's divergence .* not finite"):
        kl_to_base(broken, Another(tiny.model()), coder(), task(), records())


def test_the_mean_is_over_tokens_with_clusters_resampled_together():
    chance = np.random.default_rng(0)
    rows = [
        Divergence(f"{i}", f"c{i % 20}", float(chance.gamma(2.0)) * n, n)
        for i, n in enumerate(chance.integers(1, 6, 60).tolist())
    ]
    found = mean_kl("songs", rows, RESAMPLING)
    assert found.value == pytest.approx(sum(r.nats for r in rows) / sum(r.tokens for r in rows))
    sums = {f"c{c}": np.zeros(2) for c in range(20)}
    for row in rows:
        sums[row.cluster] += (row.nats, row.tokens)
    table = np.array([sums[name] for name in sorted(sums)])
    totals = RESAMPLING.totals("songs", table)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high))
    # One example alone says nothing of others.
    assert mean_kl("songs", rows[:1], RESAMPLING).low is None


def test_rows_read_back_as_written(tmp_path):
    rows = [Divergence("a", "a", 0.125, 3), Divergence("b-2", "b", 1e-9, 1)]
    path = tmp_path / "kl" / "01-first" / "songs.jsonl"
    write_divergences(path, rows)
    assert read_divergences_of(tmp_path) == {"01-first": {"songs": rows}}
    assert read_divergences_of(tmp_path / "nowhere") == {}
    path.write_text(json.dumps({"id": "a"}) + "\n")
    with pytest.raises(RunFolderError, match=r"songs\.jsonl: not divergences"):
        read_divergences_of(tmp_path)
