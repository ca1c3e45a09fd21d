"""The few-shot curve on a tiny model: which examples, from where, what is kept and refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
import tiny_run
from madrigal.errors import RunFolderError
from madrigal.evaluation import few_shot as showing
from madrigal.pipeline import few_shot as pipeline
from madrigal.pipeline.few_shot import measure
from madrigal.pipeline.few_shot_plan import FewShot
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe


def write(folder, **model):
    """A recipe that learns `echo` and only watches `mood`, on a small base with an adapter."""
    keys = tiny_run.keys()
    held = tiny.model()
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    keys["model"] = {"base": "base", "adapter": {"kind": "lora", "rank": 2}} | model
    keys["stages"] = [{"name": "near", "learn": ["echo"], "steps": 3, "batch": {"rows": 2}}]
    keys["stages"][0]["optimiser"] = {"learning_rate": 0.02}
    keys["evaluate"] = {"general": ["mood"], "draws": 200, "base": False}
    return tiny_run.write_recipe(folder, keys)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write(tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="module")
def finished(recipe):
    return run(load_recipe(recipe), recipe.parent / "run")


def plan(folder, **keys):
    return FewShot(
        **({"task": "mood", "shots": (2, 4), "draws": 2, "folder": folder, "steps": 2} | keys)
    )


@pytest.fixture(scope="module")
def seen(recipe, finished, tmp_path_factory):
    """A curve with all ways; what was trained on, and what was shown."""
    trained, shown, began = [], [], []
    folder = tmp_path_factory.mktemp("curve")
    with pytest.MonkeyPatch.context() as patch:
        train, with_examples = pipeline.train, showing.with_examples

        def training(stage_run, observe):
            trained.append([row.tokens.tolist() for (row,) in stage_run.examples["mood"]])
            began.append({n: p.detach().clone() for n, p in stage_run.parts.model.trainable()})
            return train(stage_run, observe)

        def examples(task, records, count, seed, coder):
            found = [(row.tokens.tolist()) for (row,) in coder.training(task, "train")]
            shown.append((count, found))
            return with_examples(task, records, count, seed, coder)

        patch.setattr(pipeline, "train", training)
        patch.setattr("madrigal.evaluation.evaluate.with_examples", examples)
        found = measure(load_recipe(recipe), plan(folder / "out", start=finished))
    return found, trained, shown, began, folder / "out"


def test_every_way_number_and_draw_is_there(seen):
    found = seen[0]
    assert set(found.curve.ways) == {"base", "run", "context"}
    for points in found.curve.ways.values():
        assert [(p.shots, len(p.draws)) for p in points] == [(0, 1), (2, 2), (4, 2)]
    assert found.settings["optimiser"]["learning_rate"] == 0.02  # the recipe's
    assert found.notes == ("with 2 draws the intervals say little of other draws; take 3 or more",)


def test_what_is_shown_is_what_is_trained_on(seen):
    _, trained, shown, _, _ = seen
    assert trained[:4] == trained[4:]  # from the base and from the run
    assert [count for count, _ in shown] == [2, 2, 4, 4]
    assert [examples for _, examples in shown] == trained[:4]
    two, other, four, _ = trained[:4]
    assert all(row in four for row in two)  # the same draw, more of it
    assert two != other


def test_a_fine_tuning_begins_from_the_base_or_from_the_weights_of_the_run(seen, finished):
    began = seen[3]
    step = max((finished / "stages" / "01-near" / "checkpoints").glob("step-*"))
    from safetensors.torch import load_file

    ended = load_file(step / "weights.safetensors")
    for number, weights in enumerate(began):
        for name, value in weights.items():
            if number >= 4:  # those from the run come last
                assert value.equal(ended[name])
            elif "lora_B" in name:
                assert not value.any()
                assert ended[name].any()


def test_the_same_call_takes_what_is_there_and_more_draws_add_to_it(
    seen, recipe, finished, monkeypatch
):
    found, folder = seen[0], seen[4]
    trained = []
    real = pipeline.train
    monkeypatch.setattr(
        pipeline, "train", lambda r, o: trained.append(r.settings.name) or real(r, o)
    )
    again = measure(load_recipe(recipe), plan(folder, start=finished))
    assert again == found
    assert trained == []
    more = measure(load_recipe(recipe), plan(folder, draws=3))
    assert trained == ["shots-2-2", "shots-4-2"]
    assert more.curve.ways["base"][1].draws[:2] == found.curve.ways["base"][1].draws
    assert not list(folder.glob("training/*/*/checkpoints"))


def test_an_interrupted_fine_tuning_goes_on_to_the_same_end(seen, recipe, tmp_path, monkeypatch):
    real = pipeline.train

    def stopped(stage_run, observe):
        def watch(record):
            observe(record)
            raise KeyboardInterrupt

        return real(stage_run, watch)

    one = plan(tmp_path / "out", shots=(4,), draws=1)
    monkeypatch.setattr(pipeline, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        measure(load_recipe(recipe), one)
    monkeypatch.setattr(pipeline, "train", real)
    measure(load_recipe(recipe), one)
    name = "predictions/base/4-0.jsonl"
    assert (tmp_path / "out" / name).read_bytes() == (seen[4] / name).read_bytes()


def test_a_folder_of_another_measurement_is_refused(seen, recipe):
    with pytest.raises(RunFolderError, match="was measured with another steps, optimiser; choose"):
        measure(load_recipe(recipe), plan(seen[4], steps=3, learning_rate=0.5))


def test_a_run_that_does_not_fit_is_refused(finished, recipe, tmp_path):
    other = write(tmp_path, adapter={"kind": "lora", "rank": 3})
    with pytest.raises(RunFolderError, match="its base is base, the recipe's is base; both must"):
        measure(load_recipe(other), plan(tmp_path / "out", start=finished))
    wider = load_recipe(recipe, ["model.adapter.rank=3"])
    with pytest.raises(RunFolderError, match=r"does not fit the recipe's: .*lora_A.* is \[2, 32\]"):
        measure(wider, plan(tmp_path / "wide", start=finished))
    with pytest.raises(RunFolderError, match="no finished stage 'naer'; did you mean 'near'"):
        measure(load_recipe(recipe), plan(tmp_path / "s", start=finished, stage="naer"))


def test_an_adapter_of_several_stages_is_refused(finished, recipe, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    place = copy / "stages" / "01-near" / "adapter"
    path = place / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 4}))
    held = load_file(place / "adapter_model.safetensors")
    twice = {n: torch.cat([t, t], dim=int(".lora_B." in n)) for n, t in held.items()}
    save_file(twice, place / "adapter_model.safetensors")
    manifest = copy / "manifest.json"
    body = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(body | {"root": str(recipe.parent)}))
    with pytest.raises(RunFolderError, match="its adapter holds those of several stages"):
        measure(load_recipe(recipe), plan(tmp_path / "out", start=copy))


def test_a_task_that_the_run_has_trained_is_told(finished, recipe, tmp_path):
    one = plan(tmp_path / "out", task="echo", shots=(1,), draws=1, start=finished)
    found = measure(load_recipe(recipe), one)
    assert "has trained on echo" in found.notes[0]
