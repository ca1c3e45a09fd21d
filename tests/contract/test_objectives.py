"""Every objective of the settings union keeps the contract."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from judged import KINDS, flat, pair, plain, ranked, said, variants
from madrigal.objectives import Likelihood, Meets, Met, Objective, Surveys, build_objective
from madrigal.tasks.task import Task

NEEDS = {"logps", "mean_logps", "scores", "states", "reference"}
TASK = {"name": "t", "kind": "answer", "metric": "exact_match", "splits": {}}

EXAMPLES = [
    pair(1.0, seed=1, value=[0.9, 0.2], margin=[0.5, 0.5]),
    ranked(2, 0, 1, seed=2, value=[1.0, 0.0, 0.6]),
    pair(0.5, seed=3, value=[0.45, 0.45]),
    pair(0.3, seed=4, value=[0.4, 0.7]),
    ranked(3, 1, None, 1, 0, seed=5, value=[0.8, 0.3, math.nan, 0.3, 0.1]),
]
ROWS = flat(EXAMPLES)


def objectives():
    """Each kind by default, and with every one of its keys at another value."""
    for kind in KINDS:
        for key, settings in {"default": plain(kind), **variants(kind)}.items():
            for smoothing in (0.0, 0.2) if settings.kind == "likelihood" else (0.0,):
                made = build_objective(settings, Task(**TASK, label_smoothing=smoothing))
                yield pytest.param(made, id=f"{settings.kind}-{key}-{smoothing}")


@pytest.fixture(params=list(objectives()))
def objective(request):
    return request.param


def surveyed(objective, examples):
    """What the objective finds out about some examples, with the reference at hand."""
    if not isinstance(objective, Surveys):
        return None
    asked = objective.survey_rows(examples, context=64)
    held = [replace(one, judged=replace(one.judged, reference=-5.0)) for one in asked]
    return objective.survey(held, outputs(objective, held))


def states(rows):
    """What stands for a row: the same for the same row."""
    drawn = [np.random.default_rng(int(one.tokens.sum())).normal(size=4) for one in rows]
    return torch.tensor(np.array(drawn).reshape(-1, 4))


def outputs(objective, rows, survey=None, better=0.0):
    """What a model says; `better` raises the first row."""
    held = said(rows, heads=getattr(objective, "heads", 1))
    logps = held.logps + better * (held.row == 0)
    first = torch.arange(len(rows)) == 0
    scores = held.scores + better * first[:, None]
    if isinstance(objective, Meets):
        others = states(flat([pair(seed=7), pair(seed=8)]))
        met = Met(states(ROWS), 2 * others, objective.count(ROWS))
        held = replace(held, states=states(rows), met=met)
    return replace(held, logps=logps, mean_logps=2 * logps - 1, scores=scores, survey=survey)


def test_the_union_is_found():
    assert len(KINDS) > 1
    assert all("kind" in kind.model_fields for kind in KINDS)


def test_is_an_objective(objective):
    assert isinstance(objective, Objective)
    assert objective.needs <= NEEDS


def test_an_example_stays_whole_but_for_likelihood_which_learns_the_best(objective):
    whole = EXAMPLES[1] if not isinstance(objective, Likelihood) else EXAMPLES[1][:1]
    assert objective.encode_rows(EXAMPLES[1]) == whole
    alone = tuple(replace(one, judged=None) for one in EXAMPLES[0][:1])
    if isinstance(objective, Likelihood):
        assert objective.encode_rows(alone) == alone


def test_count_is_a_sum_over_examples_and_follows_from_the_data_alone(objective):
    assert objective.count(ROWS) == sum(objective.count(list(one)) for one in EXAMPLES)
    assert objective.count(ROWS) > 0
    assert objective.count([]) == 0


def test_loss_is_a_sum_over_examples(objective):
    """So microbatches and processes may share them out as they like."""
    survey = surveyed(objective, EXAMPLES)
    whole = objective.loss(ROWS, outputs(objective, ROWS, survey))
    parts = [objective.loss(list(one), outputs(objective, list(one), survey)) for one in EXAMPLES]
    torch.testing.assert_close(whole, torch.stack(parts).sum())
    assert whole.shape == ()
    assert torch.isfinite(whole)


def test_the_order_of_examples_does_not_matter(objective):
    survey, turned = surveyed(objective, EXAMPLES), flat(EXAMPLES[::-1])
    torch.testing.assert_close(
        objective.loss(ROWS, outputs(objective, ROWS, survey)),
        objective.loss(turned, outputs(objective, turned, survey)),
    )


def test_the_better_answer_should_have_more(objective):
    rows = list(EXAMPLES[0])
    survey = surveyed(objective, EXAMPLES)
    plain, more = outputs(objective, rows, survey), outputs(objective, rows, survey, better=0.01)
    assert objective.loss(rows, more) < objective.loss(rows, plain)


def test_only_what_is_needed_is_looked_at(objective):
    full = outputs(objective, ROWS, surveyed(objective, EXAMPLES))
    needs = objective.needs
    bare = replace(
        full,
        logps=full.logps if "logps" in needs else torch.full_like(full.logps, math.nan),
        mean_logps=full.mean_logps if "mean_logps" in needs else None,
        scores=full.scores if "scores" in needs else None,
    )
    rows = ROWS
    if "reference" not in needs:
        rows = [replace(one, judged=replace(one.judged, reference=math.nan)) for one in ROWS]
    assert torch.equal(objective.loss(rows, bare), objective.loss(ROWS, full))


def test_every_answer_that_was_compared_gets_a_gradient(objective):
    given = outputs(objective, ROWS, surveyed(objective, EXAMPLES))
    wanted = given.scores if "scores" in objective.needs else given.logps
    (gradient,) = torch.autograd.grad(objective.loss(ROWS, given), wanted)
    assert torch.isfinite(gradient).all()
    told = [not all(map(math.isnan, one.judged.wins)) for one in ROWS]
    moved = gradient != 0
    moved = moved.any(dim=1) if "scores" in objective.needs else moved
    whose = torch.arange(len(ROWS)) if "scores" in objective.needs else given.row
    assert (moved | ~torch.tensor(told)[whose]).all()


def test_nothing_to_learn_from_costs_nothing(objective):
    loss = objective.loss([], outputs(objective, [], surveyed(objective, EXAMPLES)))
    assert loss.item() == 0.0
