"""Answers that cannot be rewarded, or say nothing, in whole runs."""

import math

import pytest
import torch

import retained
import tiny_run
from acting import KINDS, STEPS, keys, rollouts
from madrigal.errors import ModelError, RunStopped
from madrigal.experience.writing import Writer
from madrigal.pipeline import acting as acting_module
from madrigal.recipe.policy import Ppo
from madrigal.report.folder import read_run
from madrigal.report.own_answers import own_answers

FUSSY = """
def reward(prompts, answers, accepted):
    if any("door 9" in one for one in prompts):
        raise KeyError("door 9")
    return [float("nan") if "door 1" in one else 1.0 * n for n, one in enumerate(prompts)]
"""


def run_with(folder, name, objective, steps=6):
    tiny_run.write_data(folder)
    return retained.train(folder, keys(objective, steps), folder / name)


def test_rows_without_a_reward_are_named_and_counted(tmp_path):
    (tmp_path / "fussy.py").write_text(FUSSY, encoding="utf-8")
    reward = {"kind": "function", "name": "fussy.reward"}
    run = run_with(tmp_path, "run", KINDS["rloo"] | {"reward": reward, "failures": 0.9})
    rows = {f"echo.train.jsonl:{n}": row for n, row in
            enumerate(retained.rows(tmp_path / "echo.train.jsonl"), 1)}  # fmt: skip
    named = 0
    for line in rollouts(run):
        bad = line.get("unrewarded", [])
        named += len(bad)
        assert line["means"]["failed"] * 12 == pytest.approx(len(bad), abs=1e-3)
        for one in bad:
            (row,) = (row for name, row in rows.items() if one["where"].endswith(name))
            why = "KeyError: 'door 9'" if "door 9" in row["prompt"] else "it gave nan"
            assert "door 1" in row["prompt"] or "door 9" in row["prompt"]
            assert one["why"] == why
    assert named
    told = [row for row in retained.rows(run / "stages/02-act/events.jsonl")
            if row["kind"] == "unrewarded"]  # fmt: skip
    assert told[0]["text"].startswith("echo: ")
    assert "got no reward and are left out (the last: " in told[0]["text"]
    (view,) = own_answers(read_run(run).stages)
    assert f"{named} answers got no reward and taught nothing: " in view.said


def test_past_the_limit_the_stage_stops_and_names_them(tmp_path):
    (tmp_path / "broken.py").write_text(FUSSY.replace("door 9", "door"), encoding="utf-8")
    reward = {"kind": "function", "name": "broken.reward"}
    with pytest.raises(RunStopped) as caught:
        run_with(tmp_path, "run", KINDS["rloo"] | {"reward": reward})
    assert caught.value.exit_code == 3
    assert "echo: 12 of 12 answers so far got no reward (the last: " in str(caught.value)
    assert "echo.train.jsonl:" in str(caught.value)
    assert ": KeyError: 'door'), more than the 10%" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_are_all_empty_train_and_are_told(kind, tmp_path, monkeypatch):
    def drawn(self, task, step, prompts, settings):
        return [[self.end]] * len(prompts), [[0.0]] * len(prompts)

    monkeypatch.setattr(Writer, "drawn", drawn)
    run = run_with(tmp_path, "run", KINDS[kind] | {"guard": {"window": 2}})
    told = [row["text"] for row in retained.rows(run / "stages/02-act/events.jsonl")]
    assert told[0] == "echo: 100% of the answers are empty, 100% were at the start."
    steps = retained.rows(run / STEPS)
    assert all(math.isfinite(loss) for step in steps for loss in step["loss"].values())
    assert not any("skipped" in step for step in steps)
    assert all(line["means"]["empty"] == 1 for line in rollouts(run))


def test_a_critic_whose_reward_model_holds_no_numbers(tmp_path, monkeypatch):
    """`critic: auto` begins with the head of the reward model."""
    head = torch.full((1, 4), float("nan"))

    class Found:
        stage = tmp_path

    monkeypatch.setattr(acting_module, "find_trained", lambda *_: Found)
    monkeypatch.setattr(acting_module, "read_scores", lambda _: {"liked": head})

    class Model:
        def critic(self, task):
            return torch.nn.Linear(4, 1, bias=False) if task else None

    class Built:
        root = tmp_path

    model = Model()
    critic = torch.nn.Linear(4, 1, bias=False)
    torch.nn.init.zeros_(critic.weight)
    model.critic = lambda task: critic
    settings = Ppo(reward=[{"kind": "model", "run": "judge", "task": "liked"}])
    begin = acting_module._begin_critic.__wrapped__.__wrapped__
    with pytest.raises(ModelError) as caught:
        begin(Built, model, "chat", settings)
    assert str(caught.value).endswith(
        "the head of 'liked', with which the critic of 'chat' is to begin, holds values that are "
        "no numbers; train that reward model again, or write `critic: zero`"
    )
    assert not critic.weight.any()
