"""Length debiasing against autograd of the correlation over the whole step at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from judged import flat, pair, ranked, said
from madrigal.objectives import Outputs, Reward
from madrigal.tasks.encoded import Encoded, Judged

EXAMPLES = [
    pair(1.0, seed=1), ranked(2, 0, 1, seed=2), pair(0.5, seed=3), ranked(1, 1, 3, 0, seed=4),
]  # fmt: skip
WEIGHT = 0.7
OBJECTIVE = Reward(length_debias=WEIGHT)


def naive(rows, scores, examples):
    """Pearson's correlation by torch, with its gradient."""
    lengths = torch.tensor([row.answer_tokens for row in rows], dtype=torch.float64)

    def rho(head):
        return torch.corrcoef(torch.stack([scores[:, head], lengths]))[0, 1]

    sums = replace(said(rows), scores=scores.sum(dim=1, keepdim=True))
    return Reward().loss(rows, sums) + WEIGHT * examples * (rho(0).abs() - rho(1))


def surveyed(parts):
    return torch.stack([OBJECTIVE.survey(list(one), out) for one, out in parts]).sum(0)


@pytest.mark.parametrize("sign", [1, -1])  # of the correlation of the quality head
@pytest.mark.parametrize("cut", [1, 2, 4])
def test_in_any_number_of_parts(cut, sign):
    rows = flat(EXAMPLES)
    scores = sign * said(rows, heads=2).scores
    expected = naive(rows, scores, len(EXAMPLES))
    (gradient,) = torch.autograd.grad(expected, scores)

    parts, start = [], 0
    for some in np.array_split(np.arange(len(EXAMPLES)), cut):
        few = flat([EXAMPLES[i] for i in some])
        parts.append((few, replace(said(few), scores=scores[start : start + len(few)])))
        start += len(few)
    survey = surveyed(parts)
    losses = [OBJECTIVE.loss(few, replace(out, survey=survey)) for few, out in parts]
    whole = torch.stack(losses).sum()
    torch.testing.assert_close(whole, expected)
    torch.testing.assert_close(torch.autograd.grad(whole, scores)[0], gradient)


def test_equal_lengths_or_scores_do_not_divide_by_zero():
    rows = list(pair(1.0, seed=1, lengths=[3, 3]))
    scores = torch.zeros(2, 2, requires_grad=True)
    given = Outputs(torch.zeros(0, dtype=torch.int64), torch.zeros(0), scores=scores)
    value = OBJECTIVE.loss(rows, replace(given, survey=OBJECTIVE.survey(rows, given)))
    (gradient,) = torch.autograd.grad(value, scores)
    assert value.isfinite()
    assert gradient.isfinite().all()


# Annotators like good answers, and long ones twice as much: good and length are independent.
COUNT, LIKE_LENGTH = 600, 2.0


def planted():
    chance = np.random.default_rng(0)
    good = chance.normal(size=(COUNT, 2))
    lengths = chance.integers(1, 60, (COUNT, 2))
    spread = (lengths - lengths.mean()) / lengths.std()
    better = good[:, 0] - good[:, 1] + LIKE_LENGTH * (spread[:, 0] - spread[:, 1])
    wins = chance.random(COUNT) < 1 / (1 + np.exp(-3 * better))
    rows = []
    for n in range(COUNT):
        chances = (float(wins[n]), float(not wins[n]))
        for place in (0, 1):
            trained = np.ones(int(lengths[n, place]) + 1, dtype=bool)
            trained[0] = False
            said_of = [float("nan"), float("nan")]
            said_of[1 - place] = chances[place]
            tokens = np.zeros(len(trained), dtype=np.int64)
            rows.append(Encoded(tokens, trained, judged=Judged(place, tuple(said_of))))
    features = torch.tensor(np.stack([good, spread], axis=2).reshape(-1, 2))
    return rows, features, good, lengths


def fitted(objective, rows, features):
    """Heads on the two features, fitted to the loss."""
    torch.manual_seed(0)
    heads = (0.1 * torch.randn(2, objective.heads, dtype=torch.float64)).requires_grad_()
    optimiser = torch.optim.Adam([heads], lr=0.1)
    empty = torch.zeros(0, dtype=torch.float64)
    for _ in range(60):
        given = Outputs(torch.zeros(0, dtype=torch.int64), empty, scores=features @ heads)
        given = replace(given, survey=objective.survey(rows, given))
        loss = objective.loss(rows, given) / objective.count(rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (features @ heads.detach())[:, 0].reshape(-1, 2).numpy()


def test_a_shortcut_by_length_is_taken_without_and_not_with_it():
    """On pairs in which the shorter answer is the better one."""
    rows, features, good, lengths = planted()
    against = (good[:, 0] > good[:, 1]) != (lengths[:, 0] > lengths[:, 1])

    def right(scores):
        found = (scores[:, 0] > scores[:, 1]) == (good[:, 0] > good[:, 1])
        return float(found[against].mean())

    assert right(fitted(Reward(), rows, features)) < 0.5
    assert right(fitted(OBJECTIVE, rows, features)) > 0.9
