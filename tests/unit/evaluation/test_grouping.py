"""Groups of tasks from measured affinities: planted ones are found, none are made of noise."""

import numpy as np
import pytest

from madrigal.evaluation.affinity import StepAffinity, first_order, look_ahead, read_affinity
from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.grouping import group_tasks
from planted import measure

FEW = Blocks(draws=200)


def affinity(truth, steps=40, noise=1.0, seed=0):
    chance = np.random.default_rng(seed)
    tasks = tuple(f"t{k}" for k in range(len(truth)))
    values = truth + noise * chance.standard_normal((steps, *truth.shape))
    return StepAffinity(tasks, "first_order", "raw", values)


def blocks_of(labels, inside=1.0, outside=-0.5):
    labels = np.array(labels)
    return np.where(labels[:, None] == labels, inside, outside)


def test_three_planted_groups_are_found_and_stable():
    found = group_tasks(affinity(blocks_of([0, 1, 2, 0, 1, 2, 0, 1, 2])), blocks=FEW)
    assert found.groups == (("t0", "t3", "t6"), ("t1", "t4", "t7"), ("t2", "t5", "t8"))
    assert found.stability > 0.95
    assert found.sure
    # Mates give 1 in place of 2/8 of 1 and 6/8 of -0.5.
    assert found.gain.low < 1.125 < found.gain.high
    assert found.together == pytest.approx(-0.125, abs=0.1)
    assert found.pairs[0, 3] > 0.95
    assert found.pairs[0, 1] < 0.05


def test_blocks_that_are_all_friends_are_seldom_split_further_by_luck():
    """Any split of a block of four into pairs scores the same in truth, and higher by luck.

    The best of all counts would split more than half of these.
    """
    truth = blocks_of([0] * 4 + [1] * 4, 1.0, 0.0)
    runs = [group_tasks(affinity(truth, seed=seed), blocks=FEW) for seed in range(20)]
    assert all(found.sure for found in runs)
    whole = [found for found in runs if [len(group) for group in found.groups] == [4, 4]]
    assert len(whole) >= 13
    assert all(found.stability > 0.95 for found in whole)


@pytest.mark.parametrize("tasks", [4, 6])
def test_noise_makes_no_sure_groups(tasks):
    """One-sided at 2.5 %: more than 3 of 30 alarms come by chance in 1 % of such tests."""
    runs = [group_tasks(affinity(np.zeros((tasks, tasks)), seed=s), blocks=FEW) for s in range(30)]
    assert sum(found.sure for found in runs) <= 3
    gains = np.array([found.gain.value for found in runs])
    assert abs(gains.mean()) < 3 * gains.std() / np.sqrt(30), "the choice's luck is left in"
    assert np.mean([found.stability for found in runs]) < 0.7


def test_the_interval_of_the_gain_is_as_wide_as_gains_differ():
    """Over repetitions: without the correction of cross-validation it is narrower by a third."""
    runs = [group_tasks(affinity(np.zeros((5, 5)), seed=s), blocks=FEW) for s in range(100, 140)]
    spread = np.std([found.gain.value for found in runs])
    half = np.mean([(found.gain.high - found.gain.low) / 2 for found in runs])
    assert 1.6 < half / spread < 2.8


def test_steps_that_are_like_their_neighbours_do_not_choose_for_each_other():
    """What neighbours have in common is no evidence: noise that lasts must not look like a gain.

    Chosen right up to the judged steps, such noise gains 0.7 of its own spread, which is eight
    standard errors over 120 repetitions.
    """
    chance = np.random.default_rng(0)
    gains = []
    for _ in range(120):
        values = chance.standard_normal((30, 5, 5))
        for step in range(1, 30):
            values[step] = 0.6 * values[step - 1] + 0.8 * values[step]
        given = StepAffinity(tuple("abcde"), "first_order", "raw", values)
        gains.append(group_tasks(given, most=3, blocks=FEW).gain.value)
    assert np.mean(gains) / np.std(gains) < 0.45


def test_a_gain_is_the_mean_of_those_of_the_scored_tasks():
    found = group_tasks(affinity(blocks_of([0, 0, 1, 1, 1])), scored=("t0", "t2"), blocks=FEW)
    assert [*found.by_task] == ["t0", "t2"]
    mean = np.mean([gain.value for gain in found.by_task.values()])
    assert found.gain.value == pytest.approx(mean)
    few = group_tasks(affinity(blocks_of([0, 0, 1, 1]), steps=5), blocks=FEW)
    assert (few.by_task, few.losers) == ({}, ())


@pytest.mark.parametrize("noise", [0.5, 3.0])
def test_where_everyone_gains_or_nobody_does_nobody_surely_loses(noise):
    for truth in (blocks_of([0, 1, 0, 1]), np.zeros((4, 4))):
        runs = [group_tasks(affinity(truth, noise=noise, seed=s), blocks=FEW) for s in range(20)]
        assert sum(bool(found.losers) for found in runs) <= 1


def test_friends_of_everyone_stay_together():
    found = group_tasks(affinity(np.ones((5, 5)), noise=0.5), blocks=FEW)
    assert not found.sure
    assert found.together == pytest.approx(1.0, abs=0.1)


def test_enemies_of_everyone_go_alone():
    found = group_tasks(affinity(-np.ones((4, 4)), noise=0.5), blocks=FEW)
    assert found.groups == (("t0",), ("t1",), ("t2",), ("t3",))
    assert found.score == 0
    assert found.sure


def test_no_more_groups_than_asked_for():
    found = group_tasks(affinity(blocks_of([0, 1, 2, 0, 1, 2])), most=2, blocks=FEW)
    assert len(found.groups) == 2


def test_what_an_auxiliary_task_gets_does_not_count():
    """It goes where it gives: it gets from t0 and t1, and gives to t2 and t3."""
    truth = blocks_of([0, 0, 1, 1, 2], 1.0, -1.0)
    truth[:2, 4], truth[4, 2:4] = 5.0, 2.0
    scored = ("t0", "t1", "t2", "t3")
    found = group_tasks(affinity(truth, noise=0.2), scored=scored, blocks=FEW)
    assert found.groups == (("t0", "t1"), ("t2", "t3", "t4"))
    # t0 and t1 get 1; t2 and t3 get the mean of 1 and 2.
    assert found.score == pytest.approx(1.25, abs=0.1)


def test_pairs_that_were_not_measured_count_nothing_and_are_named():
    given = affinity(blocks_of([0, 0, 1, 1]), noise=0.1)
    given.values[:, 0, 3] = np.nan
    given.values[::2, 0, 1] = np.nan
    found = group_tasks(given, blocks=FEW)
    assert found.unmeasured == (("t0", "t3"),)
    assert found.affinity[0, 1] == pytest.approx(1.0, abs=0.1)
    assert found.groups == (("t0", "t1"), ("t2", "t3"))


def test_too_few_steps_are_never_sure():
    found = group_tasks(affinity(blocks_of([0, 0, 1, 1]), steps=5, noise=0.0), blocks=FEW)
    assert found.gain.low is None
    assert not found.sure
    assert found.groups == (("t0", "t1"), ("t2", "t3"))


def lines(steps=12):
    chance = np.random.default_rng(3)
    tasks, means = ("a", "b", "c"), chance.standard_normal((3, 50))
    for step in range(1, steps + 1):
        conflict = measure(tasks, means, [4, 4, 4], 4.0, chance)
        tried = {f"{i}>{j}": 0.1 for i in tasks for j in tasks if i != j}
        yield {
            "step": step, "lr": 0.01 * step, "loss": {"a": 1.0, "b": 2.0, "c": 4.0},
            "rows": dict.fromkeys(tasks, 4), "conflict": conflict,
            **({"look_ahead": tried} if step % 3 == 0 else {}),
        }  # fmt: skip


def test_first_order_affinity_of_a_log():
    given = list(lines())
    found = first_order(given)
    assert found.tasks == ("a", "b", "c")
    assert np.isnan(found.values[:, 1, 1]).all()
    line = given[4]
    norm, cosine = line["conflict"]["norm"], line["conflict"]["cosine"]["a|c"]
    dot = cosine * norm["a"] * norm["c"]
    assert found.values[4, 0, 2] == pytest.approx(line["lr"] * dot / 4.0)
    assert found.values[4, 2, 0] == pytest.approx(line["lr"] * dot / 1.0)


def test_looked_ahead_affinity_of_a_log():
    given = list(lines())
    given[5]["look_ahead"]["c>a"] = 0.3
    given[8]["skipped"] = "non-finite loss or gradient"
    found = look_ahead(given)
    assert found.tasks == ("a", "b", "c")
    assert found.values.shape == (3, 3, 3)
    assert found.values[1, 2, 0] == 0.3
    assert found.values[1, 0, 2] == 0.1
    assert look_ahead(given[:2]) is None


def test_tasks_in_another_order():
    found = first_order(list(lines()))
    turned = found.of(("c", "a", "b"))
    assert np.array_equal(turned.values[:, 0, 1], found.values[:, 2, 0])


def test_only_the_later_half_counts():
    """In the first steps all gradients are long and agree; that must not hide what follows."""
    lines = lines_of_angles([0.9] * 10 + [-0.5] * 30)
    found = read_affinity(lines, "first_order")
    assert found is not None
    assert len(found.values) == 20
    assert (found.values[:, 0, 1] < 0).all()
    assert read_affinity([], "first_order") is None


def lines_of_angles(cosines):
    both = {"a": 1.0, "b": 1.0}
    rows = {"a": 4, "b": 4}
    same = {"rate": 0.0, "metric": "raw", "norm": both, "signal": both}
    return [
        {"step": step + 1, "loss": both, "weight": both, "lr": 1e-3, "rows": rows,
         "conflict": {**same, "cosine": {"a|b": cosine}}}
        for step, cosine in enumerate(cosines)
    ]  # fmt: skip
