import math
import re

import numpy as np
import pytest

from madrigal.experience.caution import Caution
from madrigal.experience.guards import History, alarm
from madrigal.experience.plan import Plan, Standing, dealt_with
from madrigal.recipe.policy import Grpo, PolicyGuard, Ppo

USUAL = {
    "divergence": 0.5, "entropy": 2.0, "tokens": 10.0, "cut": 0.02, "distinct_2": 0.6,
    "reward": 0.0, "repeated": 0.1,
}  # fmt: skip
GUARD = PolicyGuard(window=2)


def after(*last, guard=GUARD, first=2):
    history = History()
    for means in [{}] * first + list(last):
        history = history.with_more({**USUAL, **means}, guard.window)
    return history


def sign(*last, guard=GUARD, priced=True):
    return alarm(guard, after(*last, guard=guard), priced)


TRIPS = {
    "divergence": ({"divergence": 11.0}, "raise", "Answers are 11 nats away .* than the 10 allow"),
    "far": ({"divergence": 21.0}, "roll_back", "Answers are 21 nats away"),
    "entropy": ({"entropy": 0.5}, "roll_back", "entropy of a token fell from 2 to 0.5, below 0.3"),
    "distinct_2": ({"distinct_2": 0.4}, "roll_back", "different pairs .* from 0.6 to 0.4"),
    "repeated": ({"repeated": 0.35}, "roll_back", "35% of an answer's pairs .*, 10% at the start"),
    "tokens": ({"tokens": 16.0}, "shorten", "Answers grew from 10 to 16 tokens, more than 1.5"),
    "cut": ({"cut": 0.2}, "end", "20% of the answers come to no end, 2% did at the start"),
}


@pytest.mark.parametrize("name", TRIPS)
def test_a_sign_needs_a_whole_window(name):
    means, action, text = TRIPS[name]
    if name != "far":  # one rollout alone is a jump
        assert sign(means) is None or sign(means).sign == "jump"
    gradual = [{k: (v + USUAL[k]) / 2 for k, v in means.items()}, means, means, means]
    found = sign(*gradual)
    assert found.action == action
    assert re.search(text, found.text), found.text


@pytest.mark.parametrize("name", ["divergence", "entropy", "distinct", "length", "cut", "repeated"])
def test_each_can_be_left_out(name):
    worst = {"divergence": 9e9, "entropy": 0.0, "distinct_2": 0.0, "tokens": 9e9, "cut": 1.0,
             "repeated": 1.0}  # fmt: skip
    key = {"distinct": "distinct_2", "length": "tokens"}.get(name, name)
    one = {key: worst[key]}
    assert sign(*[one] * 4) is not None
    assert sign(*[one] * 4, guard=GUARD.model_copy(update={name: None})) is None


def test_nothing_unusual_is_no_sign():
    numbers = np.random.default_rng(0)
    some = [{k: v * numbers.uniform(0.85, 1.15) for k, v in USUAL.items()} for _ in range(300)]
    history = History()
    for means in some:
        history = history.with_more(means, 4)
        assert alarm(PolicyGuard(), history, True) is None


@pytest.mark.parametrize("name", ["entropy", "distinct_2"])
def test_variety_that_goes_while_right_answers_are_learnt(name):
    def gone(**more):
        return sign(*[{name: 0.01, **more}] * 4)

    assert gone().action == "roll_back"
    assert gone(reward=1.0).action == "say"
    assert gone(reward=1.0).text.endswith("The reward rose with it.")
    history = after(*[{name: 0.01, "gold": 0.5, "gold_error": 0.1}] * 4)
    for before, action in ((0.3, None), (0.5, None), (0.9, "roll_back")):
        golden = tuple(one | {"gold": before, "gold_error": 0.1} for one in history.first)
        found = alarm(GUARD, History(golden, history.last), True)
        assert (None if found is None else found.action) == action


def test_a_jump_beyond_the_running_median():
    found = sign({}, {}, {"divergence": 6.0})
    assert (found.sign, found.action) == ("jump", "roll_back")
    assert sign({}, {}, {"divergence": 4.9}) is None  # not even half of what is allowed


def test_without_a_price_it_goes_back():
    assert sign(*[{"divergence": 11.0}] * 4, priced=False).action == "roll_back"


@pytest.mark.parametrize("name", ["divergence", "entropy"])
def test_what_is_no_number(name):
    found = sign({name: math.nan})
    assert (found.sign, found.action) == ("broken", "roll_back")


def test_gold_falls_while_the_reward_rises():
    def gold(value, reward):
        return {"gold": value, "gold_error": 0.1, "reward": reward}

    rising = [gold(1.0, 0.0), gold(1.2, 0.2), gold(1.3, 0.5), gold(1.2, 0.6)]
    assert sign(*rising) is None
    found = sign(*rising, gold(0.6, 1.0), gold(0.5, 1.1))
    assert (found.sign, found.action) == ("gold", "roll_back")
    assert "gold reward fell from 1.25 to 0.55" in found.text
    assert sign(*rising, gold(0.6, 0.1), gold(0.5, 0.1)) is None  # both fall: no exploit
    assert sign(*rising, gold(1.1, 1.0), gold(1.0, 1.0)) is None  # within chance


def test_a_critic_that_is_worse_than_none_is_told():
    some = [{"explained": -0.1}] * 20
    found = alarm(GUARD, after(*some), True)
    assert (found.sign, found.action) == ("critic", "say")
    assert alarm(GUARD, after(*some[1:], {"explained": 0.1}), True) is None


def plan(kind=Ppo, **guard):
    settings = kind(reward=[{"kind": "exact"}], guard=PolicyGuard(window=2, **guard))
    return Plan(settings, lambda _: None, lambda _: None)


def standing(one, *last, strikes=0):
    caution = Caution(after(*last), strikes)
    return Standing(one.penalty(), caution=caution)


def test_what_is_done_about_signs():
    one = plan()
    state, (said,) = dealt_with("t", one, standing(one, *[{"divergence": 11.0}] * 4))
    assert said.then == "say"
    assert said.text.endswith("A nat now costs 0.075.")
    assert (state.caution.strikes, state.caution.history.last) == (1, ())
    state, (said,) = dealt_with("t", one, standing(one, *[{"tokens": 20.0}] * 4))
    costs = state.caution.cost(1.0, np.array([False, True]), np.array([10, 25]))
    np.testing.assert_allclose(costs, [0.0, 1.0 + 1.5])
    state, (said,) = dealt_with("t", one, standing(one, *[{"cut": 0.5}] * 4))
    np.testing.assert_allclose(state.caution.cost(1.0, np.array([True]), np.array([10])), [2.0])
    state, (said,) = dealt_with("t", one, standing(one, *[{"entropy": 0.1}] * 4))
    assert said.then == "roll_back"
    state, (said,) = dealt_with("t", one, standing(one, *[{"tokens": 20.0}] * 4, strikes=3))
    assert said.then == "stop"
    assert dealt_with("t", one, standing(one, {})) == (standing(one, {}), [])


def test_a_guard_that_only_tells():
    one = plan(act=False)
    state, (said,) = dealt_with("t", one, standing(one, *[{"entropy": 0.1}] * 4, strikes=9))
    assert said.then == "say"
    assert state.caution.strikes == 9
    bare = plan(Grpo)
    state, (said,) = dealt_with("t", bare, standing(bare, *[{"divergence": 11.0}] * 4))
    assert said.then == "roll_back"


def test_caution_is_read_as_it_was_told():
    held = Caution(after({"gold": 1.0, "gold_error": 0.1}), 2, 1.0, 4.0)
    assert Caution.load(held.state_dict()) == held
