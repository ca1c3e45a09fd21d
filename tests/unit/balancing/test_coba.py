import json
import math

import numpy as np
import pytest

from balancer_view import view, weights
from madrigal.balancing import Follows
from madrigal.balancing.base import wants_losses_after, wants_validation
from madrigal.balancing.coba import Coba, slope
from madrigal.balancing.equal import Equal

SETTINGS = {"warmup": 5, "history": 8, "temperature": 5.0, "every": 1}


def coba(**changes):
    return Coba(**(SETTINGS | changes))


def run(balancer, curves):
    """Feed whole validation curves, one value of each task a step."""
    for step in range(len(next(iter(curves.values())))):
        seen = {task: float(curve[step]) for task, curve in curves.items()}
        balancer.update(view(tasks=list(curves), step=step, validation=seen))


def curves(steps, seed=0):
    """Three noisy losses: one falls fast, one slowly, one falls and then rises."""
    chance = np.random.default_rng(seed)
    time = np.arange(steps)
    clean = {
        "fast": 2.0 * np.exp(-time / 6),
        "slow": 1.0 - time / 90,
        "back": 3.0 - 0.1 * np.minimum(time, 10) + 0.2 * np.maximum(time - 10, 0),
    }
    return {t: x * (1 + 0.02 * chance.standard_normal(steps)) for t, x in clean.items()}


def softmax(x):
    e = np.exp(np.asarray(x) - np.max(x))
    return e / e.sum()


def naive(losses, warmup, history, temperature):
    """The paper's formulas on whole arrays, written a second time."""
    names = list(losses)
    ratios = np.stack([losses[n] / losses[n][0] for n in names])
    steps = np.arange(ratios.shape[1])
    ends = [t for t in steps if t >= max(warmup, 1)]

    def fit(values, t):
        first = max(0, t + 1 - history)
        return np.polyfit(steps[first : t + 1], values[first : t + 1], 1)[0]

    task = np.array([[fit(row, t) for t in ends] for row in ratios])
    largest = np.array([fit(ratios.max(0), t) for t in ends])
    count, kept = len(names), task[:, -history:]
    relative = softmax(count * kept[:, -1] / abs(kept[:, -1]).sum())
    absolute = softmax(-kept.shape[1] * kept[:, -1] / abs(kept).sum(1))
    t = len(largest)
    factor = min(1.0, t * softmax(-temperature * t * largest / abs(largest).sum())[-1])
    found = softmax(count * (factor * relative + (1 - factor) * absolute))
    found = np.maximum(found, 1 / (10 * count))
    return dict(zip(names, found / found.sum(), strict=True)), factor


@pytest.mark.parametrize("steps", [6, 7, 12, 13, 20, 40])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_formulas_by_a_second_implementation(steps, seed):
    losses, balancer = curves(steps, seed), coba()
    run(balancer, losses)
    expected, _ = naive(losses, 5, 8, 5.0)
    assert weights(balancer, tasks=list(losses)) == pytest.approx(expected, rel=1e-9)


def test_both_regimes_are_met_by_the_comparison():
    factors = [naive(curves(steps), 5, 8, 5.0)[1] for steps in range(7, 41)]
    assert max(factors) == 1
    assert min(factors) < 0.1


def test_the_slower_task_counts_more_while_all_fall():
    time = np.arange(30)
    balancer = coba()
    run(balancer, {"fast": 2 - 0.05 * time, "slow": 2 - 0.01 * time})
    found = weights(balancer, tasks=["fast", "slow"])
    assert found["slow"] > 1.5 * found["fast"]


def test_a_task_that_diverges_counts_less():
    losses = curves(30)
    balancer = coba()
    run(balancer, losses)
    found = weights(balancer, tasks=list(losses))
    assert found["back"] == min(found.values())


def test_no_task_falls_below_a_tenth_of_an_equal_share():
    time = np.arange(20)
    losses = {"up": 1 + 0.1 * time} | {f"flat {i}": 1 - 1e-4 * (i + 1) * time for i in range(4)}
    balancer = coba()
    run(balancer, losses)
    found = weights(balancer, tasks=list(losses))
    assert found == pytest.approx(naive(losses, 5, 8, 5.0)[0], rel=1e-9)
    assert min(found.values()) == pytest.approx(0.02, rel=0.1)


def test_equal_during_the_warm_up_and_without_validation():
    balancer = coba()
    run(balancer, curves(5))
    assert weights(balancer, tasks=["fast", "slow"]) == {"fast": 0.5, "slow": 0.5}
    balancer.update(view({"fast": 1.0}, step=50))
    assert weights(balancer, tasks=["fast", "slow"]) == {"fast": 0.5, "slow": 0.5}


def test_flat_curves_give_equal_weights():
    balancer = coba()
    run(balancer, {"a": np.ones(9), "b": np.ones(9)})
    assert weights(balancer, tasks="ab") == pytest.approx({"a": 0.5, "b": 0.5})


def test_losses_of_zero_stay_in_their_place():
    """Zero is a loss, not a mark for an absent task, and steps stay with their losses."""
    time = np.arange(12.0)
    losses = {"a": np.maximum(6 - time, 0), "b": 9 - 0.5 * time}
    balancer = coba(history=12)
    run(balancer, losses)
    expected, _ = naive(losses, 5, 12, 5.0)
    assert weights(balancer, tasks="ab") == pytest.approx(expected, rel=1e-9)


def test_a_task_that_was_not_measured_is_left_out_of_that_step():
    time, balancer = np.arange(20), coba()
    for step in time:
        seen = {"a": 2 - 0.05 * step} | ({} if step % 2 else {"b": 2 - 0.01 * step})
        balancer.update(view(tasks="ab", step=int(step), validation=seen))
    kept = json.loads(json.dumps(balancer.state_dict()))
    assert [step for step, _ in kept["curves"]["b"]] == [4, 6, 8, 10, 12, 14, 16, 18]
    assert kept["slopes"]["b"] == pytest.approx([-0.005] * 7)


def test_only_numbers_are_taken_in():
    balancer = coba()
    balancer.update(view(tasks="ab", validation={"a": math.nan, "b": 1.0}))
    assert list(balancer.state_dict()["curves"]) == ["b"]


def test_a_task_alone_in_a_step_has_the_weight_it_has_among_others():
    losses, balancer = curves(30), coba()
    run(balancer, losses)
    together = weights(balancer, tasks=list(losses))
    for task, weight in together.items():
        assert weights(balancer, tasks=[task])[task] == pytest.approx(3 * weight)


def test_slope_of_a_line():
    assert slope([[3, 1.0], [5, 2.0], [9, 4.0]]) == pytest.approx(0.5)
    assert slope([[3, 1.0]]) == 0


def test_asks_for_validation_losses():
    balancer = coba(every=3)
    assert isinstance(balancer, Follows)
    assert [step for step in range(7) if wants_validation(balancer, step)] == [0, 3, 6]
    assert not wants_losses_after(balancer)
    assert not wants_validation(Equal(), 0)


def test_history_is_bounded_but_for_one_number_a_measurement():
    balancer = coba(history=4)
    run(balancer, curves(50))
    kept = balancer.state_dict()
    assert {len(held) for held in (*kept["curves"].values(), *kept["slopes"].values())} == {4}
    assert len(kept["largest"]) == 4
    assert len(kept["largest_slopes"]) == 45
