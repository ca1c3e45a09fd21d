"""Baselines that ride along end with the weights of runs of one task each."""

import json
import math

import pytest
import torch

import tiny
import tiny_run
from madrigal.errors import ModelError
from madrigal.model.apart import apart, why_not_apart
from madrigal.pipeline.baselines import Baselines, rides, why_separate
from madrigal.pipeline.build import build
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.pipeline.watch import Screen
from madrigal.training import ride_along as riding
from madrigal.training.processes import Processes

LORA = {"base": "base", "adapter": {"kind": "lora", "rank": 3}}
NAMES = ("mood", "echo")
# Where a gradient is nothing but rounding, AdamW with its usual epsilon takes a whole step anyway.
OPTIMISER = {"learning_rate": 0.01, "weight_decay": 0.1, "clip": 0.5, "epsilon": 1e-6}


def recipe_keys(**adapter):
    """Two tasks of unlike weight, one of them rare, in two stages with clipping and decay."""
    keys = tiny_run.keys()
    keys["model"] = {**LORA, "precision": "float32", "adapter": LORA["adapter"] | adapter}
    keys["tasks"]["mood"] |= {"weight": 2.0, "pull_to_start": 0.05}
    for stage in keys["stages"]:
        stage["optimiser"] = dict(OPTIMISER)
        stage["mixture"] = {"kind": "weights", "weights": {"mood": 0.2, "echo": 1.0}}
    keys["stages"][1]["learn"] = ["mood", "echo"]
    keys["stages"][1]["mixture"] = "uniform"
    keys["stages"][0]["balance"] = "equal"
    return keys


def baselines(folder, keys=None, kind="llama"):
    if not (folder / "base").exists():
        folder.mkdir(exist_ok=True)
        held = tiny.model(kind)
        held.network.save_pretrained(folder / "base")
        held.tokenizer.save_pretrained(folder / "base")
    built = build(tiny_run.tiny(folder, keys or recipe_keys()))
    return Baselines(built, RunFolder(folder / "out"), Screen(silent=True), Processes())


def shared_weights(model):
    """Module name to A and B of the shared adapter."""
    return {
        name: (module.lora_A["default"].weight, module.lora_B["default"].weight)
        for name, module in model.causal.named_modules()
        if hasattr(module, "lora_A")
    }


def own_weights(model, task):
    """The same of a task's private part."""
    return {name: layer.pair(task) for name, layer in model.private.layers.items()}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def away(ours, theirs):
    """Relative distance of all weights together."""
    pairs = [(a, b) for name in theirs for a, b in zip(ours[name], theirs[name], strict=True)]
    distance = math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs))
    return distance / math.sqrt(sum(float(b.detach().square().sum()) for _, b in pairs))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_weights_are_those_of_separate_runs(tmp_path, kind):
    held = baselines(tmp_path, kind=kind)
    counts = [
        {task: sum(d.task == task for d in source.draws(step)) for task in NAMES}
        for source in map(held.built.source, held.built.recipe.stages)
        for step in range(source.steps)
    ]
    assert any(count["mood"] == 0 for count in counts), "some step must miss a task"
    start = shared_weights(fresh_model(held.built))
    together, left = held.together()
    assert left == ()
    logs = {path: lines(path) for path in (tmp_path / "out").rglob("steps.jsonl")}
    assert len(logs) == 4
    held = baselines(tmp_path)  # in another folder, as if nothing had been there
    held = Baselines(held.built, RunFolder(tmp_path / "apart"), held.screen, held.processes)
    for task in NAMES:
        theirs = shared_weights(held.separate(task))
        ours = own_weights(together, task)
        assert away(ours, theirs) < 1e-5
        assert away(start, theirs) > 0.05, "training must have moved the weights"
        for path in (tmp_path / "apart" / "baselines" / task).rglob("steps.jsonl"):
            mine = logs[tmp_path / "out" / path.relative_to(tmp_path / "apart")]
            for one, two in zip(mine, lines(path), strict=True):
                for key in ("step", "loss", "tokens", "rows", "lr", "weight"):
                    assert one[key] == pytest.approx(two[key], rel=1e-4), key
                assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-4)


def test_what_is_left_behind_is_what_a_run_of_one_task_leaves(tmp_path):
    held = baselines(tmp_path)
    together, _ = held.together()
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokens = torch.randint(1, tiny.VOCABULARY, (2, 11), generator=torch.Generator().manual_seed(0))
    for task in NAMES:
        place = held.place(task, 2, held.built.recipe.stages[1])
        names = {path.name for path in place.iterdir()}
        assert names == {"adapter", "done.json", "steps.jsonl"}
        base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        with pytest.warns(FutureWarning, match="`is_gradient_checkpointing`"):
            loaded = PeftModel.from_pretrained(base, place / "adapter")
        with torch.no_grad(), together.routed(task):
            ours = together.network(input_ids=tokens).logits
            torch.testing.assert_close(loaded(input_ids=tokens).logits, ours, rtol=1e-5, atol=1e-5)


def test_an_auxiliary_task_has_no_baseline(tmp_path):
    keys = recipe_keys()
    keys["tasks"]["echo"]["role"] = "auxiliary"
    held = baselines(tmp_path, keys)
    together, left = held.together()
    assert left == ()
    made = {path.name for path in (tmp_path / "out" / "baselines").iterdir()}
    assert made - {".together"} == {"mood"}
    alone = Baselines(held.built, RunFolder(tmp_path / "apart"), held.screen, held.processes)
    assert away(own_weights(together, "mood"), shared_weights(alone.separate("mood"))) < 1e-5


def interrupted(monkeypatch, after):
    """Ctrl+C once so many steps are done, counted over stages."""
    real, seen = riding._Rider.step, []

    def step(self):
        seen.append(1)
        done = real(self)
        if len(seen) == after:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(riding._Rider, "step", step)


@pytest.mark.parametrize("after", [2, 5, 10])
def test_going_on_gives_the_same_bits(tmp_path, monkeypatch, after):
    held = baselines(tmp_path)
    whole, _ = held.together()
    broken = Baselines(held.built, RunFolder(tmp_path / "broken"), held.screen, held.processes)
    with monkeypatch.context() as patch:
        interrupted(patch, after)
        with pytest.raises(KeyboardInterrupt):
            broken.together()
    again, _ = broken.together()
    for (name, one), (_, two) in zip(whole.trainable(), again.trainable(), strict=True):
        assert torch.equal(one, two), name
    for path in (tmp_path / "out" / "baselines").rglob("steps.jsonl"):
        other = tmp_path / "broken" / path.relative_to(tmp_path / "out")
        assert [x["step"] for x in lines(other)] == [x["step"] for x in lines(path)]


def test_a_task_that_breaks_leaves_and_does_not_hurt_the_other(tmp_path, monkeypatch):
    held = baselines(tmp_path)
    whole, _ = held.together()
    other = Baselines(held.built, RunFolder(tmp_path / "nan"), held.screen, held.processes)

    def broken_parts(built, stage, model, processes, tasks, balancer):
        found = step_parts(built, stage, model, processes, tasks, balancer)
        if "mood" in found.objectives:
            real = found.objectives["mood"]

            class Broken:
                needs, encode_rows, count = real.needs, real.encode_rows, real.count

                def loss(self, rows, outputs):
                    return real.loss(rows, outputs) * math.nan

            found.objectives["mood"] = Broken()
        return found

    monkeypatch.setattr("madrigal.pipeline.baselines.step_parts", broken_parts)
    found, left = other.together()
    assert left == ("mood",)
    ours, theirs = (own_weights(held, "echo") for held in (found, whole))
    assert away(ours, theirs) < 1e-5
    place = other.place("mood", 1, other.built.recipe.stages[0])
    assert not (place / "adapter").exists()
    assert [event["kind"] for event in lines(place / "events.jsonl")] == [
        "skipped"
    ] * riding.BAD_STEPS_BEFORE_ROLLBACK


def test_every_task_begins_as_the_shared_adapter_does(tmp_path):
    held = baselines(tmp_path)
    start = shared_weights(fresh_model(held.built))
    model = apart(fresh_model(held.built), held.built.recipe.model.adapter, NAMES)
    for task in NAMES:
        ours = own_weights(model, task)
        assert all(torch.equal(a, b) for n in start for a, b in zip(ours[n], start[n], strict=True))
    assert {n for n, _ in model.trainable()} == {
        n for n, _ in model.network.named_parameters() if ".private." in n
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"adapter": {"dropout": 0.1}}, "dropout"),
        ({"adapter": {"private": 2}}, "private parts already"),
        ({"stages": {"early_stop": {"patience": 2}}}, "stage together stops early"),
        ({"learn": ["echo"]}, "only one task"),
        ({"model": {"adapter": "full"}}, "every parameter is trained"),
        ({"adapter": {"targets": ["lm_head", "q_proj"]}}, "lm_head is not inside a block"),
        ({"adapter": {"targets": ["embed_tokens"]}}, "is no linear layer"),
    ],
    ids=str,
)
def test_why_not(tmp_path, change, reason):
    keys = recipe_keys(**change.get("adapter", {}))
    keys["model"] |= change.get("model", {})
    for stage in keys["stages"]:
        stage |= change.get("stages", {})
        if "learn" in change:
            stage["learn"] = change["learn"]
            stage["mixture"] = "uniform"
    if "learn" in change:
        keys["tasks"]["mood"] = {"data": keys["tasks"]["mood"]["data"]}
        keys["evaluate"]["general"] = ["mood"]
    keys["evaluate"]["baselines"] = "together"
    held = baselines(tmp_path, keys)
    model = fresh_model(held.built)
    found = why_separate(held.built.recipe, model)
    if reason is None:
        assert found is None
        assert rides(held.built.recipe, model)
    else:
        assert reason in found
        with pytest.raises(ModelError, match="cannot be trained together") as told:
            rides(held.built.recipe, model)
        assert reason in str(told.value)
        assert "\n" not in str(told.value)


def test_a_base_with_dropout_is_not_trained_together(tmp_path):
    model = tiny.model("gpt2", tiny.LORA, resid_pdrop=0.1)
    assert "dropout" in why_not_apart(model, tiny.LORA)
    model = tiny.model("llama", tiny.LORA, attention_dropout=0.1)
    assert "dropout" in why_not_apart(model, tiny.LORA)
