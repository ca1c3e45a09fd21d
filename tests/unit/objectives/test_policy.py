import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.errors import RunStopped
from madrigal.objectives import Outputs, Policy
from madrigal.objectives.policy import in_loss
from madrigal.tasks.encoded import Acted, Encoded


def answer(old, advantage, **more):
    """A prompt of one token and an answer of these."""
    size = len(old)
    parts = {name: np.array(values, dtype=float) for name, values in more.items()}
    acted = Acted(np.array(old, dtype=float), np.array(advantage, dtype=float), **parts)
    return Encoded(np.arange(size + 1), np.arange(size + 1) > 0, acted=acted)


def said(rows, moved=(), values=None):
    """Outputs that are away from the old ones by `moved`, in nats."""
    old = torch.tensor(np.concatenate([row.acted.old for row in rows]))
    owner = [i for i, row in enumerate(rows) for _ in range(row.answer_tokens)]
    return Outputs(
        torch.tensor(owner),
        (old + torch.tensor(moved) if len(moved) else old).requires_grad_(),
        values=None if values is None else torch.tensor(values, dtype=torch.float64),
    )


ROWS = [answer([-1.0, -2.0], [1.0, -1.0]), answer([-0.5], [2.0])]
MOVED = [math.log(1.5), math.log(0.5), math.log(0.9)]


def loss(objective, rows=ROWS, moved=MOVED, **more):
    return objective.loss(rows, said(rows, moved, **more)).item()


def test_where_nothing_has_moved_it_is_minus_the_advantages():
    assert loss(Policy(), moved=[0.0] * 3) == pytest.approx(-2.0)


def test_the_gradient_at_the_start_is_reinforce():
    for objective in (Policy(), Policy(clip=None), Policy(dual_clip=3.0)):
        given = said(ROWS)
        objective.loss(ROWS, given).backward()
        np.testing.assert_allclose(given.logps.grad, [-1, 1, -2])


def fresh(*allowed):
    """Rows that were just written, or not (None), each with what rounding explains."""
    return [
        replace(row, acted=replace(row.acted, fresh=most))
        for row, most in zip(ROWS, allowed, strict=True)
    ]


@pytest.mark.parametrize("objective", [Policy(), Policy(clip=None, ratio="answers")])
def test_a_first_ratio_other_than_one_ends_the_stage(objective):
    off = [0.0, math.log(1.02), 0.0]
    sentence = (
        r"the ratio is off by 0\.02 where rounding explains 0\.001; .* between the two passes"
    )
    with pytest.raises(RunStopped, match=sentence):
        loss(objective, fresh(1e-3, 1e-3), off)
    with pytest.raises(RunStopped, match=r"off by 0\.5"):
        loss(objective, fresh(1e-3, 1e-3), [0.0, 0.0, math.log(0.5)])
    loss(objective, fresh(1e-3, 1e-3), [5e-4, -5e-4, 0.0])  # rounding
    loss(objective, fresh(1e-3, None), off)  # learnt from before: the weights have moved
    with torch.no_grad():  # a look at a loss that nothing is trained by
        objective.loss(
            fresh(1e-3, 1e-3), replace(said(ROWS, off), logps=said(ROWS, off).logps.detach())
        )


def test_a_critic_without_values_is_told():
    with pytest.raises(ValueError, match="trains a critic, and the model gave no values"):
        loss(Policy(value=0.1))
    known = {"value": [0.0, 0.0], "returns": [1.0, 1.0]}
    rows = [answer([-1.0, -2.0], [1.0, -1.0], **known)]
    assert loss(Policy(value=0.1), rows, [0.0, 0.0], values=[0.0, 0.0]) == pytest.approx(0.1)
    bare = [answer([-1.0, -2.0], [1.0, -1.0], value=[0.0, 0.0])]
    with pytest.raises(ValueError, match="needs the returns of each row"):
        loss(Policy(value=0.1), bare, [0.0, 0.0], values=[0.0, 0.0])


def test_clipped_by_hand():
    # rho A: 1.5 is cut to 1.2; -0.5 would gain, and is cut to -0.8; 1.8 is inside.
    assert loss(Policy(clip=0.2)) == pytest.approx(-1.2 + 0.8 - 1.8)
    assert loss(Policy(clip=None)) == pytest.approx(-1.5 + 0.5 - 1.8)
    assert loss(Policy(clip=0.2, clip_high=0.6)) == pytest.approx(-1.5 + 0.8 - 1.8)


def test_what_was_cut_has_no_gradient():
    given = said(ROWS, MOVED)
    Policy(clip=0.2).loss(ROWS, given).backward()
    np.testing.assert_allclose(given.logps.grad, [0, 0, -1.8])


def test_twice_clipped():
    rows = [answer([-1.0], [-1.0])]
    assert loss(Policy(), rows, [math.log(5)]) == pytest.approx(5.0)
    assert loss(Policy(dual_clip=3.0), rows, [math.log(5)]) == pytest.approx(3.0)


def test_whole_answers():
    rows = [answer([-1.0, -2.0], [1.0, 1.0]), answer([-0.5], [2.0])]
    objective = Policy(clip=None, ratio="answers")
    assert loss(objective, rows) == pytest.approx(-0.75 - 1.8)
    assert (objective.count(rows), Policy().count(rows)) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("penalty", "cost"),
    [
        ("k2", math.log(1.5) ** 2 / 2),
        ("k3", 1 / 1.5 - 1 + math.log(1.5)),
        ("k3_ratio", 1.5 * (1 / 1.5 - 1 + math.log(1.5))),
    ],
)
def test_penalties_in_the_loss(penalty, cost):
    rows = [answer([-1.0], [0.0], reference=[-1.0])]
    objective = Policy(clip=None, penalty=penalty, beta=2.0)
    assert loss(objective, rows, [math.log(1.5)]) == pytest.approx(2 * cost)


def test_k3_is_the_divergence_on_average_and_k2_is_not():
    chances = np.random.default_rng(0).dirichlet(np.ones(6), size=2)
    policy, reference = torch.from_numpy(chances)
    away = (policy / reference).log()
    exact = float(policy @ away)
    assert float(policy @ in_loss(away, torch.zeros(6), "k3")) == pytest.approx(exact)
    assert float(policy @ in_loss(away, torch.zeros(6), "k2")) != pytest.approx(exact)


def test_k3_keeps_its_sign_near_0():
    away = torch.tensor([1e-9, -1e-9], dtype=torch.float64)
    assert (in_loss(away, torch.zeros(2), "k3") >= 0).all()


def test_a_critic():
    rows = [answer([-1.0, -1.0], [0.0, 0.0], value=[1.0, 1.0], returns=[2.0, 0.5])]
    # 1.5 may count as 1.2 at most, and the larger error counts; 0.9 is near enough.
    expected = (0.8**2 + 0.4**2) / 2
    found = loss(Policy(value=1.0), rows, [0.0, 0.0], values=[1.5, 0.9])
    assert found == pytest.approx(expected)
    plain = loss(Policy(value=0.5, value_clip=None), rows, [0.0, 0.0], values=[1.5, 0.9])
    assert plain == pytest.approx(0.5 * (0.5**2 + 0.4**2) / 2)
    assert Policy(value=1.0).needs == {"logps", "values"}
    assert Policy().needs == {"logps"}


def test_far_away_stays_finite():
    given = said(ROWS, [800.0, -800.0, 800.0])
    found = Policy(clip=None, penalty="none").loss(ROWS, given)
    found.backward()
    assert math.isfinite(found.item())
    assert given.logps.grad.isfinite().all()


def test_eight_at_once_or_one_by_one():
    rows = [answer([-1.0 - i, -0.5], [i - 3.0, 1.0], reference=[-1.1, -0.4]) for i in range(8)]
    moved = np.random.default_rng(0).normal(0, 0.3, 16)
    for objective in (Policy(penalty="k3", beta=0.1), Policy(ratio="answers")):
        whole = loss(objective, rows, moved.tolist())
        each = [loss(objective, [row], moved[2 * i : 2 * i + 2]) for i, row in enumerate(rows)]
        assert whole == pytest.approx(sum(each))


def test_what_is_missing_is_said():
    plain = [replace(ROWS[0], acted=None)]
    with pytest.raises(ValueError, match=r"^this objective learns from answers of the model's own"):
        Policy().loss(plain, said(ROWS[:1]))
    with pytest.raises(ValueError, match=r"needs the log-probabilities of a reference of each row"):
        loss(Policy(penalty="k2", beta=0.1))
    with pytest.raises(ValueError, match=r"^this objective trains a critic, and the model gave no"):
        loss(Policy(value=0.1))
    with pytest.raises(ValueError, match=r"needs the returns of each row, and a row has none$"):
        loss(Policy(value=0.1), values=[0.0, 0.0, 0.0])


def test_answers_that_are_learnt_once_are_as_likely_as_they_are_whatever_writing_said():
    """Without the rounding of another pass in the ratio; the gradient is REINFORCE's exactly."""
    rows = fresh(1e-2, 1e-2)
    given = said(rows, [4e-3, -4e-3, 2e-3])
    Policy(once=True, penalty="k2", beta=0.0).loss(
        [replace(row, acted=replace(row.acted, reference=row.acted.old)) for row in rows], given
    ).backward()
    np.testing.assert_array_equal(given.logps.grad, [-1, 1, -2])
    given = said(rows, [4e-3, -4e-3, 2e-3])
    Policy().loss(ROWS, given).backward()
    assert not np.array_equal(given.logps.grad, [-1, 1, -2])


def test_writing_that_was_off_on_the_mean_ends_the_stage():
    with pytest.raises(RunStopped, match=r"the ratio is off by 0\.03 where rounding explains 0\.0"):
        loss(Policy(once=True), fresh(2e-2, 2e-2), [math.log(1.03), math.log(0.97), math.log(1.03)])
    loss(Policy(once=True), fresh(2e-2, 2e-2), [math.log(1.03), 0.0, 0.0])  # one token of three
