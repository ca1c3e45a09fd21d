"""Every mixture of the settings union keeps the contract of a source."""

from typing import get_args

import numpy as np
import pytest

from madrigal.mixture import Source, TaskSize, build_source
from madrigal.recipe.stage import Batch, MixtureSettings

KINDS = get_args(get_args(MixtureSettings)[0])
TASKS = (
    TaskSize("reviews", np.arange(1, 301)),
    TaskSize("titles", np.full(40, 30), strata=("x", "y") * 20),
    TaskSize("law", np.full(9, 128)),
)
NEEDED = {"weights": {"weights": {"reviews": 1.0, "titles": 2.0, "law": 0.5}}}


def settings(kind, **more):
    return kind(**NEEDED.get(kind.model_fields["kind"].default, {}), **more)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.model_fields["kind"].default)
def kind(request):
    return request.param


@pytest.fixture(params=["rows", "tokens"])
def batch(request):
    return Batch(rows=8) if request.param == "rows" else Batch(tokens=400)


def test_the_union_is_found():
    assert len(KINDS) >= 5


def test_is_a_source(kind, batch):
    assert isinstance(build_source(settings(kind), TASKS, batch, 9, None, 0), Source)


@pytest.mark.parametrize("unit", ["examples", "tokens"])
@pytest.mark.parametrize("within", [None, "letter"])
def test_steps_draws_and_shares(kind, batch, unit, within):
    source = build_source(settings(kind, unit=unit, within=within), TASKS, batch, 9, None, 3)
    assert source.steps == 9
    sizes = {task.name: len(task.lengths) for task in TASKS}
    for step in range(9):
        draws = source.draws(step)
        assert draws
        assert draws == source.draws(step)
        assert all(0 <= draw.index < sizes[draw.task] for draw in draws)
    shares = source.asked_shares()
    assert set(shares) == set(sizes)
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(a.share_of_examples for a in source.achieved().values()) == pytest.approx(1)
    assert sum(a.share_of_tokens for a in source.achieved().values()) == pytest.approx(1)


def test_asked_is_achieved_in_the_unit_asked_for(kind):
    for unit in ("examples", "tokens"):
        source = build_source(settings(kind, unit=unit), TASKS, Batch(rows=16), 40, None, 0)
        for name, got in source.achieved().items():
            share = got.share_of_tokens if unit == "tokens" else got.share_of_examples
            assert share == pytest.approx(source.asked_shares()[name], abs=0.04)
