"""The loss and its gradient against torch's cross_entropy over full logits."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from madrigal.objectives import Likelihood, Outputs
from madrigal.tasks.encoded import Encoded

VOCABULARY = 11


@pytest.fixture
def batch():
    chance = np.random.default_rng(0)
    rows = []
    for length in (7, 4, 9, 5):
        trained = chance.random(length) < 0.6
        trained[0], trained[-1] = False, True
        rows.append(Encoded(chance.integers(0, VOCABULARY, length), trained))
    chance = torch.Generator().manual_seed(0)
    logits = [torch.randn(r.length, VOCABULARY, generator=chance).double() * 3 for r in rows]
    return rows, [each.requires_grad_() for each in logits]


def outputs(rows, logits):
    """As the model does it: the logits before each trained token, in row order."""
    row, logps, means = [], [], []
    for index, (encoded, table) in enumerate(zip(rows, logits, strict=True)):
        for position in np.flatnonzero(encoded.trained).tolist():
            distribution = table[position - 1].log_softmax(-1)
            row.append(index)
            logps.append(distribution[encoded.tokens[position]])
            means.append(distribution.mean())
    return Outputs(torch.tensor(row), torch.stack(logps), torch.stack(means))


def shifted(encoded, table):
    labels = torch.tensor(np.where(encoded.trained, encoded.tokens, -100)[1:])
    return table[:-1], labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_tokens(batch, smoothing):
    rows, logits = batch
    objective = Likelihood("tokens", smoothing)
    ours = objective.loss(rows, outputs(rows, logits)) / objective.count(rows)
    pairs = [shifted(*pair) for pair in zip(rows, logits, strict=True)]
    theirs = cross_entropy(
        torch.cat([p[0] for p in pairs]),
        torch.cat([p[1] for p in pairs]),
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(ours, theirs)
    for one, two in zip(
        torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits), strict=True
    ):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_examples(batch, smoothing):
    rows, logits = batch
    objective = Likelihood("examples", smoothing)
    ours = objective.loss(rows, outputs(rows, logits)) / objective.count(rows)
    theirs = torch.stack(
        [
            cross_entropy(*shifted(*pair), label_smoothing=smoothing)
            for pair in zip(rows, logits, strict=True)
        ]
    ).mean()
    torch.testing.assert_close(ours, theirs)


def test_a_model_that_knows_nothing_pays_the_logarithm_of_the_vocabulary(batch):
    rows, _ = batch
    flat = [torch.zeros(row.length, VOCABULARY).double() for row in rows]
    for objective in (Likelihood(), Likelihood("examples"), Likelihood("tokens", 0.3)):
        loss = objective.loss(rows, outputs(rows, flat)) / objective.count(rows)
        assert loss.item() == pytest.approx(np.log(VOCABULARY))
