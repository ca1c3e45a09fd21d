"""Learning from answers of the model's own moves the reward, by every method, and the guard trips
where it is exploited."""

import pytest

import retained
import tiny_run
from acting import KINDS, keys, rollouts

pytestmark = pytest.mark.usefixtures("unchecked")
# `r` stands in some of the places that are the answers.
REWARD = {"reward": {"kind": "pattern", "pattern": "r"}, "normalise": "none"}


def trained(folder, objective, steps, rows):
    tiny_run.write_data(folder)
    recipe = keys(
        REWARD | objective, steps, learn=["echo"], batch={"rows": rows}, checkpoint_every=10,
        optimiser={"learning_rate": 0.003},
    )  # fmt: skip
    return retained.train(folder, recipe, folder / "run")


@pytest.mark.parametrize("kind", KINDS)
def test_rewards_rise(kind, tmp_path):
    steps, rows = (60, 16) if kind == "ppo" else (40, 8)
    told = [row["means"]["reward"] for row in rollouts(trained(tmp_path, KINDS[kind], steps, rows))]
    few = max(2, len(told) // 5)
    before, after = sum(told[:few]) / few, sum(told[-few:]) / few
    assert after > before + 0.15, (before, after)


def test_answers_without_an_end_are_told_and_cost_more(tmp_path):
    """Longer answers hold an `r` more often, and nothing speaks against length."""
    objective = KINDS["ppo"] | {"samples": 4, "epochs": 2, "beta": 0.0, "missing_end": 0.0}
    run = trained(tmp_path, objective, 60, 8)
    events = retained.rows(run / "stages/02-act/events.jsonl")
    signs = [event["text"] for event in events if event["kind"] == "sign"]
    assert "of the answers come to no end" in signs[0]
    assert signs[0].endswith("An answer without an end now costs more.")
