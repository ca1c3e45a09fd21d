"""What a stage leaves is loaded by transformers and peft alone, and says the same."""

import warnings

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
import tiny_run
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model
from madrigal.pipeline.stage import Where, train_stage
from madrigal.pipeline.watch import Screen
from madrigal.training.processes import Processes

LORA = {"base": "base", "adapter": {"kind": "lora", "rank": 3}}
QUICK = {"learning_rate": 0.02, "warmup": 0.0}


def trained(folder, model_keys, stages=1):
    """Train the first stages; the model as it is in memory, and the folder of the last."""
    keys = tiny_run.keys()
    if model_keys is not None:
        keys["model"] = model_keys
    for stage in keys["stages"]:
        stage |= {"optimiser": QUICK, "validate_every": 0}
    built = build(tiny_run.tiny(folder, keys))
    model = fresh_model(built)
    for number, stage in enumerate(built.recipe.stages[:stages], 1):
        place = folder / "out" / str(number)
        where = Where(place, "train", Screen(silent=True), Processes())
        train_stage(built, stage, model, stage.learn, where)
    return built, model, place


def base(folder, kind="llama", **changes):
    held = tiny.model(kind, **changes)
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    return held


def assert_same_logits(one, two, before):
    """Of two models, and another one than before training."""
    tokens = torch.randint(1, tiny.VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs, untrained = (m.eval()(input_ids=tokens).logits for m in (one, two, before))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert (ours - untrained).abs().max() > 0.01


def assert_same_tokens(built, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "a warm evening by the river"
    assert tokenizer(text).input_ids == built.tokenizer(text).input_ids
    assert tokenizer.eos_token == built.tokenizer.eos_token


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
def test_an_adapter(tmp_path, kind):
    base(tmp_path, kind)
    built, model, place = trained(tmp_path, LORA)
    assert not (place / "model").exists()
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
        loaded = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(tmp_path / "base"), place / "adapter"
        )
    assert_same_logits(model.network, loaded, plain)
    assert_same_tokens(built, place / "adapter")
    names = {path.name for path in (place / "adapter").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= names


def test_an_adapter_merges(tmp_path):
    base(tmp_path)
    _, model, _ = trained(tmp_path, LORA)
    tokens = torch.randint(1, tiny.VOCABULARY, (1, 9))
    with torch.no_grad():
        before = model.network(input_ids=tokens).logits
        merged = model.network.merge_and_unload()
        torch.testing.assert_close(merged(input_ids=tokens).logits, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_whole_model(tmp_path, kind):
    before = base(tmp_path, kind)
    built, model, place = trained(tmp_path, {"base": "base", "adapter": "full"})
    assert not (place / "adapter").exists()
    loaded = AutoModelForCausalLM.from_pretrained(place / "model")
    assert_same_logits(model.network, loaded, before.network)
    assert_same_tokens(built, place / "model")


def test_a_fresh_model_of_two_stages(tmp_path):
    built, model, place = trained(tmp_path, None, stages=2)
    loaded = AutoModelForCausalLM.from_pretrained(place / "model")
    assert_same_logits(model.network, loaded, fresh_model(built).network)
    assert loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    assert_same_tokens(built, place / "model")
    first = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "1" / "model")
    assert_same_logits(
        first, AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "1" / "model"), loaded
    )


def test_a_finished_stage_is_loaded_and_not_trained_again(tmp_path):
    built, model, place = trained(tmp_path, None)
    again = fresh_model(built)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    where = Where(place, "train", Screen(silent=True), Processes())
    train_stage(built, built.recipe.stages[0], again, built.recipe.stages[0].learn, where)
    for one, two in zip(model.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, two)
    assert before == {path: path.stat().st_mtime_ns for path in place.rglob("*")}
