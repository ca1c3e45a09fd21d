"""Preferences on a bandit of eight arms, where every optimum is known.

One prompt, an answer is one of eight arms with reward r. Two different arms are drawn from the
reference pi_ref and i is preferred to j with chance P = sigma(r_i - r_j), of which a share may be
flipped. All expectations are exact, in float64. The optimum of KL-regularised reward is

    pi* ~ pi_ref exp(r / beta),    J(pi) = E_pi[r] - beta KL(pi, pi_ref),    beta = 1/2.

Each loss is minimised by Newton's method on the eight logits. TABLE says where it should end: TV is
half the sum of |pi - pi*|, both numbers to within TOLERANCE, known from 6,000 steps of Adam.
"""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from bandit import ARMS, BEST, BETA, REFERENCE, REWARD, kl, tv
from judged import flat, pair, ranked
from madrigal.objectives import Dpo, Ipo, Kto, Outputs, RatingDifference, Reward

pytestmark = pytest.mark.usefixtures("unchecked")

TOLERANCE = 0.002
PAIRS = list(combinations(range(ARMS), 2))
ARM_OF = torch.tensor(PAIRS).flatten()  # of each row
DRAWN = torch.tensor([REFERENCE[i] * REFERENCE[j] for i, j in PAIRS for _ in range(2)])

TABLE = {  # objective, share of flips, TV, J
    "DPO": (Dpo(BETA), 0.0, 0.0, -0.0122),
    "DPO, flips": (Dpo(BETA), 0.2, 0.2173, -0.0984),
    "cDPO, flips": (Dpo(BETA, smoothing=0.2), 0.2, 0.2982, -0.1937),
    "rDPO, flips": (Dpo(BETA, flip_rate=0.2), 0.2, 0.0, -0.0122),
    "rDPO with another rate, flips": (Dpo(BETA, flip_rate=0.1), 0.2, 0.1586, -0.0516),
    "cDPO": (Dpo(BETA, smoothing=0.1), 0.0, 0.1341, -0.0390),
    "IPO": (Ipo(BETA), 0.0, 0.3508, -0.2448),
    "rating difference": (RatingDifference(BETA, float(np.ptp(REWARD))), 0.0, 0.0, -0.0122),
}


def chances(flips=0.0):
    """P(i better than j) as labelled."""
    clean = 1 / (1 + np.exp(REWARD[None, :] - REWARD[:, None]))
    return (1 - flips) * clean + flips * (1 - clean)


def rows_of(wins):
    """Every two arms once: an answer is one token."""
    scaled = (REWARD - REWARD.min()) / np.ptp(REWARD)
    examples = [
        pair(
            float(wins[i, j]),
            lengths=[1, 1],
            reference=np.log(REFERENCE[[i, j]]).tolist(),
            value=scaled[[i, j]].tolist(),
        )
        for i, j in PAIRS
    ]
    return flat(examples)


def newton(objective, rows, outputs, start, steps=40):
    """Where the gradient of the expected loss is zero; `outputs` of the parameters by row.

    An objective sums over pairs. The gradient that reaches a pair's rows is multiplied by how often
    the pair is drawn, which makes the sum an expectation.
    """
    at = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        given, reached = outputs(at)
        (apart,) = torch.autograd.grad(objective.loss(rows, given), reached, create_graph=True)
        weighted = apart * DRAWN.reshape(-1, *[1] * (apart.dim() - 1))
        (slope,) = torch.autograd.grad(reached, at, weighted, create_graph=True)
        if slope.abs().max() < 1e-13:
            return at.detach().numpy()
        second = [torch.autograd.grad(one, at, retain_graph=True)[0] for one in slope]
        move = torch.linalg.lstsq(torch.stack(second), slope, driver="gelsd").solution
        at = (at - move.detach()).detach().requires_grad_()
    raise AssertionError("no end was reached")


def of_policy(logits):
    reached = logits.log_softmax(0)[ARM_OF]
    return Outputs(torch.arange(len(ARM_OF)), reached), reached


def of_scores(scores):
    reached = scores[ARM_OF][:, None]
    empty = torch.zeros(0, dtype=torch.float64)
    return Outputs(torch.zeros(0, dtype=torch.int64), empty, scores=reached), reached


def policy(objective, wins):
    logits = newton(objective, rows_of(wins), of_policy, np.log(REFERENCE))
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def test_the_table_is_of_this_bandit():
    value = float(BEST @ REWARD) - BETA * kl(BEST)
    assert kl(BEST) == pytest.approx(0.7810, abs=1e-4)
    assert value == pytest.approx(-0.012182, abs=1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_the_optimum(name):
    objective, flips, distance, value = TABLE[name]
    found = policy(objective, chances(flips))
    assert tv(found, BEST) == pytest.approx(distance, abs=TOLERANCE)
    assert found @ REWARD - BETA * kl(found) == pytest.approx(value, abs=TOLERANCE)
    if not distance:
        assert tv(found, BEST) < 1e-6


def test_dpo_begins_at_ln_2():
    rows = rows_of(chances())
    given, _ = of_policy(torch.tensor(np.log(REFERENCE)))
    assert Dpo(BETA).loss(rows, given).item() / len(PAIRS) == pytest.approx(np.log(2), abs=1e-12)


@pytest.mark.parametrize(
    "wins", [chances(), (REWARD[:, None] > REWARD) + 0.0], ids=["soft", "sure"]
)
def test_ipo_has_an_optimum_of_its_own(wins):
    """log pi / pi_ref = E_{j ~ pi_ref}[P(i better than j)] / beta + constant, also for sure labels,
    where DPO would go on to the best arm alone."""
    wins = wins + np.eye(ARMS) * (0.5 - wins.diagonal())
    expected = REFERENCE * np.exp(wins @ REFERENCE / BETA)
    expected /= expected.sum()
    found = policy(Ipo(BETA), wins)
    assert tv(found, expected) < 1e-9
    if set(np.unique(wins)) == {0.0, 0.5, 1.0}:
        assert kl(found) == pytest.approx(0.147, abs=TOLERANCE)


@pytest.mark.parametrize("by", ["thumbs", "thresholded ratings"])
def test_kto_raises_every_good_arm_above_every_bad_one(by):
    """Arms above the median reward are good. Expected gradients, and the exact KL as baseline."""
    good = np.median(REWARD) < REWARD
    scaled = (REWARD - REWARD.min()) / np.ptp(REWARD)
    said, threshold = (good.astype(float), 0.5) if by == "thumbs" else (scaled, np.median(scaled))
    rows = flat(
        ranked(1, lengths=[1], value=[one], reference=[known])
        for one, known in zip(said.tolist(), np.log(REFERENCE).tolist(), strict=True)
    )
    objective = Kto(BETA, threshold=float(threshold))
    assert objective.count(rows) == ARMS
    logits = torch.tensor(np.log(REFERENCE), requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.02)
    drawn = torch.tensor(REFERENCE)
    for _ in range(300):
        reached = logits.log_softmax(0)
        shares = reached.detach().exp()
        survey = torch.stack([(shares * (reached.detach() - drawn.log())).sum(), drawn.sum()])
        given = Outputs(torch.arange(ARMS), reached, survey=survey)
        (apart,) = torch.autograd.grad(objective.loss(rows, given), reached, retain_graph=True)
        optimiser.zero_grad()
        reached.backward(apart * drawn)
        optimiser.step()
    found = torch.softmax(logits.detach(), 0).numpy()
    ratios = np.log(found / REFERENCE)
    assert ratios[good].min() > 0 > ratios[~good].max()
    assert found[good].sum() > REFERENCE[good].sum() + 0.3
    assert found @ REWARD > REFERENCE @ REWARD + 0.1


# Of the rewards that are learnt: objective, flips, slope on the true ones (None: smaller than 0.7).
REWARDS = {
    "Bradley-Terry": (Reward(centring=0.0), 0.0, 1.0),
    "Bradley-Terry, flips": (Reward(centring=0.0), 0.2, None),
    "flip-corrected, flips": (Reward(centring=0.0, flip_rate=0.2), 0.2, 1.0),
    "soft labels from ratings": (
        Reward(centring=0.0, temperature=1.0, scale=float(np.ptp(REWARD))), 0.0, 1.0,
    ),
    "regression": (Reward(compare=0.0, regress=1.0, scale=float(np.ptp(REWARD))), 0.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_model_finds_order_and_scale(name):
    objective, flips, slope = REWARDS[name]
    labels = chances(flips)
    rows = rows_of((REWARD[:, None] > REWARD) + 0.0 if "ratings" in name else labels)
    found = newton(objective, rows, of_scores, np.zeros(ARMS))
    assert kendalltau(found, REWARD).statistic == pytest.approx(1)
    if slope is None:
        assert np.polyfit(REWARD, found, 1)[0] < 0.7
    else:
        np.testing.assert_allclose(found - found.mean(), REWARD - REWARD.mean(), atol=1e-9)


def test_centring_costs_a_little_scale_where_answers_meet_often():
    found = newton(Reward(centring=0.01), rows_of(chances()), of_scores, np.zeros(ARMS))
    slope = np.polyfit(REWARD, found, 1)[0]
    assert 0.5 < slope < 1
