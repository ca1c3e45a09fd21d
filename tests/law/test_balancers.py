"""Laws of the balancers by gradient, over generated matrices of gradients.

Which law a method keeps is a table; where a method does not keep one, a case shows that it does
not, so that the tables say no less than they could.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.extra.numpy import arrays

from gramians import DEGENERATE, NAMES, leaning, normal, seen, stationary
from madrigal.balancing import build_balancer
from madrigal.recipe import balance_by_gradient as recipe

ALL = {
    "pcgrad": recipe.PcGrad(), "gradvac": recipe.GradVac(), "mgda": recipe.Mgda(),
    "cagrad": recipe.CaGrad(), "cagrad, c = 1": recipe.CaGrad(c=1.0), "imtl_g": recipe.ImtlG(),
    "nash": recipe.Nash(), "aligned": recipe.Aligned(),
    "aligned, rmse": recipe.Aligned(scale="rmse"),
    "aligned, median": recipe.Aligned(scale="median"),
    "upgrad": recipe.UpGrad(), "dualproj": recipe.DualProj(), "fairgrad": recipe.FairGrad(),
    "fairgrad, 5": recipe.FairGrad(alpha=5.0), "gradnorm": recipe.GradNorm(),
}  # fmt: skip

# The update harms no task, whatever the gradients.
HARMS_NONE = ("mgda", "cagrad, c = 1", "upgrad", "dualproj")
# The same, but for gradients that cancel to less than a hundredth.
SHARES = ("nash", "fairgrad", "fairgrad, 5")
HARMS_SOME = ("cagrad", "pcgrad", "gradvac", "aligned", "gradnorm", "imtl_g")
# Zero where a positive combination of all gradients is.
STATIONARY = (*HARMS_NONE, *SHARES)
# Scaling one loss: the direction stays; the update is linear in the scales; neither.
SAME_DIRECTION = ("imtl_g", "nash")
LINEAR = ("pcgrad", "gradvac", "upgrad", "gradnorm")
NEITHER = ("mgda", "cagrad", "aligned", "dualproj", "fairgrad")
# Two tasks with one gradient get one weight; random orders treat them apart.
TWINS_ALIKE = sorted(set(ALL) - {"pcgrad", "gradvac"})

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def matrices(draw, least=1, most=6):
    """Small whole numbers make ties, dependence and zeros; normal numbers make none."""
    count, width = draw(st.integers(least, most)), draw(st.integers(1, 7))
    if draw(st.booleans()):
        return draw(arrays(np.float64, (count, width), elements=st.integers(-3, 3).map(float)))
    return normal(count, width, seed=draw(st.integers(0, 10_000)))


def weights(name, jacobian, **more):
    found = build_balancer(ALL[name]).weights(seen(jacobian, **more))
    assert found.dtype == torch.float64
    return found.numpy()


def update(name, jacobian, **more):
    return weights(name, jacobian, **more) @ np.asarray(jacobian)


def size(jacobian):
    return max(float(np.linalg.norm(jacobian, axis=1).max()), 1e-300)


def direction(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_gradients_give_finite_weights(name, case):
    found = weights(name, DEGENERATE[case])
    assert np.isfinite(found).all()
    # Gradients that cancel may ask for much, but not for more than single precision can tell.
    assert np.linalg.norm(found @ np.asarray(DEGENERATE[case])) <= 3 * size(DEGENERATE[case])


@pytest.mark.parametrize("name", ALL)
@given(matrix=matrices())
@few
def test_any_gradients_give_finite_weights(name, matrix):
    assert np.isfinite(weights(name, matrix)).all()


@pytest.mark.parametrize("name", ALL)
@given(matrix=matrices(least=2))
@few
def test_all_gradients_together_have_no_scale(name, matrix):
    plain = weights(name, matrix)
    for scale in (1e-10, 1e-5, 1e3, 1e15):  # of the Gramian
        found = weights(name, matrix * scale**0.5)
        apart = (found - plain) @ matrix
        assert np.abs(apart).max() <= 1e-6 * size(matrix), scale


@pytest.mark.parametrize("name", HARMS_NONE)
@given(matrix=matrices(least=2))
@few
def test_no_task_is_harmed(name, matrix):
    gains = matrix @ update(name, matrix)
    assert gains.min() >= -1e-7 * size(matrix) * np.linalg.norm(matrix, axis=1).max()


@pytest.mark.parametrize("name", SHARES)
@given(matrix=matrices(least=2))
@few
def test_a_fair_share_is_no_loss(name, matrix):
    lengths = np.linalg.norm(matrix, axis=1)
    assume((lengths > 0).all())
    gains = matrix @ update(name, matrix) / lengths
    assert gains.min() >= -0.03 * lengths.max()


@pytest.mark.parametrize("name", [*SHARES, "imtl_g", "mgda", "upgrad"])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 8))
@few
def test_where_all_can_gain_all_gain(name, seed, count):
    matrix = leaning(count, 40, seed)
    assume(np.linalg.svd(matrix, compute_uv=False)[-1] > 0.1)
    assert (matrix @ update(name, matrix) > 0).all()


@pytest.mark.parametrize("name", ALL)
def test_only_some_weigh_a_task_below_zero(name):
    # Two gradients that agree, one much longer, and a third.
    tried = [leaning(3, 4, seed) * [[1.0], [9.0], [0.3]] for seed in range(40)]
    below = min(weights(name, matrix).min() for matrix in tried) < 0
    assert below == (name.split(",")[0] in ("aligned", "imtl_g"))


@pytest.mark.parametrize("name", HARMS_SOME)
def test_no_more_is_promised_than_is_kept(name):
    # Equal projections harm only where there is no direction that has them.
    shape = (4, 2) if name == "imtl_g" else (6, 5)
    tried = [normal(*shape, seed=seed) for seed in range(50)]
    assert min((matrix @ update(name, matrix)).min() for matrix in tried) < -1e-3


def test_two_tasks_are_not_harmed_by_projecting_and_that_is_upgrad():
    for seed in range(30):
        matrix = normal(2, 3, seed=seed)
        np.testing.assert_allclose(
            weights("pcgrad", matrix), weights("upgrad", matrix), rtol=1e-9, atol=1e-12
        )
        assert (matrix @ update("pcgrad", matrix)).min() >= -1e-12


@pytest.mark.parametrize("name", ALL)
@given(matrix=matrices(least=2), data=st.data())
@few
def test_reordered_tasks_reorder_the_weights(name, matrix, data):
    order = data.draw(st.permutations(range(len(matrix))))
    plain = weights(name, matrix)
    found = weights(name, matrix[order], names=[NAMES[place] for place in order])
    scale = max(1.0, np.abs(plain).max())
    np.testing.assert_allclose(found, plain[order], atol=1e-5 * scale, rtol=0)


@pytest.mark.parametrize("name", SAME_DIRECTION)
@given(seed=st.integers(0, 10_000), data=st.data())
@few
def test_scaling_a_loss_leaves_the_direction(name, seed, data):
    count = data.draw(st.integers(2, 6))
    scales = [10.0 ** data.draw(st.floats(-6, 6)) for _ in range(count)]
    matrix = normal(count, count + 5, seed=seed)
    scaled = matrix * np.array(scales)[:, None]
    np.testing.assert_allclose(
        direction(update(name, scaled)), direction(update(name, matrix)), atol=1e-6
    )


@pytest.mark.parametrize("name", LINEAR)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 6), data=st.data())
@few
def test_the_update_is_linear_in_the_scales_of_the_losses(name, seed, count, data):
    positive = arrays(np.float64, (count, 1), elements=st.floats(0.01, 100))
    matrix, first, second = (
        normal(count, count + 2, seed=seed),
        data.draw(positive),
        data.draw(positive),
    )
    whole = update(name, (first + second) * matrix)
    parts = update(name, first * matrix) + update(name, second * matrix)
    np.testing.assert_allclose(whole, parts, atol=1e-8 * size(whole[None]) + 1e-9, rtol=1e-7)


def differs(name, of):
    return any(of(name, normal(3, 4, seed=seed)) > 1e-3 for seed in range(20))


def turned(name, matrix):
    scaled = matrix * [[1.0], [7.0], [1.0]]
    return np.abs(direction(update(name, scaled)) - direction(update(name, matrix))).max()


def bent(name, matrix):
    first, second = np.array([[1.0], [2.0], [3.0]]), np.array([[5.0], [1.0], [0.5]])
    parts = update(name, first * matrix) + update(name, second * matrix)
    return np.abs(update(name, (first + second) * matrix) - parts).max()


@pytest.mark.parametrize("name", [*NEITHER, *LINEAR])
def test_other_directions_do_turn_with_the_scales(name):
    assert differs(name, turned)


@pytest.mark.parametrize("name", [*NEITHER, *SAME_DIRECTION])
def test_other_updates_are_not_linear_in_the_scales(name):
    assert differs(name, bent)


@pytest.mark.parametrize("name", STATIONARY)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 8))
@few
def test_nothing_moves_where_a_positive_combination_is_zero(name, seed, count):
    matrix = stationary(count, 12, seed)
    still = 0.03 if name in SHARES else 1e-6
    assert np.linalg.norm(update(name, matrix)) <= still * size(matrix)


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 10_000))
@few
def test_one_task_is_trained_plainly(name, seed):
    scale = 10.0 ** (seed % 20 - 10)
    assert weights(name, normal(1, 4, seed=seed) * scale) == pytest.approx([1.0], abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_orthogonal_gradients_of_one_length_are_averaged(name):
    np.testing.assert_allclose(weights(name, 3 * np.eye(5, 7)), 0.2, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(ALL) - set(SHARES)))
def test_equal_gradients_are_averaged(name):
    same = np.tile(normal(1, 6), (4, 1))
    np.testing.assert_allclose(update(name, same), same[0], rtol=1e-7)


@pytest.mark.parametrize("name", SHARES)
def test_equal_gradients_are_as_long_as_the_mean_of_orthogonal_ones(name):
    same = np.tile(normal(1, 6), (4, 1))
    np.testing.assert_allclose(update(name, same), same[0] / 2, rtol=1e-7)


@pytest.mark.parametrize("name", TWINS_ALIKE)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 5))
@few
def test_twins_get_one_weight(name, seed, count):
    matrix = normal(count, 6, seed=seed)
    found = weights(name, np.vstack([matrix, matrix[:1]]))
    assert found[0] == pytest.approx(found[-1], abs=1e-6 * max(1, np.abs(found).max()))


@pytest.mark.parametrize("name", ["mgda", "imtl_g"])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 5))
@few
def test_a_twin_does_not_turn_the_direction(name, seed, count):
    matrix = normal(count, 9, seed=seed)
    twice = np.vstack([matrix, matrix[:1]])
    np.testing.assert_allclose(
        direction(update(name, twice)), direction(update(name, matrix)), atol=1e-6
    )


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 10_000), data=st.data())
@few
def test_a_task_without_gradient_takes_no_part(name, seed, data):
    matrix = normal(4, 5, seed=seed)
    place = data.draw(st.integers(0, 3))
    there = [row for row in range(4) if row != place]
    silent = matrix.copy()
    silent[place] = 0.0
    found = weights(name, silent)
    if name != "gradnorm":  # its weights are learned, from the steps in which there is a gradient
        assert found[place] == 0.0
        bare = weights(name, matrix[there], names=[NAMES[row] for row in there])
        np.testing.assert_allclose(found[there], bare, atol=1e-9)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ALL)
def test_without_any_gradient_all_count_the_same(name):
    np.testing.assert_allclose(weights(name, np.zeros((4, 3))), 0.25)


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_that_is_no_number_gives_weights_that_are(name):
    matrix = normal(3, 4)
    matrix[1, 2] = np.nan
    np.testing.assert_allclose(weights(name, matrix), 1 / 3)


@pytest.mark.parametrize("name", ["pcgrad", "gradvac"])
def test_orders_change_with_seed_and_step_alone(name):
    def draw(step, seed):
        return tuple(weights(name, normal(8, 7), step=step, seed=seed))

    assert draw(1, 1) == draw(1, 1)
    assert len({draw(1, 1), draw(2, 1), draw(1, 2)}) == 3


def test_larger_alpha_gives_the_slowest_task_more():
    matrix = np.diag([4.0, 1.0])
    gains = [
        direction(
            build_balancer(recipe.FairGrad(alpha=alpha)).weights(seen(matrix)).numpy() @ matrix
        )[1]
        for alpha in (0.1, 0.5, 1.0, 2.0, 10.0)
    ]
    assert gains == sorted(gains)
    assert gains[-1] > gains[0]
