"""Whether the likeliest answers got worse, prompt by prompt, and what is done about it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from madrigal.experience.answer import Prompt
from madrigal.experience.caution import Caution
from madrigal.experience.looking import due, looked, looks
from madrigal.experience.looks import Looks, Seen, fall, moved
from madrigal.experience.plan import Plan, Standing
from madrigal.recipe.policy import PolicyGuard, Rloo
from madrigal.tasks.record import Record

N = 64
PROMPT = Prompt(np.zeros(1, dtype=np.int64), Record("x:1", turns=()), 1)


def seen(right, paid=None):
    """Of 64 prompts so many right, and so much reward in training each; by default the same."""
    gold = tuple(float(n < right) for n in range(N))
    return Seen(gold, gold if paid is None else tuple(paid))


def after(*some):
    found = Looks()
    for one in some:
        found = found.with_more(one)
    return found


def test_a_fall_is_paired():
    """Four answers of 64 that turned wrong are surely fewer; unpaired they would be chance."""
    start = after(seen(56))
    assert fall(start, seen(53)) is None
    assert fall(start, seen(52)).text == (
        "The likeliest answers to 64 held-out prompts are worth 0.812 by the gold reward, 0.875 at "
        "the stage's start; the reward in training went from 0.875 to 0.812."
    )
    mixed = Seen(tuple(float(n % 2) for n in range(N)), (0.0,) * N)
    other = Seen(tuple(float(n % 2) if n > 9 else 1.0 - n % 2 for n in range(N)), (0.0,) * N)
    assert fall(after(mixed), other) is None  # as many turned right


def test_the_best_look_counts_too_and_more_strictly():
    rose = after(seen(20), seen(60))
    assert fall(rose, seen(54)) is None  # 2.6 standard errors: the best of several is luck too
    assert "0.938 at best" in fall(rose, seen(50)).text
    assert after(seen(20), seen(60), seen(40)).best == seen(60)
    assert after(seen(20), seen(60), seen(40)).first == seen(20)


def test_what_the_reward_in_training_did_meanwhile():
    start = after(seen(60, [0.0] * N))
    rose, stayed = fall(start, seen(40, [0.5] * N)), fall(start, seen(40, [0.0] * N))
    fell = fall(start, seen(40, [-float(n % 2) for n in range(N)]))
    assert (rose.exploited, rose.together) == (True, False)
    assert (stayed.exploited, stayed.together) == (False, False)
    assert (fell.exploited, fell.together) == (False, True)


def test_answers_that_nobody_could_judge_tell_nothing():
    nan = math.nan
    some = (1.0,) * 7 + (nan,) * 3
    assert moved(some, (0.0,) * 10) == (0.0, math.inf)
    assert moved((1.0,) * 8 + (nan,), (0.0,) * 8 + (5.0,)) == (-1.0, 0.0)
    assert fall(after(Seen(some, some)), Seen((0.0,) * 10, some)) is None


def test_a_model_that_stays_as_good_is_hardly_ever_worse():
    numbers = np.random.default_rng(0)
    told = []
    for _ in range(400):
        ease = numbers.random(N)
        start, now = (tuple((numbers.random(N) < ease).astype(float)) for _ in range(2))
        told.append(fall(after(Seen(start, start)), Seen(now, now)) is not None)
    assert np.mean(told) < 0.06


def test_looks_are_read_as_they_were_told():
    held = replace(after(seen(10), seen(12)), waited=3)
    assert Looks.load(json.loads(json.dumps(held.state_dict()))) == held
    assert Looks.load(json.loads(json.dumps(Looks().state_dict()))) == Looks()


def plan(prompts=8, gold=True, **guard):
    there = guard.pop("there", True)
    kept = PolicyGuard(**guard) if there else None
    settings = Rloo(reward=[{"kind": "exact"}], guard=kept)
    return Plan(settings, lambda _: None, lambda _: None, (lambda _: None) if gold else None, None,
                [PROMPT] * prompts)  # fmt: skip


def standing(strikes=0, **more):
    return Standing(None, caution=Caution(strikes=strikes), looks=replace(after(seen(60)), **more))


def test_when_anybody_looks():
    assert looks(plan())
    assert not looks(plan(prompts=7))
    assert not looks(plan(gold=False))
    assert not looks(plan(there=False))
    assert [due(plan(every=3), standing(waited=n)) for n in (2, 3)] == [False, True]


EXPLOITED, LOST = seen(40, [2.0] * N), seen(40)


@pytest.mark.parametrize(
    ("now", "last", "strikes", "guard", "then"),
    [
        (seen(60), False, 0, {}, None),
        (EXPLOITED, False, 0, {}, "roll_back"),
        (EXPLOITED, False, 3, {}, "stop"),
        (EXPLOITED, True, 0, {}, "stop"),
        (EXPLOITED, False, 0, {"act": False}, "say"),
        (EXPLOITED, True, 0, {"act": False}, "say"),
        (LOST, False, 0, {}, None),
        (LOST, True, 0, {}, "stop"),
    ],
)
def test_what_is_done(now, last, strikes, guard, then):
    state, signs, sound = looked("t", plan(**guard), standing(strikes), now, last)
    assert [sign.then for sign in signs] == ([] if then is None else [then])
    assert sound is (now == seen(60))
    assert state.caution.strikes == strikes + (then == "roll_back")
    assert state.looks.waited == 0
    if last and now == LOST:
        assert signs[0].kind == "lost"  # nothing was exploited
        assert signs[0].text.startswith("At the end: The likeliest answers to 64")
        assert signs[0].text.endswith("Both fell: what was learnt since is not kept.")
    elif signs:
        assert signs[0].kind == "sign"
