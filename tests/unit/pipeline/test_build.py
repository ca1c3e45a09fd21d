"""From a recipe to the objects of a run."""

import copy
import json

import numpy as np
import pytest

import tiny_run
from madrigal.cli.located import located
from madrigal.errors import DataError, RecipeError, RunFolderError
from madrigal.mixture import TaskSize, build_source
from madrigal.pipeline.build import build
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.manifest import Manifest, refuse_changed_data
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.pipeline.stage import _validate_every
from madrigal.recipe.stage import EarlyStop
from madrigal.training.processes import Processes
from madrigal.training.step import compute_gradient
from tiny import stage


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tiny_run.tiny(tmp_path_factory.mktemp("recipe")))


def changed(folder, change):
    keys = copy.deepcopy(tiny_run.keys())
    change(keys)
    return build(tiny_run.tiny(folder, keys))


def test_a_model_is_the_same_each_time_and_at_rest(built):
    one, two = fresh_model(built), fresh_model(built)
    assert one.network is not two.network
    assert not one.network.training
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_an_objective_that_does_not_fit_the_data_is_refused(tmp_path):
    def prefer(keys):
        keys["stages"][1]["objective"] = {"echo": "dpo"}

    with pytest.raises(DataError) as told:
        changed(tmp_path, prefer)
    assert told.value.mistakes == (
        "stages[1].objective.echo: 'dpo' learns from judged answers, and the data are "
        "prompt_completion; choose `likelihood`, or name other data",
    )


def test_training_examples_are_those_of_the_tasks_that_are_learnt(built):
    assert set(built.examples) == {"mood", "echo"}
    assert len(built.examples["mood"]) == len(built.tasks["mood"].splits["train"])


def test_a_stage_schedules_its_own_tasks(built):
    first, second = (built.source(stage) for stage in built.recipe.stages)
    assert first.names == ("mood", "echo")
    assert second.names == ("echo",)
    assert (first.steps, second.steps) == (8, 5)


def test_a_single_task_run_sees_the_same_examples_at_the_same_steps(built):
    whole = built.source(built.recipe.stages[0])
    alone = whole.only("mood")
    for step in range(whole.steps):
        assert alone.draws(step) == tuple(d for d in whole.draws(step) if d.task == "mood")


def test_what_a_step_works_with_trains_a_model(built):
    stage = built.recipe.stages[0]
    model = fresh_model(built)
    parts = step_parts(built, stage, model, Processes(), stage.learn)
    drawn = [(d.task, built.examples[d.task][d.index]) for d in built.source(stage).draws(0)]
    gradient = compute_gradient(parts, 0, drawn)
    assert set(gradient.loss) == {"mood", "echo"}
    vocabulary = len(built.tokenizer)
    assert all(abs(x - np.log(vocabulary)) < 0.5 for x in gradient.loss.values())


def test_stages_differ_in_chance_by_their_name(built, tmp_path):
    def rename(keys):
        keys["stages"][0]["name"] = "other"

    one = built.source(built.recipe.stages[0])
    again = changed(tmp_path, rename)
    two = again.source(again.recipe.stages[0])
    assert any(one.draws(step) != two.draws(step) for step in range(8))


@pytest.mark.parametrize(("key", "value"), [("validate_every", 2), ("early_stop", {"patience": 1})])
def test_validation_without_a_record_for_it_is_refused(tmp_path, key, value):
    def change(keys):
        keys["tasks"]["echo"]["data"] = {
            "train": "echo.train.jsonl", "test": "echo.test.jsonl", "split": {"validation": 0.0},
        }  # fmt: skip
        keys["stages"][1][key] = value

    with pytest.raises(DataError) as refused:
        changed(tmp_path, change)
    assert refused.value.mistakes == (
        f"stages[1].{key}: no task of the stage has validation records; "
        "raise data.split.validation, name data.validation, or leave it out",
    )


@pytest.mark.parametrize(
    ("keys", "steps", "every"),
    [
        ({}, 95, 0),
        ({"validate_every": 7}, 95, 7),
        ({"early_stop": EarlyStop()}, 95, 9),
        ({"early_stop": EarlyStop(), "validate_every": 7}, 95, 7),
        ({"early_stop": EarlyStop()}, 3, 1),
    ],
)
def test_validation_comes_as_often_as_asked_or_ten_times(keys, steps, every):
    settings = stage(steps=steps, **keys)
    task = TaskSize("a", np.full(9, 5))
    source = build_source(settings.mixture, [task], settings.batch, steps, None, 0)
    assert _validate_every(settings, source) == every


class TestManifest:
    @pytest.fixture
    def manifest(self, built, tmp_path):
        folder = RunFolder(tmp_path)
        folder.recipe.write_text("name: tiny\n", encoding="utf-8")
        return Manifest(folder, built, Processes()), folder

    def read(self, folder):
        return json.loads(folder.manifest.read_text(encoding="utf-8"))

    def test_says_what_made_the_run(self, manifest, built):
        _, folder = manifest
        body = self.read(folder)
        assert body["version"] == 1
        assert body["status"] == "running"
        assert body["seed"] == 3
        assert body["model"]["base"] == "new"
        assert set(body["data"]) == {"mood", "echo"}
        files = body["data"]["mood"]["files"]
        assert all(len(f["sha256"]) == 64 and f["bytes"] > 0 for f in files.values())
        assert body["environment"]["packages"]["torch"]
        shares = body["shares"]["01-together"]
        assert sum(task["achieved_examples"] for task in shares.values()) == pytest.approx(1)
        assert sum(task["asked"] for task in shares.values()) == pytest.approx(1)

    def test_holds_no_variable_that_was_not_asked_for(self, built, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "very-secret")
        folder = RunFolder(tmp_path)
        Manifest(folder, built, Processes())
        assert "very-secret" not in folder.manifest.read_text(encoding="utf-8")

    def test_counts_at_the_end(self, manifest, built):
        held, folder = manifest
        model = fresh_model(built)
        held.note_model(model)
        steps = folder.stage(1, "together") / "steps.jsonl"
        steps.parent.mkdir(parents=True)
        steps.write_text('{"step": 1, "tokens": {"a": 30, "b": 12}}\n' * 2, encoding="utf-8")
        held.close("finished", model)
        body = self.read(folder)
        assert body["status"] == "finished"
        assert body["tokens"] == {"01-together": 84}
        assert body["flops"] == {"01-together": 6 * body["model"]["parameters"] * 84}
        assert body["peak_memory_bytes"] > 1 << 20

    def test_a_resumed_run_keeps_its_start_and_says_so(self, manifest, built):
        held, folder = manifest
        held.timed("train", 0.0)
        before = self.read(folder)
        Manifest(folder, built, Processes())
        after = self.read(folder)
        assert after["started"] == before["started"]
        assert after["timings"] == before["timings"]
        assert len(after["resumed"]) == 1

    def test_only_the_first_process_writes(self, built, tmp_path):
        Manifest(RunFolder(tmp_path), built, Processes(1, 2)).close("finished", None)
        assert not (tmp_path / "manifest.json").exists()

    def test_other_data_is_refused(self, manifest, tmp_path_factory):
        _, folder = manifest

        def change(keys):
            keys["tasks"]["echo"]["data"]["max_train"] = 7

        other = changed(tmp_path_factory.mktemp("other"), change)
        with pytest.raises(RunFolderError, match="the data of task 'echo' changed"):
            refuse_changed_data(folder, other)


def test_a_field_to_draw_over_that_nobody_has_is_told_with_its_line(tmp_path):
    keys = tiny_run.keys()
    keys["stages"][0]["mixture"] = {"kind": "uniform", "within": "plaec"}
    loaded = tiny_run.tiny(tmp_path, keys)
    lines = loaded.text.splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if "within: plaec" in text)
    made = build(loaded)
    with pytest.raises(RecipeError) as refused, located(loaded):
        made.source(made.recipe.stages[0])
    assert refused.value.mistakes == (
        f"{tmp_path / 'recipe.yaml'}:{line}: stages[0].mixture.within: no task of the stage has a "
        "field 'plaec' to draw evenly over; did you mean 'place'? "
        "found 'label', 'text', 'place', 'prompt', 'completion'",
    )
