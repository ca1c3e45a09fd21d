"""Balancers by gradient against TorchJD 0.18, general solvers and their own definitions.

Where TorchJD stops early or smooths, it is asked for its most exact; where that is still coarse
(MGDA, Nash-MTL, CAGrad, FairGrad), a general solver or the conditions of the optimum are the sharp
oracle and TorchJD a second one. Updates w' J are compared, for weights are not unique when
gradients are dependent. Conventions that differ, and are taken out here:

- TorchJD sums over tasks in PCGrad and GradVac, this package averages;
- CAGrad is divided by 1 + c, IMTL-G by the sum of the weights without sign, Nash-MTL and FairGrad
  by what orthogonal gradients would get;
- orders of PCGrad and GradVac: TorchJD is handed those of this package.
"""

import cvxpy
import numpy as np
import pytest
import torch
from qpsolvers import solve_qp
from torchjd import aggregation as peer
from torchjd.linalg import QuadprogProjector

from gramians import DEGENERATE, conflicting, leaning, normal, seen, stationary
from madrigal.balancing import build_balancer
from madrigal.balancing.orders import orders
from madrigal.recipe import balance_by_gradient as recipe

RANDOM = {
    f"{family.__name__} {count} x {width}": family(count, width, seed=count)
    for family in (normal, leaning, conflicting)
    for count, width in ((2, 5), (3, 4), (5, 30), (8, 9), (16, 40))
}
DEPENDENT = {
    f"rank {rank} of {count}": normal(count, 20, rank=rank, seed=rank)
    for count, rank in ((3, 2), (6, 3), (10, 1), (16, 7))
} | {f"stationary {count}": stationary(count, 12, seed=count) for count in (2, 4, 8)}
# Rows of zeros take no part here; TorchJD lets them (their case is in law/test_balancers.py).
CASES = RANDOM | DEPENDENT | {k: np.array(v) for k, v in DEGENERATE.items() if "zero" not in k}
# TorchJD adds to the Gramian as a whole, which drowns a row that is 1e7 times shorter than others;
# the conditions of an optimum, and linearity in the scales, are tested on these too.
ALIKE = {k: v for k, v in CASES.items() if k not in ("tiny row", "huge row")}
# For gradients in single precision this package drops directions that TorchJD keeps in double.
CLEAR = {k: v for k, v in ALIKE.items() if k != "nearly opposite"}


def cases(matrices):
    return pytest.mark.parametrize("jacobian", matrices.values(), ids=matrices.keys())


def ours(settings, jacobian):
    return build_balancer(settings).weights(seen(jacobian)).numpy()


def theirs(weighting, jacobian):
    matrix = torch.from_numpy(jacobian)
    return weighting(matrix @ matrix.T).numpy()


def size(jacobian):
    return np.linalg.norm(jacobian, axis=1).max()


def projector(jacobian):
    """TorchJD's projector without its smoothing, as far as quadprog bears it."""
    return QuadprogProjector(norm_eps=0.0, reg_eps=1e-12 * len(jacobian))


def close(jacobian, first, second, tolerance=1e-6):
    np.testing.assert_allclose(first @ jacobian, second @ jacobian, atol=tolerance * size(jacobian))


@cases(ALIKE)
def test_upgrad(jacobian):
    peers = peer.UPGradWeighting(projector=projector(jacobian))
    close(jacobian, ours(recipe.UpGrad(), jacobian), theirs(peers, jacobian))


@cases(ALIKE)
def test_dualproj(jacobian):
    peers = peer.DualProjWeighting(projector=projector(jacobian))
    close(jacobian, ours(recipe.DualProj(), jacobian), theirs(peers, jacobian))


@cases(CASES)
def test_the_quadratic_program_keeps_the_conditions_of_an_optimum(jacobian):
    weights, count = ours(recipe.DualProj(), jacobian), len(jacobian)
    lengths = np.linalg.norm(jacobian, axis=1)
    gains, more = jacobian @ (weights @ jacobian), weights - 1 / count
    scale = lengths * size(jacobian)
    assert (more >= 0).all()
    assert (gains >= -1e-9 * scale).all()
    assert np.abs(more * gains).max() <= 1e-9 * size(jacobian) ** 2


@cases(CASES)
def test_mgda_by_a_general_solver(jacobian):
    count = len(jacobian)
    scaled = jacobian / size(jacobian)
    gramian = scaled @ scaled.T + 1e-13 * np.eye(count)
    expected = solve_qp(
        gramian, np.zeros(count), A=np.ones((1, count)), b=np.ones(1), lb=np.zeros(count),
        solver="quadprog",
    )  # fmt: skip
    close(jacobian, ours(recipe.Mgda(), jacobian), expected)


@cases(CASES)
def test_mgda(jacobian):
    found = ours(recipe.Mgda(), jacobian)
    peers = theirs(peer.MGDAWeighting(epsilon=1e-9, max_iters=300), jacobian)
    mine, other = np.linalg.norm(found @ jacobian), np.linalg.norm(peers @ jacobian)
    assert mine <= other + 1e-9 * size(jacobian)
    # Frank and Wolfe's steps come near only slowly, but for two tasks they are exact.
    assert other - mine <= (1e-9 if len(jacobian) == 2 else 0.05) * size(jacobian)


@pytest.fixture
def handed(monkeypatch):
    """Make TorchJD's PCGrad and GradVac meet tasks in given orders, one a task."""

    def hand(rows):
        waiting = iter(rows)
        monkeypatch.setattr(torch, "randperm", lambda _: torch.tensor(next(waiting)))

    return hand


@cases(CASES)
def test_pcgrad(jacobian, handed):
    view = seen(jacobian)
    found = build_balancer(recipe.PcGrad()).weights(view).numpy()
    handed(orders(view, view.tasks, "pcgrad").tolist())
    np.testing.assert_allclose(
        found * len(jacobian), theirs(peer.PCGradWeighting(), jacobian), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("count", [2, 3, 8, 16])
def test_gradvac_over_many_steps(count, handed):
    balancer = build_balancer(recipe.GradVac(rate=0.3))
    peers = peer.GradVacWeighting(beta=0.3, eps=0.0)
    turned = 0
    for step in range(12):
        jacobian = normal(count, 30, seed=step) + (1.5 if step < 6 else 0.0) * normal(1, 30)
        view = seen(jacobian, step=step)
        met = orders(view, view.tasks, "gradvac")
        # TorchJD draws places among the others, not tasks.
        handed([[j - (j > i) for j in row] for i, row in enumerate(met.tolist())])
        found = balancer.weights(view).numpy()
        np.testing.assert_allclose(found * count, theirs(peers, jacobian), rtol=1e-8)
        balancer.update(view)
        turned += bool((found > 1.001 / count).any())
    assert turned >= 6


def gap(jacobian, weights, c):
    """How far weights are from solving CAGrad's problem, by the duality of the two forms.

    No smaller value exists in the one than a larger in the other: a gap of 0 proves both.
    """
    mean = jacobian.mean(0)
    radius = c * np.linalg.norm(mean)
    update = (1 + c) * weights @ jacobian
    assert np.linalg.norm(update - mean) <= radius + 1e-9 * size(jacobian)
    simplex = (1 + c) * weights - 1 / len(weights)
    assert simplex.min() >= -1e-12 * max(1, np.abs(simplex).max())
    pull = simplex / simplex.sum() @ jacobian
    return pull @ mean + radius * np.linalg.norm(pull) - (jacobian @ update).min()


@pytest.mark.parametrize("c", [0.1, 0.4, 1.0, 3.0])
@cases(RANDOM)
def test_cagrad_by_duality(jacobian, c):
    assert gap(jacobian, ours(recipe.CaGrad(c=c), jacobian), c) <= 1e-9 * size(jacobian) ** 2


@pytest.mark.parametrize("c", [0.4, 1.0])
@cases(RANDOM)
def test_cagrad(jacobian, c):
    found = (1 + c) * ours(recipe.CaGrad(c=c), jacobian)
    expected = theirs(peer.CAGradWeighting(c=c, norm_eps=1e-9), jacobian)
    # A second-order cone program is solved to 1e-8 of its value: the root of that in its solution.
    close(jacobian, found, expected, 1e-4)


@pytest.mark.parametrize("c", [0.4, 1.0])
@cases({k: v for k, v in CASES.items() if k not in RANDOM})
def test_cagrad_of_dependent_gradients_is_as_good(jacobian, c):
    """The maximiser need not be unique, and TorchJD gives up where a combination is zero."""
    mean = jacobian.mean(0)
    found = (1 + c) * ours(recipe.CaGrad(c=c), jacobian) @ jacobian
    direction = cvxpy.Variable(jacobian.shape[1])
    scaled = jacobian / size(jacobian)
    ball = cvxpy.norm(direction - mean / size(jacobian)) <= c * np.linalg.norm(mean) / size(
        jacobian
    )
    best = cvxpy.Problem(cvxpy.Maximize(cvxpy.min(scaled @ direction)), [ball]).solve("CLARABEL")
    assert np.linalg.norm(found - mean) <= c * np.linalg.norm(mean) + 1e-7 * size(jacobian)
    assert (scaled @ found).min() / size(jacobian) >= best - 1e-6


@cases(RANDOM)
def test_imtl_g(jacobian):
    found = ours(recipe.ImtlG(), jacobian)
    expected = theirs(peer.IMTLGWeighting(), jacobian)
    # The paper divides by the plain sum, whatever its sign.
    np.testing.assert_allclose(found / found.sum(), expected, rtol=1e-6)
    gains = jacobian @ (found @ jacobian) / np.linalg.norm(jacobian, axis=1)
    np.testing.assert_allclose(gains, gains[0], rtol=1e-6)
    assert gains[0] > 0


@cases(DEPENDENT)
def test_imtl_g_of_dependent_gradients(jacobian):
    """On gradients of one length, where TorchJD's pseudo-inverse is the same as this package's."""
    jacobian = jacobian / np.linalg.norm(jacobian, axis=1)[:, None]
    found, expected = ours(recipe.ImtlG(), jacobian), theirs(peer.IMTLGWeighting(), jacobian)
    if np.linalg.norm(found @ jacobian) > 1e-6:
        close(jacobian, found / found.sum(), expected)
    else:  # opposites: no direction is better than any other
        assert np.linalg.norm(found) == 0


@pytest.mark.parametrize("scale", ["min", "median", "rmse"])
@cases(CLEAR)
def test_aligned(jacobian, scale):
    found = ours(recipe.Aligned(scale=scale), jacobian)
    close(jacobian, found, theirs(peer.AlignedMTLWeighting(scale_mode=scale), jacobian))


@cases(RANDOM)
def test_nash_shares_gains_as_the_paper_defines(jacobian):
    """w solves the paper's equation up to one number: all w_k (G w)_k are the same."""
    found = ours(recipe.Nash(), jacobian)
    shares = found * (jacobian @ (found @ jacobian))
    assert (found > 0).all()
    np.testing.assert_allclose(shares, shares[0], rtol=1e-9)
    length = np.sqrt(len(found)) / (1 / np.linalg.norm(jacobian, axis=1)).sum()
    assert np.linalg.norm(found @ jacobian) == pytest.approx(length, rel=1e-9)


@cases(RANDOM)
def test_nash_by_a_general_solver(jacobian):
    weights = cvxpy.Variable(len(jacobian))
    convex = cvxpy.sum_squares(jacobian.T @ weights) / 2 - cvxpy.sum(cvxpy.log(weights))
    cvxpy.Problem(cvxpy.Minimize(convex)).solve("CLARABEL")
    close(jacobian, direction(jacobian, ours(recipe.Nash(), jacobian)),
          direction(jacobian, weights.value), 1e-4)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*not DPP:UserWarning")
@cases(RANDOM)
def test_nash(jacobian):
    """TorchJD, like the authors, stops at a residual of 1e-3 or where its solver fails."""
    peers = peer.NashMTL(n_tasks=len(jacobian), max_norm=0.0, optim_niter=100)
    mine = direction(jacobian, ours(recipe.Nash(), jacobian))
    other = direction(jacobian, peers.weighting(torch.from_numpy(jacobian)).numpy())
    gains, theirs = jacobian @ (mine @ jacobian), jacobian @ (other @ jacobian)
    assert theirs.min() <= 0 or np.log(gains).sum() >= np.log(theirs).sum() - 1e-9
    shares = other * theirs
    solved = shares.max() <= 1.001 * shares.min()
    assert solved or jacobian.mean(0) @ jacobian.mean(0) < 0.05 * size(jacobian) ** 2
    if solved:
        close(jacobian, mine, other, 1e-3)


def direction(jacobian, weights):
    return weights / np.linalg.norm(weights @ jacobian) * size(jacobian)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0, 20.0])
@cases(RANDOM)
def test_fairgrad_shares_gains_as_the_paper_defines(jacobian, alpha):
    found = ours(recipe.FairGrad(alpha=alpha), jacobian)
    shares = found ** (1 / alpha) * (jacobian @ (found @ jacobian))
    assert (found > 0).all()
    np.testing.assert_allclose(shares, shares[0], rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
@cases({k: v for k, v in RANDOM.items() if "16" not in k})
def test_fairgrad(jacobian, alpha):
    jacobian = jacobian / size(jacobian)  # least squares stop by absolute size
    found = ours(recipe.FairGrad(alpha=alpha), jacobian)
    expected = theirs(peer.FairGradWeighting(alpha=alpha, max_iters=2000), jacobian)
    close(jacobian, direction(jacobian, found), direction(jacobian, expected), 1e-4)


@pytest.mark.parametrize(
    ("settings", "frozen", "tolerance"),
    [
        # TorchJD's own tests freeze these with its smoothing of 1e-4.
        (recipe.UpGrad(), [0.2929, 1.9004, 1.9004], 1e-3),
        (recipe.DualProj(), [0.5563, 1.1109, 1.1109], 1e-3),
        (recipe.Aligned(), [0.2133, 0.9673, 0.9673], 6e-5),
        (recipe.ImtlG(), [0.0767, 1.0, 1.0], 6e-5),
    ],
    ids=["upgrad", "dualproj", "aligned", "imtl_g"],
)
def test_values_that_torchjd_froze(settings, frozen, tolerance):
    jacobian = np.array([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])
    np.testing.assert_allclose(ours(settings, jacobian) @ jacobian, frozen, atol=tolerance)
