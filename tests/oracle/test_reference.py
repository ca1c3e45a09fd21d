"""The reference: its values are those of training, computed once, and known by content."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.errors import RunFolderError
from madrigal.objectives.dpo import Dpo
from madrigal.pipeline import reference
from madrigal.pipeline.reference import content, fingerprint, kept_at
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.tasks.encoded import Encoded, Judged
from madrigal.training.processes import Processes
from madrigal.training.reference import Asked, answer_logps
from madrigal.training.step import compute_gradient
from tiny import LORA, VOCABULARY, model, parts, private_model

NAN = math.nan


def pairs(count, seed=0):
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        prompt = chance.integers(1, VOCABULARY, int(chance.integers(2, 20)))
        rows = []
        for place in (0, 1):
            answer = chance.integers(1, VOCABULARY, int(chance.integers(1, 8)))
            tokens = np.concatenate([prompt, answer])
            wins = (NAN, 1.0) if place == 0 else (0.0, NAN)
            rows.append(
                Encoded(tokens, np.arange(len(tokens)) >= len(prompt), judged=Judged(place, wins))
            )
        made.append(tuple(rows))
    return made


def asked(held, share=True, limit=128):
    return Asked(held, limit, 0, Processes(), share)


def quiet(done, total):
    pass


def known(held, examples, **how):
    found = answer_logps(asked(held, **how), "a", examples, quiet)
    return [
        tuple(
            replace(row, judged=replace(row.judged, reference=float(value)))
            for row, value in zip(example, values, strict=True)
        )
        for example, values in zip(examples, found, strict=True)
    ]


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_values_are_those_of_the_plain_model(kind, share):
    held, examples = model(kind, LORA), pairs(7)
    found = answer_logps(asked(held, share), "a", examples, quiet)
    for example, values in zip(examples, found, strict=True):
        for row, value in zip(example, values, strict=True):
            tokens = torch.from_numpy(row.tokens)
            with torch.no_grad():
                logps = held.network(input_ids=tokens[None]).logits[0].log_softmax(-1)
            at = np.flatnonzero(row.trained)
            wanted = sum(float(logps[t - 1, tokens[t]]) for t in at)
            assert value == pytest.approx(wanted, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_model_that_has_learnt_nothing_costs_ln_2(precision, share):
    """In both number formats: the reference is rounded as training is."""
    held = model("llama", LORA, precision=precision)
    examples = [("a", example) for example in known(held, pairs(9), share=share)]
    ours = parts(held, ("a",), objectives={"a": Dpo()}, share_prompts=share, microbatch_tokens=128)
    loss = compute_gradient(ours, 0, examples).loss["a"]
    assert loss == pytest.approx(math.log(2), abs=1e-6 if precision == torch.float32 else 2e-3)


def test_dropout_is_off_and_the_mode_is_put_back():
    held = model("llama", LORA.model_copy(update={"dropout": 0.5}))
    held.network.train()
    first, second = (answer_logps(asked(held), "a", pairs(3), quiet) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(module.training for module in held.network.modules())


def test_a_model_is_known_by_its_weights():
    one, twin, other = (model("llama", None, seed) for seed in (0, 0, 1))
    assert fingerprint(one) == fingerprint(twin) != fingerprint(other)
    with torch.no_grad():
        next(twin.network.parameters()).view(-1)[3] += 1e-4
    assert fingerprint(one) != fingerprint(twin)


def test_the_same_weights_may_be_another_model():
    one, twin = model("llama", None, 0), model("llama", None, 0)
    assert fingerprint(one) == fingerprint(twin)
    twin.causal.config.rms_norm_eps *= 10
    assert fingerprint(one) != fingerprint(twin)


def test_an_adapter_that_does_nothing_yet_is_no_part_of_it():
    def fresh(seed, rank=3):
        held = model("llama", LORA.model_copy(update={"rank": rank}), 0)
        torch.manual_seed(seed)
        for name, p in held.network.named_parameters():
            if p.requires_grad:
                torch.nn.init.constant_(p, 0.0) if "lora_B" in name else torch.nn.init.normal_(p)
        return held

    assert fingerprint(fresh(1)) == fingerprint(fresh(2)) == fingerprint(fresh(1, rank=5))
    trained = fresh(1)
    with torch.no_grad():
        next(p for n, p in trained.network.named_parameters() if "lora_B" in n).view(-1)[0] = 1e-3
    assert fingerprint(trained) != fingerprint(fresh(1))


class TestFile:
    def test_it_is_read_back_as_it_was(self, tmp_path):
        path = tmp_path / "deep" / "x.safetensors"
        values = np.array([-1.5, -2.25], dtype=np.float32)
        assert reference._read(path, "m", "d") is None
        reference._write(path, values, "m", "d")
        np.testing.assert_array_equal(reference._read(path, "m", "d"), values)

    @pytest.mark.parametrize(
        ("weights", "data", "said"), [("n", "d", "of another model"), ("m", "e", "other examples")]
    )
    def test_of_another_model_or_other_data_it_is_refused(self, tmp_path, weights, data, said):
        path = tmp_path / "x.safetensors"
        reference._write(path, np.zeros(2, dtype=np.float32), "m", "d")
        with pytest.raises(RunFolderError, match=f"{said}; delete the file"):
            reference._read(path, weights, data)

    def test_damaged_it_is_refused(self, tmp_path):
        path = tmp_path / "x.safetensors"
        path.write_bytes(b"no tensors")
        with pytest.raises(RunFolderError, match="are damaged; delete the file"):
            reference._read(path, "m", "d")

    def test_a_home_that_cannot_be_written_to_keeps_nothing(self, tmp_path):
        (tmp_path / "file").write_text("")
        reference._write(tmp_path / "file" / "x", np.zeros(1, dtype=np.float32), "m", "d")


def test_what_changes_a_value_names_another_file():
    """Else a run would give something else where another one has left its reference."""
    held, examples = model("llama", LORA), pairs(3)
    other = model("llama", LORA, 1)
    questions = {
        "as it is": (asked(held), examples),
        "weights": (asked(other), examples),
        "data": (asked(held), pairs(3, seed=1)),
        "precision": (asked(replace(held, precision=torch.bfloat16)), examples),
        "device": (asked(replace(held, device=torch.device("cuda"))), examples),
        "shared prompts": (asked(held, share=False), examples),
        "microbatches": (asked(held, limit=64), examples),
    }
    paths = {name: kept_at(one, "a", some)[0] for name, (one, some) in questions.items()}
    assert len(set(paths.values())) == len(paths)
    assert kept_at(asked(model("llama", LORA)), "b", pairs(3))[0] == paths["as it is"]


def test_of_private_parts_each_task_has_its_own_file():
    held = private_model(LoraAdapter(rank=3, private=PrivatePart(rank=2, tasks=("a", "b"))), "ab")
    one, other = (kept_at(asked(held), task, pairs(3))[0] for task in "ab")
    assert one != other


def test_examples_are_known_by_their_tokens():
    examples = pairs(3)
    assert content(examples) == content(pairs(3)) != content(pairs(3, seed=1))
    assert content(examples) != content(examples[:2])
    (first, second), *rest = examples
    shorter = replace(first, trained=np.zeros_like(first.trained))
    assert content([(shorter, second), *rest]) != content(examples)
