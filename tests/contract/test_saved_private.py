"""Of each task with a private part a stage leaves an adapter that peft alone loads."""

import json
import warnings

import pytest
import torch
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
import tiny_run
from madrigal.cli.app import main
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model
from madrigal.pipeline.stage import Where, train_stage
from madrigal.pipeline.watch import Screen
from madrigal.training import loop
from madrigal.training.processes import Processes

TOKENS = torch.randint(1, tiny.VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(0))
BOTH = {"kind": "lora", "rank": 3, "alpha": 5.0, "private": {"rank": 2, "alpha": 3.0}}
APART = {"kind": "lora", "rank": 3, "layers": [0], "private": {"rank": 4, "layers": [1]}}
OWN = {"kind": "lora", "layers": "none", "private": 2}
GROUP = {"kind": "lora", "rank": 3, "private": {"rank": 2, "groups": {"both": ["mood", "echo"]}}}
HEAD = {"kind": "lora", "rank": 3, "private": {"rank": 2, "head": True}}
HEAD_ONLY = {"kind": "lora", "layers": "none", "private": {"layers": "none", "head": True}}
SOME = {"kind": "lora", "rank": 3, "private": {"rank": 2, "tasks": "echo"}}


def recipe_keys(adapter):
    keys = tiny_run.keys()
    keys["model"] = {"base": "base", "precision": "float32", "adapter": adapter}
    keys["stages"] = keys["stages"][:1]
    keys["stages"][0] |= {
        "optimiser": {"learning_rate": 0.02, "warmup": 0.0}, "validate_every": 0,
    }  # fmt: skip
    keys["evaluate"] = {"draws": 200}
    return keys


# Heads of many names, most of them the embedding again.
HEADS = {
    "llama": {}, "gpt2": {}, "gpt_neo": {}, "qwen3": tiny.WIDE | {"tie_word_embeddings": True},
    "gpt_neox": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "max_position_embeddings": tiny.CONTEXT},
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": tiny.CONTEXT, "word_embed_proj_dim": 32, "dropout": 0.0},
    "gemma2": tiny.WIDE | {"head_dim": 8, "final_logit_softcapping": 5.0},
}  # fmt: skip


def write_base(folder, kind="llama"):
    held = tiny.model(kind, **HEADS[kind])
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")


def trained(folder, adapter, kind="llama", place="stage"):
    if not (folder / "base").exists():
        write_base(folder, kind)
    built = build(tiny_run.tiny(folder, recipe_keys(adapter)))
    model = fresh_model(built)
    where = Where(folder / place, "train", Screen(silent=True), Processes())
    train_stage(built, built.recipe.stages[0], model, built.recipe.stages[0].learn, where)
    return built, model


def alone(folder, place):
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
        # peft says so of every adapted head; what is loaded is compared here.
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings")
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to True but")
        return PeftModel.from_pretrained(base, place).eval()


@pytest.mark.parametrize(
    ("kind", "adapter", "rank"),
    [
        ("llama", BOTH, 5),
        ("gpt2", BOTH, 5),
        ("llama", APART, 4),
        ("llama", OWN, 2),
        ("gpt2", OWN, 2),
    ],
)
def test_each_task_is_one_adapter(tmp_path, kind, adapter, rank):
    _, model = trained(tmp_path, adapter, kind)
    stage = tmp_path / "stage"
    assert (stage / "adapter").is_dir() == (adapter is not OWN)
    assert not (stage / "model").exists()
    assert {path.name for path in (stage / "adapters").iterdir()} == {"mood", "echo"}
    said = {}
    for task in ("mood", "echo"):
        place = stage / "adapters" / task
        config = PeftConfig.from_pretrained(place)
        assert (config.r, config.lora_alpha) == (rank, rank)
        assert AutoTokenizer.from_pretrained(place)("a warm evening").input_ids
        loaded = alone(tmp_path, place)
        with torch.no_grad(), model.routed(task):
            said[task] = model.network(input_ids=TOKENS).logits
            theirs = loaded(input_ids=TOKENS).logits
        torch.testing.assert_close(said[task], theirs, rtol=1e-5, atol=2e-5)
    assert (said["mood"] - said["echo"]).abs().max() > 0.01


@pytest.mark.parametrize("kind", HEADS)
def test_a_private_head_is_in_its_tasks_adapter(tmp_path, kind):
    _, model = trained(tmp_path, HEAD, kind)
    modules = dict(model.causal.named_modules())
    (head,) = (
        n for n in model.private.layers if modules[n] is model.causal.get_output_embeddings()
    )
    first, second = model.private.layers[head].pair("mood")
    assert float((second @ first).detach().abs().max()) > 0.01, "training must have moved the head"
    for task in ("mood", "echo"):
        place = tmp_path / "stage" / "adapters" / task
        assert head in PeftConfig.from_pretrained(place).target_modules
        loaded = alone(tmp_path, place)
        with torch.no_grad(), model.routed(task):
            ours = model.network(input_ids=TOKENS).logits
            theirs = loaded(input_ids=TOKENS).logits
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_task_without_a_part_has_the_shared_adapter(tmp_path):
    _, model = trained(tmp_path, SOME)
    assert [path.name for path in (tmp_path / "stage" / "adapters").iterdir()] == ["echo"]
    weights = load_file(tmp_path / "stage" / "adapter" / "adapter_model.safetensors")
    assert not any("private" in name for name in weights)
    loaded = alone(tmp_path, tmp_path / "stage" / "adapter")
    with torch.no_grad(), model.routed("mood"):
        ours = model.network(input_ids=TOKENS).logits
        torch.testing.assert_close(loaded(input_ids=TOKENS).logits, ours, rtol=0, atol=0)


def test_each_task_of_a_group_is_the_groups_adapter(tmp_path):
    _, model = trained(tmp_path, GROUP)
    places = [tmp_path / "stage" / "adapters" / task for task in ("mood", "echo")]
    files = [load_file(place / "adapter_model.safetensors") for place in places]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[1])
    for task, place in zip(("mood", "echo"), places, strict=True):
        loaded = alone(tmp_path, place)
        with torch.no_grad(), model.routed(task):
            ours = model.network(input_ids=TOKENS).logits
            theirs = loaded(input_ids=TOKENS).logits
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("after", [2, 5])
def test_going_on_gives_the_same_bits(tmp_path, monkeypatch, after):
    _, whole = trained(tmp_path, BOTH)
    real, seen = loop._Trainer.step, []

    def step(self):
        real(self)
        seen.append(1)
        if len(seen) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop._Trainer, "step", step)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, BOTH, place="broken")
    _, again = trained(tmp_path, BOTH, place="broken")
    assert any(".private." in name for name, _ in again.trainable())
    for (name, one), (_, two) in zip(whole.trainable(), again.trainable(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("adapter", [BOTH, HEAD_ONLY], ids=["blocks", "head only"])
def test_a_task_is_scored_with_its_own_part(tmp_path, adapter):
    built, model = trained(tmp_path, adapter)
    for task in ("mood", "echo"):
        records = built.tasks[task].splits["test"]
        ours = evaluate_task(model, built.coder, built.tasks[task], records)
        own = alone(tmp_path, tmp_path / "stage" / "adapters" / task)
        plain = type(model)(own, model.tokenizer, model.device, model.context)
        theirs = evaluate_task(plain, built.coder, built.tasks[task], records)
        assert [row.output for row in ours] == [row.output for row in theirs]
        if ours[0].choices:
            for one, two in zip(ours, theirs, strict=True):
                assert one.choices == pytest.approx(two.choices, rel=1e-4)


@pytest.mark.parametrize(("kind", "head"), [("llama", False), ("qwen3", True), ("gpt2", True)])
def test_a_run_and_what_can_be_done_with_it(tmp_path, capsys, kind, head):
    """With a head that is the embedding again too: merged, the two part."""
    write_base(tmp_path, kind)
    keys = recipe_keys(SOME | {"private": SOME["private"] | {"head": head}})
    keys["evaluate"]["baselines"] = True
    recipe = tiny_run.write_recipe(tmp_path, keys)
    run = tmp_path / "run"
    assert main(["check", str(recipe)]) == 0
    counted = capsys.readouterr().out
    assert main(["run", str(recipe), "--out", str(run)]) == 0
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert f"{manifest['model']['trainable']:,} trained" in counted
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert set(scores["baselines"]) == {"mood", "echo"}
    assert (run / "stages" / "01-together" / "adapters" / "echo").is_dir()
    capsys.readouterr()
    assert main(["export", str(run), "--out", str(tmp_path / "none")]) == 2
    line = f"{run}: echo has a model of its own, mood the shared one; add --task with one of them\n"
    assert capsys.readouterr().err == line
    assert main(["export", str(run), "--task", "ecko"]) == 2
    assert "no task 'ecko'; did you mean 'echo'?" in capsys.readouterr().err
    out = tmp_path / "whole"
    assert main(["export", str(run), "--task", "echo", "--merge", "--out", str(out)]) == 0
    merged = AutoModelForCausalLM.from_pretrained(out)
    own = alone(tmp_path, run / "stages" / "01-together" / "adapters" / "echo")
    with torch.no_grad():
        ours, theirs = (held(input_ids=TOKENS).logits for held in (merged, own))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    files = [f"--task={task}={tmp_path / task}.test.jsonl" for task in ("mood", "echo")]
    assert main(["evaluate", str(run), *files, "--out", str(tmp_path / "again")]) == 0
    for task in ("mood", "echo"):
        before, after = (
            [json.loads(x)["output"] for x in path.read_text(encoding="utf-8").splitlines()]
            for path in (
                run / "predictions" / "01-together" / f"{task}.jsonl",
                tmp_path / "again" / f"{task}.jsonl",
            )
        )
        assert before == after
