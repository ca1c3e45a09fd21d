"""Every setting reaches the balancer of its kind."""

from typing import get_args

import pytest

from madrigal.balancing import build_balancer
from madrigal.recipe import balance_by_loss as recipe
from madrigal.recipe.shape import kind_of

BUILT = [
    (recipe.Fixed(weights={"a": 1.0, "b": 2.0}), "Fixed(given={'a': 1.0, 'b': 2.0})"),
    (recipe.Random(), "Random()"),
    (recipe.Uncertainty(learning_rate=0.5), "Uncertainty(learning_rate=0.5)"),
    (recipe.Dwa(window=7, temperature=3.0), "Dwa(window=7, temperature=3.0)"),
    (recipe.Gls(), "Gls()"),
    (recipe.ScaleInvariant(), "ScaleInvariant()"),
    (recipe.ImtlL(learning_rate=0.5), "ImtlL(learning_rate=0.5)"),
    (
        recipe.Stch(smoothing=0.5, warmup=9, ideal={"a": 1.0}),
        "Stch(smoothing=0.5, warmup=9, ideal={'a': 1.0})",
    ),
    (
        recipe.Famo(learning_rate=0.5, decay=0.25, lowest={"a": 1.0}),
        "Famo(learning_rate=0.5, decay=0.25, lowest={'a': 1.0})",
    ),
    (
        recipe.Coba(every=3, warmup=4, history=5, temperature=6.0),
        "Coba(warmup=4, history=5, temperature=6.0, every=3)",
    ),
]


def test_every_kind_is_here():
    assert {type(settings) for settings, _ in BUILT} == set(get_args(recipe.ByLoss))


@pytest.mark.parametrize(("settings", "built"), BUILT, ids=[kind_of(type(s)) for s, _ in BUILT])
def test_settings_reach_the_balancer(settings, built):
    assert repr(build_balancer(settings)) == built
