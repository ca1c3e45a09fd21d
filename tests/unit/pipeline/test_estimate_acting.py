"""What learning from answers of the model's own takes, against what a run then really reads and
writes."""

import pytest

import acting
import retained
import tiny_run
from madrigal.pipeline.build import build
from madrigal.pipeline.estimate import estimate

STEPS = 6


def told(folder, kind, **objective):
    """The parts that an acting stage asks for, and its recipe."""
    settings = acting.KINDS[kind] | {"missing_end": 0.0, "guard": None} | objective
    keys = acting.keys(settings, STEPS, learn=["echo"])
    keys["tasks"]["echo"]["max_new_tokens"] = 3
    built = build(tiny_run.tiny(folder, keys))
    sources = [built.source(stage) for stage in built.recipe.stages]
    parts = {part.name: part.tokens for part in estimate(built, sources)}
    return parts, keys, built


@pytest.mark.parametrize("kind", acting.KINDS)
def test_it_is_what_a_run_reads_and_writes(kind, tmp_path):
    """Every answer of the run is as long as it may be: the model is nearly as it was made."""
    tiny_run.write_data(tmp_path)
    parts, keys, _ = told(tmp_path, kind)
    keys["stages"][0]["optimiser"] = {"learning_rate": 1e-6}
    run = retained.train(tmp_path, keys, tmp_path / "run")
    rows = acting.rollouts(run)
    long = 3 * sum(row["tokens"]["written"] / row["means"]["tokens"] for row in rows)
    written = sum(row["tokens"]["read"] for row in rows) + long
    assert parts["write answers in act"] == pytest.approx(written, rel=0.1)
    scored = sum(row["tokens"]["scored"] for row in rows)
    assert parts["score them in act"] >= 0.9 * scored
    assert "reward them with models in act" not in parts


@pytest.mark.parametrize(("kind", "answers"), [("rloo", 4), ("best_of_n", 1), ("online_dpo", 2)])
def test_only_what_is_learnt_is_trained_on(kind, answers, tmp_path):
    tiny_run.write_data(tmp_path)
    parts, _, built = told(tmp_path, kind)
    (_, stage) = built.recipe.stages
    prompts = built.source(stage).achieved()["echo"].examples
    read = parts["train act"] - prompts * answers * 3
    records = built.tasks["echo"].splits["train"]
    usual = sum(built.coder.prompt_length(record) for record in records) / len(records)
    assert read / prompts == pytest.approx(usual, rel=0.1)


def test_more_is_asked_with_more_answers_and_looks_and_models(tmp_path):
    tiny_run.write_data(tmp_path)
    some, _, _ = told(tmp_path, "rloo")
    more, _, _ = told(tmp_path, "rloo", samples=8)
    assert more["write answers in act"] > 1.3 * some["write answers in act"]
    gold = {"gold": acting.ECHO, "guard": {"every": 2, "likeliest": 8}}
    looked, _, _ = told(tmp_path, "rloo", **gold)
    assert "looks at likeliest answers in act" not in some
    less, _, _ = told(tmp_path, "rloo", gold=acting.ECHO, guard={"every": 9, "likeliest": 8})
    name = "looks at likeliest answers in act"
    assert looked[name] == pytest.approx(2.5 * less[name], rel=0.01)  # 5 looks beside 2
