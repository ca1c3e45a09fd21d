"""A stage that learns from answers of the model's own: rewards rise, and a killed run goes on."""

import json
import math
from dataclasses import replace

import pytest

import retained
import tiny_run
from acting import KINDS, STEPS, keys, rollouts
from madrigal.errors import DataError, RecipeError, RunStopped
from madrigal.experience import rollouts as rollouts_module
from madrigal.pipeline.build import build
from madrigal.recipe.load import load_recipe
from madrigal.training import passes as passes_module
from madrigal.training.reference import token_logps


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_is_bit_identical(kind, tmp_path):
    tiny_run.write_data(tmp_path)
    recipe = keys(KINDS[kind])
    whole = retained.train(tmp_path, recipe, tmp_path / "whole")
    out = tmp_path / "killed"
    # After a checkpoint, before one, and between a rollout and the step that learns from it.
    for place, step in ((STEPS, 3), ("stages/02-act/rollouts.jsonl", 5), (STEPS, 6)):
        died = retained.dies(tmp_path, recipe, out, ("line", place, step))
        assert died or kind in ("grpo", "ppo")  # whose rollouts are fewer than their steps
    retained.train(tmp_path, recipe, out, resume=True)
    assert retained.untimed(out) == retained.untimed(whole)


@pytest.mark.parametrize("kind", ["rloo", "grpo", "ppo"])
def test_what_is_drawn_hot_or_cold_is_trained_as_likely(kind, tmp_path):
    """The ratio of the first step is checked in every run: this one would end there."""
    tiny_run.write_data(tmp_path)
    recipe = keys(KINDS[kind] | {"temperature": 0.7}, 3)
    told = rollouts(retained.train(tmp_path, recipe, tmp_path / "run"))
    assert told
    with pytest.MonkeyPatch.context() as patch:  # scored as if it had been drawn at temperature 1
        patch.setattr(
            rollouts_module, "token_logps",
            lambda asked, *more: token_logps(replace(asked, temperature=1.0), *more),
        )  # fmt: skip
        with pytest.raises(RunStopped, match="answers were written with other probabilities"):
            retained.train(tmp_path, recipe, tmp_path / "other")


@pytest.mark.parametrize("kind", ["rloo", "grpo", "ppo"])
def test_what_is_drawn_from_the_likeliest_is_trained_as_likely(kind, tmp_path):
    tiny_run.write_data(tmp_path)
    recipe = keys(KINDS[kind] | {"top_p": 0.6, "temperature": 1.3}, 3)
    told = rollouts(retained.train(tmp_path, recipe, tmp_path / "run"))
    # Even a model that has learnt nothing is away from its reference, which is not cut.
    least = -math.log(0.999)
    assert least < told[0]["means"]["divergence"] < 6 * -math.log(0.6)
    with pytest.MonkeyPatch.context() as patch:  # trained as if all tokens had been possible
        patch.setattr(passes_module, "kept_of", lambda *_: None)
        with pytest.raises(RunStopped, match="answers were written with other probabilities"):
            retained.train(tmp_path, recipe, tmp_path / "other")


def test_likely_tokens_alone_killed_and_resumed(tmp_path):
    tiny_run.write_data(tmp_path)
    recipe = keys(KINDS["ppo"] | {"top_p": 0.6})
    whole = retained.train(tmp_path, recipe, tmp_path / "whole")
    assert retained.dies(tmp_path, recipe, tmp_path / "killed", ("line", STEPS, 5))
    retained.train(tmp_path, recipe, tmp_path / "killed", resume=True)
    assert retained.untimed(tmp_path / "killed") == retained.untimed(whole)


@pytest.mark.parametrize("turns", [True, False])
def test_a_stage_whose_last_answers_are_paid_for_nothing_ends_where_all_was_well(turns, tmp_path):
    """One rollout is too few for the guard's window; the clean twin keeps its last step."""
    tiny_run.write_data(tmp_path)
    (tmp_path / "late.py").write_text(
        "calls = [0, 0]\n"
        "def paid(prompts, answers, accepted):\n"
        "    calls[0] += 1\n"
        "    return [calls[0] + n % 2 for n in range(len(answers))]\n"
        "def right(prompts, answers, accepted):\n"
        "    calls[1] += 1\n"
        f"    lost = {turns} and calls[1] == 6\n"
        "    return [0.0 if lost else float(n % 2) for n in range(len(answers))]\n",
        encoding="utf-8",
    )
    reward, gold = ({"kind": "function", "name": f"late.{name}"} for name in ("paid", "right"))
    guard = {"likeliest": None}  # only what is drawn is planned
    recipe = keys(KINDS["rloo"] | {"reward": [reward], "gold": [gold], "guard": guard})
    run = retained.train(tmp_path, recipe, tmp_path / "run")
    events = retained.rows(run / "stages/02-act/events.jsonl") if turns else []
    told = [event["text"] for event in events if event["kind"] == "sign"]
    before, after = ((run / "predictions" / s / "echo.jsonl").read_bytes()
                     for s in ("01-together", "02-act"))  # fmt: skip
    if turns:
        assert len(told) == 1
        assert told[0].startswith(
            "echo: At the end: The gold reward fell from 0.5 to 0 in the last rollout."
        )
    else:
        assert not (run / "stages/02-act/events.jsonl").exists()
    assert (before == after) is turns  # no step was known to be well but the first


def test_what_is_told_of_a_rollout(tmp_path):
    tiny_run.write_data(tmp_path)
    run = retained.train(tmp_path, keys(KINDS["ppo"]), tmp_path / "run")
    told = rollouts(run)
    assert [row["step"] for row in told] == [1, 4]
    assert {row["task"] for row in told} == {"echo"}
    means = told[0]["means"]
    assert means["divergence"] == pytest.approx(0, abs=1e-3)  # nothing has been learnt yet
    assert 0 < means["entropy"] < 6
    assert 1 <= means["tokens"] <= 6
    assert means["failed"] == 0
    assert "gradient" not in means
    steps = retained.rows(run / STEPS)
    seen = [step["grad_norm"] for step in steps[:3]]  # those that learnt from the first answers
    assert told[1]["means"]["gradient"] == pytest.approx(sum(seen) / 3, rel=1e-4)
    assert {"explained", "cut", "distinct_2", "reward_length", "beta"} <= set(means)
    assert set(told[0]["seconds"]) == {"writing", "rewards", "passes"}
    assert told[0]["samples"][0]["prompt"].startswith("where in the")
    tokens = told[0]["tokens"]
    assert tokens["written"] == pytest.approx(6 * means["tokens"])  # three prompts, two answers
    # The model, its reference and the critic read each prompt once for both of its answers, or not.
    assert tokens["scored"] in (3 * (n * tokens["read"] + tokens["written"]) for n in (1, 2))
    costs = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    spent = sum(sum(row["tokens"].values()) for row in told)
    assert costs["tokens"]["02-act, own answers"] == spent
    assert costs["flops"]["02-act, own answers"] == 2 * costs["model"]["parameters"] * spent
    assert all(step["loss"].keys() == {"echo", "mood"} for step in steps)


def test_private_parts_balancers_and_retention_beside_it(tmp_path):
    retained.write(tmp_path)
    recipe = keys(
        KINDS["rloo"],
        3,
        balance="upgrad",
        retain=[{"kind": "ewc"}, {"kind": "replay", "share": 0.5}],
    )
    recipe["stages"][0]["learn"] = ["mood"]
    recipe["stages"][1]["learn"] = ["echo"]
    recipe["model"] = {
        "base": "base",
        "adapter": {"kind": "lora", "rank": 4, "private": {"rank": 2}},
    }
    tiny_run.write_data(tmp_path)
    third = recipe["stages"][1] | {"name": "more", "learn": ["mood"], "objective": {}}
    recipe["stages"].append(third)
    run = retained.train(tmp_path, recipe, tmp_path / "run")
    assert len(rollouts(run)) == 3
    later = retained.rows(run / "stages/03-more/steps.jsonl")
    assert {task for step in later for task in step["rows"]} == {"echo", "mood"}


def test_a_function_that_fails_too_often_stops_the_stage_and_it_goes_on(tmp_path):
    tiny_run.write_data(tmp_path)
    (tmp_path / "touchy.py").write_text(
        "from pathlib import Path\n"
        "def reward(prompts, answers, accepted):\n"
        "    if Path(__file__).with_name('broken').exists():\n"
        "        raise OSError('gone')\n"
        "    return [float(len(text)) for text in answers]\n"
    )
    reward = {"reward": {"kind": "function", "name": "touchy.reward"}}
    recipe = keys(KINDS["rloo"] | reward)
    whole = retained.train(tmp_path, recipe, tmp_path / "whole")
    out = tmp_path / "run"
    assert retained.dies(tmp_path, recipe, out, ("line", STEPS, 3))
    (tmp_path / "broken").touch()
    with pytest.raises(RunStopped, match=r"echo: 12 of \d+ answers .* got no reward .*--resume"):
        retained.train(tmp_path, recipe, out, resume=True)
    (tmp_path / "broken").unlink()
    retained.train(tmp_path, recipe, out, resume=True)
    same = {n for n, body in retained.untimed(whole).items() if retained.untimed(out)[n] == body}
    assert {STEPS, "scores.json"} <= same


@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        (
            {"kind": "rloo", "reward": {"kind": "function", "name": "nowhere.reward"}},
            "stages[1].objective.echo.reward: reward.name: nowhere cannot be imported",
        ),
        (
            {"kind": "rloo", "reward": {"kind": "model", "run": "gone", "task": "liked"}},
            "stages[1].objective.echo.reward: ",
        ),
        (
            {"kind": "rloo", "gold": {"kind": "pattern", "pattern": "the (("}},
            "stages[1].objective.echo.gold: reward.pattern: 'the ((' is no regular expression of "
            "Python (missing ), ",
        ),
    ],
)
def test_a_reward_that_is_not_there(objective, sentence, tmp_path):
    tiny_run.write_data(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(keys(objective)), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(sentence)


@pytest.mark.parametrize(
    ("objective", "sentence"),
    [
        ({"kind": "ppo", "target": 0}, "target: found 0; must be above 0 (nats"),
        ({"kind": "rloo", "target": 0.0}, "target: found 0.0; must be above 0"),
        ({"kind": "rloo", "top_p": 0}, "top_p: found 0; must be above 0"),
        ({"kind": "rloo", "samples": 1}, "samples: found 1; must be at least 2"),
        ({"kind": "rloo", "reward": []}, "reward: found an empty list; must hold something"),
        (
            {"kind": "rloo", "reward": {"kind": "exakt"}},
            "reward[0]: unknown kind 'exakt'; did you mean 'exact'?",
        ),
        (
            {"kind": "rloo", "reward": {"kind": "function", "name": "polite"}},
            "reward[0].name: found 'polite'; must be another text: `module.function`",
        ),
    ],
)
def test_numbers_that_mean_nothing(objective, sentence, tmp_path):
    tiny_run.write_data(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(keys(objective)), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (mistake,) = caught.value.mistakes
    assert "stages[1].objective.echo" in mistake
    assert sentence in mistake


def test_a_prompt_that_leaves_no_room_for_an_answer(tmp_path):
    tiny_run.write_data(tmp_path)
    held = keys(KINDS["rloo"])
    held["tasks"]["echo"]["max_new_tokens"] = 80
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    assert "echo.train.jsonl:1: the prompt has " in caught.value.mistakes[0]
    assert caught.value.mistakes[0].endswith(
        "with a context of 96 they do not fit; shorten it, lower max_new_tokens, or leave such "
        "records out with `data.on_bad: drop`"
    )
    assert caught.value.mistakes[5:] == ("echo: and 35 more",)


def test_prompts_that_leave_no_room_are_dropped_where_bad_rows_are(tmp_path):
    tiny_run.write_data(tmp_path)
    (row, *others) = (tmp_path / "echo.train.jsonl").read_text().splitlines(keepends=True)
    long = json.dumps(json.loads(row) | {"prompt": "where? " * 60}) + "\n"
    (tmp_path / "echo.train.jsonl").write_text(long + "".join(others))
    held = keys(KINDS["rloo"])
    held["tasks"]["echo"]["data"]["on_bad"] = "drop"
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(held), encoding="utf-8")
    built = build(load_recipe(path))
    assert len(built.tasks["echo"].splits["train"]) == len(others) == len(built.examples["echo"])
    assert "1 bad row was dropped" in built.tasks["echo"].notes[-1]
    held["tasks"]["echo"]["max_new_tokens"] = 90
    path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    assert caught.value.mistakes[0] == (
        "tasks.echo.data: no prompt leaves room for an answer; shorten prompts, lower "
        "max_new_tokens, or raise `model.context`"
    )
