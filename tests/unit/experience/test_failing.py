"""Answers without a reward are named and counted, and end a stage once there are too many."""

import json
import math

import numpy as np
import pytest

from madrigal.errors import RunStopped
from madrigal.experience.answer import Answer, Partly, Prompt, weighted
from madrigal.experience.failing import counted, remark, unrewarded
from madrigal.experience.plan import Plan, Standing
from madrigal.recipe.policy import Rloo
from madrigal.tasks.record import Record
from madrigal.training.record import Unrewarded

NONE = np.zeros(0, dtype=np.int64)
ANSWERS = [Answer(Prompt(NONE, Record(f"x.jsonl:{n}", turns=()), 1), NONE, "", True)
           for n in range(6)]  # fmt: skip
SETTINGS = Rloo(reward=[{"kind": "exact"}], failures=0.5)


def bad(count):
    return [Unrewarded(f"x.jsonl:{n}", "KeyError: 7") for n in range(count)]


def test_they_are_named():
    rewards = np.array([1.0, math.nan, 0.0, math.nan, 1.0, 1.0])
    assert unrewarded(ANSWERS, rewards, {1: "KeyError: 7"}) == (
        Unrewarded("x.jsonl:1", "KeyError: 7"),
        Unrewarded("x.jsonl:3", "no number"),
    )


def test_why_is_kept_through_sums():
    nan = math.nan
    parts = [(1.0, lambda _: Partly(np.array([nan, 1.0]), {0: "first"})),
             (2.0, lambda _: Partly(np.array([nan, nan]), {0: "second", 1: "other"})),
             (1.0, lambda _: np.array([1.0, 1.0]))]  # fmt: skip
    worth = weighted(parts)(ANSWERS[:2])
    assert worth.why == {0: "first", 1: "other"}
    assert np.isnan(worth.rewards).all()


def test_they_are_told_at_the_first_and_whenever_they_doubled():
    said, state = [], Standing(None)
    for _ in range(9):
        before, state = state, counted("t", SETTINGS, state, 16, bad(1))
        said.append(remark(before, state, bad(1)))
    assert [n for n, text in enumerate(said, 1) if text] == [1, 2, 4, 8]
    assert said[0] == (
        "1 of 16 answers so far got no reward and are left out (the last: x.jsonl:0: KeyError: 7); "
        "rollouts.jsonl names each."
    )
    assert remark(state, state, []) == ""


def test_one_of_a_few_answers_is_too_early_to_end_a_stage():
    """A share of so few tells nothing; but where none has a reward, none is to be expected."""
    settings = SETTINGS.model_copy(update={"failures": 0.1})
    state = Standing(None)
    for _ in range(3):  # 1 of 8, 2 of 16, 3 of 24
        state = counted("t", settings, state, 8, bad(1))
    with pytest.raises(RunStopped, match="t: 4 of 32 answers so far got no reward"):
        counted("t", settings, state, 8, bad(1))
    assert counted("t", settings, state, 16, bad(1)).failed == 4  # a tenth of 40 is the limit
    with pytest.raises(RunStopped, match="t: 8 of 8 answers so far got no reward"):
        counted("t", settings, Standing(None), 8, bad(8))


def test_too_many_end_the_stage():
    state = counted("t", SETTINGS, Standing(None), 16, bad(8))
    with pytest.raises(RunStopped) as caught:
        counted("t", SETTINGS, state, 16, bad(5)[:1] * 4 + bad(5))
    assert str(caught.value) == (
        "t: 17 of 32 answers so far got no reward (the last: x.jsonl:0: KeyError: 7; x.jsonl:1: "
        "KeyError: 7; x.jsonl:2: KeyError: 7; and 2 more), more than the 50% that `failures` "
        "allows; mend the reward, or raise `failures`, and go on with --resume"
    )


def test_a_reward_that_is_gone_ends_the_stage_however_long_it_was_there():
    """One answer in ten may lack one, and of a thousand all had one: it is not waited for a
    hundred more."""
    settings = SETTINGS.model_copy(update={"failures": 0.1})
    state = counted("t", settings, Standing(None), 1000, [])
    for _ in range(3):
        state = counted("t", settings, state, 8, bad(8))
    with pytest.raises(RunStopped) as caught:
        counted("t", settings, state, 8, bad(8))
    assert str(caught.value).startswith(
        "t: none of the last 32 answers got a reward (the last: x.jsonl:0: KeyError: 7; "
    )
    assert str(caught.value).endswith("; mend the reward, and go on with --resume")
    once = counted("t", settings, state, 8, bad(7))  # one had one
    assert counted("t", settings, once, 8, bad(8)).lately == 8


def test_how_many_failed_lately_outlasts_a_checkpoint():
    settings = SETTINGS.model_copy(update={"failures": 0.9})
    plan = Plan(settings, lambda index: ANSWERS[index].prompt, lambda answers: np.zeros(0))
    state = counted("t", settings, Standing(plan.penalty(), written=200), 24, bad(24))
    again = plan.standing(json.loads(json.dumps(state.state_dict())))
    assert again.lately == 24
    with pytest.raises(RunStopped, match="none of the last 32 answers"):
        counted("t", settings, again, 8, bad(8))
