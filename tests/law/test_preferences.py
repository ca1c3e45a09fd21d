"""What every objective on comparisons keeps, whatever the answers."""

import math
from dataclasses import replace
from itertools import combinations
from typing import get_args

import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st

from judged import answers, flat, other, pair, ranked, said, swapped, variants
from madrigal.objectives import Dpo, build_objective
from madrigal.recipe import objective as recipe
from madrigal.tasks.task import Task

TASK = Task("t", "feedback", "accuracy", {})
# Objectives whose loss is a mean over the pairs of an example, with each key at another value.
PAIRWISE = {"dpo", "ipo", "orpo", "simpo", "rating_difference", "correction", "reward"}
FORMS = {
    f"{kind.model_fields['kind'].default}-{key}": build_objective(form, TASK)
    for kind in get_args(get_args(recipe.ObjectiveSettings)[0])
    if kind.model_fields["kind"].default in PAIRWISE
    for key, form in {"default": kind(), **variants(kind)}.items()
    if key != "length_debias"  # a correlation over the whole step
}

few = settings(max_examples=5, deadline=None)
seeds = st.integers(0, 10**6)
chances = st.floats(0, 1)
qualities = st.lists(st.integers(0, 3), min_size=2, max_size=5)


def forms():
    for name, objective in FORMS.items():
        note(name)
        yield objective


def rated(example, seed):
    """The same answers with values and margins."""
    chance = torch.Generator().manual_seed(seed)
    columns = torch.rand(2, len(example), generator=chance).tolist()
    return tuple(
        replace(one, judged=replace(one.judged, value=value, margin=margin))
        for one, value, margin in zip(example, *columns, strict=True)
    )


def test_all_objectives_on_comparisons_are_here():
    assert {name.partition("-")[0] for name in FORMS} == PAIRWISE


@few
@given(seeds, chances)
def test_which_answer_comes_first_does_not_matter(seed, wins):
    example = rated(pair(wins, seed), seed)
    rows, turned = list(example), list(swapped(example))
    one, two = said(rows), said(turned)
    for objective in forms():
        torch.testing.assert_close(objective.loss(rows, one), objective.loss(turned, two))


@few
@given(seeds, chances)
def test_a_soft_label_costs_what_hard_ones_would_on_average(seed, wins):
    right, wrong, soft = (list(rated(pair(label, seed), seed)) for label in (1.0, 0.0, wins))
    given = said(soft)
    for objective in forms():
        mean = wins * objective.loss(right, given) + (1 - wins) * objective.loss(wrong, given)
        torch.testing.assert_close(objective.loss(soft, given), mean)


@few
@given(seeds, qualities)
def test_k_answers_cost_the_mean_of_their_pairs_with_its_gradient(seed, quality):
    example = rated(ranked(*quality, seed=seed), seed)
    held = said(list(example))
    inputs = [held.logps, held.scores]
    apart = [
        (two(example, i, j), of_two(held, i, j)) for i, j in combinations(range(len(example)), 2)
    ]
    for objective in forms():
        whole = objective.loss(list(example), held)
        mean = torch.stack([objective.loss(*part) for part in apart]).mean()
        torch.testing.assert_close(whole, mean)
        for one, same in zip(gradients(whole, inputs), gradients(mean, inputs), strict=True):
            torch.testing.assert_close(one, same)


def two(example, i, j):
    """Two of the answers as an example of their own."""
    picked = []
    for place, k in enumerate((i, j)):
        judged = example[k].judged
        wins = tuple(math.nan if at == k else judged.wins[at] for at in (i, j))
        picked.append(replace(example[k], judged=replace(judged, place=place, wins=wins)))
    return picked


def of_two(held, i, j):
    """What the model says of these two."""
    at = (held.row == i) | (held.row == j)
    return replace(
        held,
        row=(held.row[at] == j).long(),
        logps=held.logps[at],
        mean_logps=None,
        scores=held.scores[[i, j]],
    )


def gradients(value, inputs):
    found = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]


@few
@given(st.lists(seeds, min_size=2, max_size=4))
def test_examples_add_up(some):
    examples = [list(rated(ranked(2, 1, 1, seed=seed), seed)) for seed in some]
    whole = flat(examples)
    apart, together = [said(example) for example in examples], said(whole)
    for objective in forms():
        parts = [objective.loss(*part) for part in zip(examples, apart, strict=True)]
        torch.testing.assert_close(objective.loss(whole, together), torch.stack(parts).sum())
        counts = [objective.count(example) for example in examples]
        assert objective.count(whole) == sum(counts) == len(examples)


@few
@given(seeds)
def test_a_tie_of_equal_answers_pulls_neither(seed):
    """Twice the same answer, with the same said of it: equal gradients."""
    (one, _) = rated(answers([[math.nan, 0.5], [0.5, math.nan]], seed), seed)
    twin = replace(one, judged=replace(one.judged, place=1, wins=(0.5, math.nan)))
    held = said([one, twin])
    for objective in forms():
        for gradient in gradients(objective.loss([one, twin], held), [held.logps, held.scores]):
            first, second = gradient.chunk(2)
            torch.testing.assert_close(first, second)


@few
@given(seeds)
def test_swapping_the_labels_costs_the_reward_margin(seed):
    """Loss at -h minus loss at h is h, and the gradient is -beta sigma(-h)."""
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
