"""Every objective of the settings union keeps the contract."""

from typing import get_args

import pytest
import torch

from madrigal.objectives import Objective, Outputs, build_objective
from madrigal.recipe.stage import ObjectiveSettings
from madrigal.tasks.task import Task
from tiny import row

KINDS = get_args(ObjectiveSettings)[:1]
NEEDS = {"logps", "mean_logps"}
ROWS = [row(9, 3, 0), row(5, 1, 1), row(12, 6, 2), row(7, 2, 3)]


def objectives():
    """Each kind, for tasks with and without smoothing, in every setting that has a few words."""
    task = {"name": "t", "kind": "answer", "metric": "exact_match", "splits": {}}
    for kind in KINDS:
        words = (
            kind.model_fields["normalise"].annotation if "normalise" in kind.model_fields else ()
        )
        for word in get_args(words) or (None,):
            settings = kind(**({"normalise": word} if word else {}))
            for smoothing in (0.0, 0.2):
                made = build_objective(settings, Task(**task, label_smoothing=smoothing))
                yield pytest.param(made, id=f"{settings.kind}-{word}-{smoothing}")


@pytest.fixture(params=list(objectives()))
def objective(request):
    return request.param


def outputs(rows, seed=0):
    """Log-probabilities for the trained positions of some rows, the same for the same row."""
    owner, logps = [], []
    for index, one in enumerate(rows):
        chance = torch.Generator().manual_seed(int(one.tokens.sum()) + seed)
        count = one.answer_tokens
        owner += [index] * count
        logps.append(-torch.rand(count, generator=chance) - 0.01)
    held = torch.cat(logps).requires_grad_()
    return Outputs(torch.tensor(owner), held, 2 * held - 1)


def test_the_union_is_found():
    assert KINDS
    assert all("kind" in kind.model_fields for kind in KINDS)


def test_is_an_objective(objective):
    assert isinstance(objective, Objective)
    assert objective.needs <= NEEDS


def test_count_is_a_sum_over_rows_and_follows_from_the_data_alone(objective):
    assert objective.count(ROWS) == sum(objective.count([one]) for one in ROWS)
    assert objective.count(ROWS) > 0
    assert objective.count([]) == 0


def test_loss_is_a_sum_over_examples(objective):
    """So microbatches and processes may share them out as they like."""
    examples = [objective.encode_rows((one,)) for one in ROWS]
    rows = [one for example in examples for one in example]
    whole = objective.loss(rows, outputs(rows))
    parts = [objective.loss(list(example), outputs(example)) for example in examples]
    torch.testing.assert_close(whole, torch.stack(parts).sum())
    assert whole.shape == ()
    assert torch.isfinite(whole)
    assert whole > 0


def test_the_order_of_rows_does_not_matter(objective):
    rows = list(ROWS)
    torch.testing.assert_close(
        objective.loss(rows, outputs(rows)), objective.loss(rows[::-1], outputs(rows[::-1]))
    )


def test_better_answers_cost_less(objective):
    worse = outputs(ROWS)
    better = Outputs(worse.row, worse.logps + 0.005, worse.mean_logps)
    assert objective.loss(ROWS, better) < objective.loss(ROWS, worse)


def test_only_what_is_needed_is_looked_at(objective):
    full = outputs(ROWS)
    bare = Outputs(
        full.row, full.logps, full.mean_logps if "mean_logps" in objective.needs else None
    )
    assert torch.equal(objective.loss(ROWS, bare), objective.loss(ROWS, full))


def test_every_trained_position_gets_a_gradient(objective):
    given = outputs(ROWS)
    (gradient,) = torch.autograd.grad(objective.loss(ROWS, given), given.logps)
    assert (gradient != 0).all()
