import numpy as np
import pytest

from madrigal.evaluation.interference import interference
from planted import Fight, Gradients

TASKS = ("a", "b", "c", "d")


def lines(gradients, steps=160, seed=0, tasks=TASKS, rows=8):
    random = np.random.default_rng(seed)
    found = []
    for step in range(1, steps + 1):
        line = {
            "step": step,
            "lr": 1e-3,
            "rows": dict.fromkeys(tasks, rows),
            "loss": dict.fromkeys(tasks, 2.0),
            "weight": dict.fromkeys(tasks, 0.25),
        }
        conflict = gradients.line(step, tasks, line["rows"], random)
        found.append(line | ({"conflict": conflict} if conflict else {}))
    return found


def fight(**how):
    return Gradients(every=1, fight=Fight(pair=("b", "d"), **how))


def pair(found, first, second):
    return next(p for p in found.pairs if p.tasks == (first, second))


def test_nothing_measured_is_nothing():
    assert interference([]) is None
    assert interference([{"step": 1, "loss": {"a": 1.0, "b": 2.0}}]) is None


def test_the_pair_that_fights_is_named_with_its_layers_and_from_the_start():
    found = interference(lines(fight(cosine=-0.6, blocks=(1, 2))))
    assert [p.tasks for p in found.conflicts] == [("b", "d")]
    worst = found.pairs[0]
    assert worst.fighting_layers == ("block 1", "block 2")
    assert worst.spell.since == 1
    assert worst.spell.until is None
    # Two of four blocks of equal size at -0.6.
    assert worst.cosine.low < -0.3 < worst.cosine.high
    assert found.groups == ("block 0", "block 1", "block 2", "block 3")


def test_since_when():
    found = interference(lines(fight(cosine=-0.8, since=81)))
    (worst,) = found.conflicts
    assert 61 <= worst.spell.since <= 97
    assert worst.during.value < worst.cosine.value
    assert worst.during.first == worst.spell.since


def test_until_when():
    steps = [line if line["step"] <= 80 else peace for line, peace in zip(
        lines(fight(cosine=-0.8)), lines(Gradients(every=1), seed=1), strict=True)]  # fmt: skip
    (worst,) = interference(steps).conflicts
    assert worst.spell.since == 1
    assert 64 <= worst.spell.until <= 96


def test_a_fight_that_a_friendship_before_it_hides_is_found_in_its_half():
    friends = Gradients(every=1, friends={("b", "d"): 0.4})
    first, second = lines(friends), lines(fight(cosine=-0.8, blocks=(0, 1, 2, 3)), seed=1)
    found = interference([*first[:100], *second[100:]])
    (worst,) = found.conflicts
    assert worst.cosine.high > 0
    assert worst.told.first == 81
    assert worst.told.high < 0


def test_friends_agree_and_are_not_flagged():
    found = interference(lines(Gradients(every=1, friends={("a", "b"): 0.5})))
    assert not found.conflicts
    assert [p.tasks for p in found.agreements] == [("a", "b")]


def test_few_steps_give_no_interval_and_no_claim():
    found = interference(lines(fight(cosine=-0.9, blocks=(0, 1, 2, 3)), steps=6))
    assert found.measured == 6
    assert found.pairs[0].cosine.low is None
    assert not found.conflicts


def test_a_task_of_one_example_a_step_is_judged_by_its_raw_cosine():
    steps = lines(fight(cosine=-0.9, blocks=(0, 1, 2, 3)))
    for line in steps:
        del line["conflict"]["signal"]["d"]
    worst = interference(steps).pairs[0]
    assert worst.tasks == ("b", "d")
    assert not worst.cosine.corrected
    assert worst.state == "conflict"
    # Noise of 12 to 8 examples: two fifths of the squared length is signal.
    assert worst.cosine.value == pytest.approx(-0.9 * 8 / 20, abs=0.03)


def test_rate_and_magnitude_are_those_of_the_papers():
    steps = [
        {"step": n, "lr": 1.0, "loss": {"a": 1.0, "b": 2.0}, "rows": {"a": 4, "b": 4},
         "weight": {"a": 1.0, "b": 1.0},
         "conflict": {"cosine": {"a|b": c}, "norm": {"a": 1.0, "b": 3.0},
                      "signal": {"a": 0.5, "b": 4.0}}}
        for n, c in enumerate((-0.5, 0.25, -0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0), 1)
    ]  # fmt: skip
    (only,) = interference(steps).pairs
    assert only.rate == pytest.approx(2 / 12)
    assert only.magnitude == pytest.approx(2 * 3 / (1 + 9))
    # 3 (1.75) over sqrt(12 x 0.5 x 12 x 4), lengths being constant.
    assert only.cosine.value == pytest.approx(3 * 1.75 / (12 * 2**0.5))
    found = {(a.giver, a.receiver): a for a in interference(steps).affinities}
    # lr g_a . g_b / L_b, summed; and against b's own, whose signal is 4 a step.
    assert found["a", "b"].effect.value == pytest.approx(3 * 1.75 / 2.0)
    assert found["b", "a"].effect.value == pytest.approx(3 * 1.75 / 1.0)
    assert found["a", "b"].share == pytest.approx(3 * 1.75 / (12 * 4))
    noise = interference(steps).of("b").noise_scale
    # n (norm^2 - signal) / signal
    assert noise.value == pytest.approx(4 * (9 - 4) / 4)


def test_a_task_without_signal_has_an_endless_noise_scale():
    steps = lines(Gradients(every=1))
    for line in steps:
        line["conflict"]["signal"]["a"] = -0.1
    assert np.isinf(interference(steps).of("a").noise_scale.value)


def test_tasks_that_are_seldom_present_together():
    steps = lines(fight(cosine=-0.9, blocks=(0, 1, 2, 3)), steps=200)
    for line in steps:
        gone = {"a", "c"} if line["step"] % 2 else {"b"}
        part = line["conflict"]
        for name in ("norm", "signal"):
            part[name] = {t: x for t, x in part[name].items() if t not in gone}
        part["cosine"] = {p: c for p, c in part["cosine"].items() if not gone & {*p.split("|")}}
    found = interference(steps)
    assert [p.tasks for p in found.conflicts] == [("b", "d")]
    assert pair(found, "b", "d").cosine.steps == 100
    assert ("a", "b") not in [p.tasks for p in found.pairs]


def test_the_same_lines_give_the_same_statistics():
    steps = lines(fight())
    assert interference(steps) == interference(steps)
