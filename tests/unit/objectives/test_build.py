"""Every key of an objective's settings changes what is built."""

import pytest

from judged import KINDS, NAMED, plain, variants
from madrigal.objectives import Likelihood, Scored, build_objective
from madrigal.objectives.base import Tempered
from madrigal.recipe.objective import Reward
from madrigal.recipe.policy import BestOfN, Grpo, OnlineDpo, Ppo, Rloo
from madrigal.tasks.task import Task

TASK = Task("t", "feedback", "accuracy", {})
KEYS = [
    pytest.param(kind, key, id=f"{kind.__name__}.{key}")
    for kind in KINDS
    for key in kind.model_fields
    if key != "kind"
]


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_a_key_reaches_the_objective(kind, key):
    given = variants(kind)[key]
    assert given != plain(kind)
    made = build_objective(given, TASK)
    assert made != build_objective(plain(kind), TASK)
    assert getattr(made, key) == getattr(given, key)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_the_same(kind):
    made = build_objective(plain(kind), TASK)
    assert made == type(made)(**NAMED.get(kind.model_fields["kind"].default, {}))


@pytest.mark.parametrize("length_debias", [0, 0.5])
def test_a_recipe_knows_the_scores_that_its_objective_wants(length_debias):
    settings = Reward(length_debias=length_debias)
    made = build_objective(settings, TASK)
    assert isinstance(made, Scored)
    assert settings.heads == made.heads


EXACT = [{"kind": "exact"}]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (Grpo, "clip", 0.3), (Grpo, "clip_high", 0.5), (Grpo, "penalty", "k2"), (Grpo, "beta", 0.7),
        (Ppo, "clip", 0.3), (Ppo, "dual_clip", 5.0), (Ppo, "value", 0.7), (Ppo, "value_clip", None),
        (OnlineDpo, "beta", 0.3),
    ],
)  # fmt: skip
def test_a_key_of_a_policy_reaches_the_objective(kind, key, value):
    made = build_objective(kind(reward=EXACT, **{key: value}), TASK)
    assert getattr(made, key) == value
    assert made != build_objective(kind(reward=EXACT), TASK)


@pytest.mark.parametrize("kind", [Rloo, Grpo, Ppo])
def test_what_is_trained_is_what_was_drawn_from(kind):
    assert build_objective(kind(reward=EXACT, temperature=0.5), TASK).sampling_temperature == 0.5
    assert not isinstance(build_objective(Reward(temperature=2.0), TASK), Tempered)


def test_policies_are_what_their_papers_say():
    rloo, grpo, ppo = (build_objective(kind(reward=EXACT), TASK) for kind in (Rloo, Grpo, Ppo))
    assert (rloo.ratio, rloo.clip, rloo.penalty, rloo.value) == ("answers", None, "none", 0.0)
    assert (grpo.ratio, grpo.penalty, grpo.value) == ("tokens", "k3_ratio", 0.0)
    assert (ppo.ratio, ppo.penalty, ppo.value) == ("tokens", "none", 0.1)
    assert build_objective(BestOfN(reward=EXACT), TASK) == Likelihood("tokens")
