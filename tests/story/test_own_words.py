"""What the model says itself is kept, and trained on, over three stages."""

import json

import pytest

import retained
from madrigal.errors import DataError
from madrigal.pipeline.build import build
from madrigal.recipe.load import load_recipe
from madrigal.retention.buffer import read_buffer

RETAIN = [
    {"kind": "replay", "share": 0.5, "keep": 6, "select": "generated"},
    {"kind": "distill", "on": "own"},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    retained.write(folder)
    keys = retained.keys(RETAIN)
    keys["stages"][2]["balance"] = "upgrad"
    return retained.train(folder, keys, folder / "run")


def test_only_what_the_model_wrote_is_kept_and_replayed(run):
    built = build(load_recipe(run.with_suffix(".yaml")))
    real = {
        name: {tuple(row.tokens.tolist()) for (row,) in some}
        for name, some in built.examples.items()
    }
    kept = {place.name for place in run.glob("stages/*/kept/*")}
    assert kept == {"replay-generated-6.jsonl", "costs.json"}
    for stage, tasks in (("01-one", {"m1", "text"}), ("02-two", {"m2", "echo"})):
        held = read_buffer(run / "stages" / stage / "kept" / "replay-generated-6.jsonl")
        assert {name: len(some) for name, some in held.items()} == dict.fromkeys(tasks, 6)
        for name, some in held.items():
            assert not real[name] & {tuple(row.tokens.tolist()) for (row,) in some}
    steps = retained.rows(run / "stages/03-three/steps.jsonl")
    assert {"m2", "echo", "text"} <= {task for step in steps for task in step["rows"]}
    cost = json.loads((run / "stages/02-two/retention.json").read_text(encoding="utf-8"))
    assert cost["replayed"] == {"m1": 6, "text": 6}


def test_its_own_answers_pull_in_every_step_and_say_what_they_took(run):
    for stage in retained.STAGES[1:]:
        for step in retained.rows(run / "stages" / stage / "steps.jsonl"):
            assert step["terms"]["distill"] > 0
            assert step["retention_seconds"]["distill"] > 0
    cost = json.loads((run / "stages/02-two/retention.json").read_text(encoding="utf-8"))
    assert cost["memory_bytes"]["distill"] == 4 * cost["trained_parameters"]
    lines = [step["said_tokens"] for step in retained.rows(run / "stages/02-two/steps.jsonl")]
    read, said = (sum(line[name] for line in lines) for name in ("read", "trained"))
    assert 0 < said < read
    assert cost["flops"]["distill"] == pytest.approx(
        cost["flops"]["own"] / cost["tokens"]["own"] * (said + read / 3)
    )


def test_raw_text_has_nothing_to_answer(tmp_path):
    retained.write(tmp_path)
    keys = retained.keys([{"kind": "distill", "on": "own"}])
    keys["stages"][0]["learn"] += ["m2", "echo"]
    keys["stages"][1] |= {"learn": ["text"], "objective": {}}
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(keys), encoding="utf-8")
    loaded = load_recipe(path)
    with pytest.raises(DataError, match="judged answers only") as caught:
        build(loaded)
    assert caught.value.mistakes == (
        "stages[1].retain: the stage learns raw text or judged answers only, which have no "
        "prompts that the model is to answer; write `on: new`",
    )
