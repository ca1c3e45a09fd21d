import math
import re
from dataclasses import replace

import numpy as np
import pytest

from madrigal.experience.caution import Caution
from madrigal.experience.guards import alarm
from madrigal.experience.history import History
from madrigal.experience.plan import Plan, Standing, care_of, dealt_with, gone_back
from madrigal.experience.signs import late
from madrigal.recipe.policy import Grpo, PolicyGuard, Ppo

USUAL = {
    "divergence": 0.5, "entropy": 2.0, "tokens": 10.0, "cut": 0.02, "distinct_2": 0.6,
    "reward": 0.0, "repeated": 0.1, "reward_length": 0.2, "disagreement": 0.3, "gradient": 0.8,
    "empty": 0.0,
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
    "short": ({"tokens": 4.0}, "roll_back", "tokens of an answer fell from 10 to 4, below 0.5"),
    "disagreement": (
        {"disagreement": 0.7},
        "raise",
        "are 0.7 apart, 0.3 at the start: more than 2",
    ),
    "gradient": ({"gradient": 9.0}, "roll_back", "a norm of 9, more than 10 times the median 0.8"),
    "empty": ({"empty": 0.9}, "roll_back", "90% of the answers are empty, 0% were at the start"),
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


@pytest.mark.parametrize(
    "name",
    [
        "divergence",
        "entropy",
        "distinct",
        "length",
        "short",
        "cut",
        "repeated",
        "disagreement",
        "gradient",
    ],
)
def test_each_can_be_left_out(name):
    worst = {"divergence": 9e9, "entropy": 0.0, "distinct_2": 0.0, "tokens": 9e9, "cut": 1.0,
             "repeated": 1.0, "disagreement": 9e9, "gradient": 9e9, "short": 0.1}  # fmt: skip
    key = {"distinct": "distinct_2", "length": "tokens", "short": "tokens"}.get(name, name)
    one = {key: worst[name if name in worst else key]}
    assert sign(*[one] * 4) is not None
    assert sign(*[one] * 4, guard=GUARD.model_copy(update={name: None})) is None


SEEDS = range(5)
ROLLOUTS = 120
# What each fault makes of the means of a rollout once it is fully there.
FAULTS = {
    "divergence": {"divergence": 18.0},
    "jump": {"divergence": 40.0},
    "entropy": {"entropy": 0.2},
    "distinct_2": {"distinct_2": 0.2},
    "repeated": {"repeated": 0.6},
    "length": {"tokens": 25.0},
    "short": {"tokens": 1.5, "gold": 0.1},
    "correlation": {"tokens": 13.0, "reward_length": 0.8},
    "disagreement": {"disagreement": 1.2},
    "gradient": {"gradient": 30.0},
    "cut": {"cut": 0.4},
    "empty": {"empty": 1.0},
    "gold": {"gold": 0.1, "reward": 3.0},
    "critic": {"explained": -0.5},
    "broken": {"divergence": math.nan},
}
SUDDEN = ("jump", "broken", "gradient")


def sequence(seed, fault=None, more=()):
    """Means of rollouts with noise of a tenth; a fault grows from the 40th to the 60th, or is there
    at once."""
    numbers = np.random.default_rng(seed)
    usual = USUAL | {"gold": 0.7, "gold_error": 0.03, "explained": 0.4} | dict(more)
    for rollout in range(ROLLOUTS):
        share = 0.0 if fault is None else float(np.clip((rollout - 40) / 20, 0, 1))
        if fault in SUDDEN:
            share = float(rollout >= 40)
        means = {}
        for name, value in usual.items():
            wrong = FAULTS[fault].get(name, value) if fault is not None and share else value
            means[name] = value + share * (wrong - value) + 0.1 * abs(value) * numbers.normal()
        yield means | {"gold_error": 0.03}


def signs(means, guard):
    """Signs and rollouts of them, as a run would be told, until something is done."""
    history = History()
    for rollout, one in enumerate(means):
        history = history.with_more(one, guard.window)
        found = alarm(guard, history, True)
        if found is not None:
            yield found.sign, rollout
            history = history.quiet()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clean_run_has_no_sign(seed):
    assert list(signs(sequence(seed), PolicyGuard())) == []


def without_gold(means):
    return ({k: v for k, v in one.items() if "gold" not in k} for one in means)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_each_fault_is_found_and_found_for_what_it_is(fault, seed):
    means = sequence(seed, fault)
    if fault != "gold":  # right answers that stay right excuse some
        means = without_gold(means)
    name, rollout = next(signs(means, PolicyGuard()))
    assert name == fault
    assert 40 <= rollout <= 75


@pytest.mark.parametrize("seed", SEEDS)
def test_learning_is_no_fault(seed):
    """Rewards rise, answers vary less and grow a little, gradients shrink, the critic learns."""

    def learning():
        for rollout, one in enumerate(sequence(seed)):
            done = min(1.0, rollout / 60)
            yield one | {
                "reward": one["reward"] + done, "gold": 0.3 + 0.5 * done, "tokens":
                one["tokens"] * (1 + 0.2 * done), "entropy": one["entropy"] * (1 - 0.8 * done),
                "gradient": one["gradient"] * (1 - 0.8 * done), "explained": done - 0.3,
                "divergence": 5 * done,
            }  # fmt: skip

    assert list(signs(learning(), PolicyGuard())) == []


def test_length_that_pays_is_excused_by_a_gold_reward_that_holds():
    grown = {"tokens": 12.0, "reward_length": 0.7}
    wavering = [{**grown, "tokens": 12.0 + n % 2} for n in range(4)]
    found = sign(*wavering)
    assert (found.sign, found.action) == ("correlation", "say")
    assert "(correlation 0.7, above 0.5), and answers grew from 10 to 12.5 tokens" in found.text
    assert sign(*[one | {"tokens": 10.0} for one in wavering]) is None
    assert sign(*[one | {"reward_length": 0.4} for one in wavering]) is None
    assert sign(*wavering, guard=GUARD.model_copy(update={"correlation": None})) is None
    history = after(*[one | {"gold": 0.5, "gold_error": 0.1} for one in wavering])
    for before, action in ((0.3, None), (0.5, None), (0.9, "shorten")):
        golden = tuple(one | {"gold": before, "gold_error": 0.1} for one in history.first)
        found = alarm(GUARD, History(golden, history.last), True)
        assert (None if found is None else found.action) == action


def test_disagreement_without_a_price_goes_back():
    assert sign(*[{"disagreement": 0.7}] * 4, priced=False).action == "roll_back"


def test_gradients_are_compared_with_those_that_were_any():
    """At first no answer is right, and nothing is learnt: that is not what is usual."""
    nothing = [{"gradient": 0.0}] * 10
    history = History()
    for means in [*nothing, *[{"gradient": 2.0}] * 6]:
        history = history.with_more({**USUAL, **means}, 2)
        assert alarm(GUARD, history, True) is None
    small = [{"gradient": 0.01}] * 6 + [{"gradient": 0.9}] * 4  # ninety times, and yet small
    history = History()
    for means in small:
        history = history.with_more({**USUAL, **means}, 2)
        assert alarm(GUARD, history, True) is None


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


def test_the_last_rollouts_are_looked_at_however_few():
    guard = PolicyGuard(window=4)

    def gold(value, reward):
        return {"gold": value, "gold_error": 0.1, "reward": reward}

    def told(*last):
        history = after(*[gold(1.0, 0.1)] * 6, *last, guard=guard, first=4)
        return alarm(guard, history, True), late(guard, history)

    assert told() == (None, None)
    window, found = told(gold(0.5, 1.0))
    assert window is None
    assert (found.sign, found.action) == ("gold", "roll_back")
    assert found.text == "The gold reward fell from 1 to 0.5 in the last rollout."
    assert told(gold(0.5, 0.0))[1] is not None  # nor is the reward in training worth it
    assert told(gold(0.6, 1.0))[1] is None  # within chance
    assert told(gold(0.6, 1.0), gold(0.6, 1.0))[1] is not None  # two of them are not


def test_the_end_of_a_clean_run_is_hardly_ever_a_sign():
    """Wherever it ends, and with the best of many windows to compare with."""
    guard, told = PolicyGuard(), []
    for seed in range(50):
        history = History()
        for one in sequence(seed):
            history = history.with_more(one | {"gold_error": 0.07}, guard.window)
            told.append(late(guard, history) is not None)
    assert np.mean(told) < 0.01


def test_answers_that_were_empty_from_the_start_are_told():
    mute = {"empty": 1.0}
    found = alarm(GUARD, after(mute, mute, first=0), True)
    assert (found.sign, found.action) == ("empty", "say")
    assert found.text == "100% of the answers are empty, 100% were at the start."
    assert alarm(GUARD, after({"empty": 0.4}, {"empty": 0.6}), True) is None


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


def test_a_price_on_missing_ends_that_works_is_not_raised():
    rising, still, falling = [0.2, 0.3, 0.5, 0.6], [0.4] * 4, [0.9, 0.8, 0.6, 0.3]
    assert sign(*[{"cut": share} for share in rising]).sign == "cut"
    assert sign(*[{"cut": share} for share in still]).sign == "cut"
    assert sign(*[{"cut": share} for share in falling]) is None


def test_each_time_that_a_model_goes_back_to_the_same_place_a_nat_is_dearer():
    kept = now = standing(plan())
    for times in (1, 2, 3):
        now = gone_back(kept, care_of(now), warned=True)
        assert now.penalty.beta == pytest.approx(0.05 * 1.5**times)


def test_prices_outlast_going_back():
    kept = standing(plan(), {"tokens": 9.0})
    caution = replace(kept.caution, strikes=2, length_price=1.0, cut_price=3.0)
    then = replace(kept, caution=caution, penalty=replace(kept.penalty, beta=0.7))
    now = gone_back(kept, care_of(then), warned=False)
    assert care_of(now) == care_of(then)
    assert now.caution.history.last == ()
    cheaper = replace(kept, penalty=replace(kept.penalty, beta=0.9))
    assert gone_back(cheaper, care_of(then), warned=False).penalty.beta == 0.9


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


def test_of_windows_of_one_rollout_nothing_is_sure():
    """Their spread is not known: neither does a gold reward fall surely, nor excuses a reward that
    rose what became of variety."""
    guard = PolicyGuard(window=1, likeliest=None)
    fallen = {"entropy": 0.1, "gold": 0.2, "gold_error": 0.01, "reward": 9.0}
    known = History().with_more({**USUAL, "gold": 0.8, "gold_error": 0.01}, 1)
    assert alarm(guard, known.with_more({**USUAL, **fallen, "reward": 0.0}, 1), True) is None
    plain = {name: value for name, value in fallen.items() if not name.startswith("gold")}
    found = sign(plain, guard=guard)
    assert (found.sign, found.action) == ("entropy", "roll_back")


def test_a_spread_of_few_rollouts_is_not_told_too_small():
    """The divisor is n - 1: means of two rollouts that are 1 apart have a variance of 1/4, the
    difference of two such means 1/2, so a rise of 1.35 is less than two standard errors."""
    guard = PolicyGuard(window=2)
    for rise, action in ((1.35, "roll_back"), (1.5, "say")):
        history = History()
        for reward in (0.0, 1.0):
            history = history.with_more({**USUAL, "reward": reward}, 2)
        for reward in (rise, rise + 1):
            history = history.with_more({**USUAL, "entropy": 0.1, "reward": reward}, 2)
        assert alarm(guard, history, True).action == action
