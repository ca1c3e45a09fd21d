"""What every objective on comparisons keeps, whatever the answers."""

import math
from dataclasses import replace
from itertools import combinations
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from judged import answers, flat, other, pair, ranked, said, swapped, variants
from madrigal.objectives import Dpo, build_objective
from madrigal.recipe import objective as recipe
from madrigal.tasks.task import Task

TASK = Task("t", "feedback", "accuracy", {})
# Objectives whose loss is a mean over the pairs of an example.
PAIRWISE = {"dpo"}
FORMS = {
    f"{kind.model_fields['kind'].default}-{key}": build_objective(form, TASK)
    for kind in get_args(get_args(recipe.ObjectiveSettings)[0])
    if kind.model_fields["kind"].default in PAIRWISE
    for key, form in {"default": kind(), **variants(kind)}.items()
}
few = settings(max_examples=12, deadline=None)
over_forms = pytest.mark.parametrize("objective", FORMS.values(), ids=FORMS)

seeds = st.integers(0, 10**6)
chances = st.floats(0, 1)
qualities = st.lists(st.integers(0, 3), min_size=2, max_size=5)


def rated(example, seed):
    """The same answers with values."""
    numbers = torch.rand(len(example), generator=torch.Generator().manual_seed(seed)).tolist()
    return tuple(
        replace(one, judged=replace(one.judged, value=value))
        for one, value in zip(example, numbers, strict=True)
    )


def heads(outputs, count=2):
    return replace(outputs, scores=outputs.scores.expand(-1, count) * torch.tensor([1.0, 0.5]))


def loss(objective, rows, seed):
    return objective.loss(list(rows), heads(said(list(rows), seed)))


@over_forms
@few
@given(seeds, chances)
def test_which_answer_comes_first_does_not_matter(objective, seed, wins):
    example = rated(pair(wins, seed), seed)
    torch.testing.assert_close(loss(objective, example, 0), loss(objective, swapped(example), 0))


@over_forms
@few
@given(seeds, chances)
def test_a_soft_label_costs_what_hard_ones_would_on_average(objective, seed, wins):
    hard = [loss(objective, rated(pair(label, seed), seed), 0) for label in (1.0, 0.0)]
    soft = loss(objective, rated(pair(wins, seed), seed), 0)
    torch.testing.assert_close(soft, wins * hard[0] + (1 - wins) * hard[1])


@over_forms
@few
@given(seeds, qualities)
def test_k_answers_cost_the_mean_of_their_pairs_with_its_gradient(objective, seed, quality):
    example = rated(ranked(*quality, seed=seed), seed)
    held = heads(said(list(example)))
    inputs = [held.logps, held.scores]
    whole = objective.loss(list(example), held)
    parts = []
    for i, j in combinations(range(len(example)), 2):
        few = two(example, i, j)
        at = (held.row == i) | (held.row == j)
        some = replace(
            held,
            row=(held.row[at] == j).long(),
            logps=held.logps[at],
            mean_logps=None,
            scores=held.scores[[i, j]],
        )
        parts.append(objective.loss(few, some))
    mean = torch.stack(parts).mean()
    torch.testing.assert_close(whole, mean)
    for one, other_one in zip(gradients(whole, inputs), gradients(mean, inputs), strict=True):
        torch.testing.assert_close(one, other_one)


def two(example, i, j):
    """Two of the answers as an example of their own."""
    picked = []
    for place, k in enumerate((i, j)):
        judged = example[k].judged
        wins = tuple(math.nan if at == k else judged.wins[at] for at in (i, j))
        picked.append(replace(example[k], judged=replace(judged, place=place, wins=wins)))
    return picked


def gradients(value, inputs):
    found = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


@over_forms
@few
@given(st.lists(seeds, min_size=2, max_size=4))
def test_examples_add_up(objective, some):
    examples = [rated(ranked(2, 1, 1, seed=seed), seed) for seed in some]
    parts = [loss(objective, example, 0) for example in examples]
    torch.testing.assert_close(loss(objective, flat(examples), 0), torch.stack(parts).sum())
    counts = [objective.count(list(example)) for example in examples]
    assert objective.count(flat(examples)) == sum(counts) == len(examples)


@over_forms
@few
@given(seeds)
def test_a_tie_of_equal_answers_pulls_neither(objective, seed):
    """Twice the same answer, with the same said of it: equal gradients."""
    (one, _) = rated(answers([[math.nan, 0.5], [0.5, math.nan]], seed), seed)
    twin = replace(one, judged=replace(one.judged, place=1, wins=(0.5, math.nan)))
    held = heads(said([one, twin]))
    for gradient in gradients(objective.loss([one, twin], held), [held.logps, held.scores]):
        first, second = gradient.chunk(2)
        torch.testing.assert_close(first, second)


@given(seeds)
def test_swapping_the_labels_costs_the_reward_margin(seed):
    """Loss at -h minus loss at h is h."""
    objective = Dpo(beta=other(recipe.Dpo, "beta"))
    rows = list(pair(1.0, seed))
    given = said(rows)
    totals = torch.zeros(2, dtype=torch.float64).index_add(0, given.row, given.logps)
    ratios = totals - torch.tensor([one.judged.reference for one in rows], dtype=torch.float64)
    margin = objective.beta * (ratios[0] - ratios[1])
    wrong, right = objective.loss(list(pair(0.0, seed)), given), objective.loss(rows, given)
    torch.testing.assert_close(wrong - right, margin)
    (gradient,) = torch.autograd.grad(right, given.logps)
    expected = -objective.beta * torch.sigmoid(-margin) * (1 - 2 * given.row)
    torch.testing.assert_close(gradient, expected)
