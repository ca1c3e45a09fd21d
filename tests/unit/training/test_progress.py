"""When a stage stops, which task leaves, and which weights were the best."""

import json

import pytest

from madrigal.recipe.stage import EarlyStop
from madrigal.training.progress import Progress, judge


def judged(rule, *rows):
    """Progress after validations at steps 10, 20, ..., and what `judge` said each time."""
    progress, said = Progress(), []
    for number, scores in enumerate(rows, 1):
        progress.step = 10 * number
        said.append(judge(progress, rule, scores))
    return progress, said


def mean_only(*scores):
    return [{"a": score} for score in scores]


def test_the_best_is_remembered():
    progress, said = judged(None, *mean_only(0.1, 0.3, 0.2, 0.3, 0.4))
    assert [best for best, _ in said] == [True, True, False, False, True]
    assert (progress.best, progress.best_step) == (0.4, 50)
    assert progress.stopped == ""


def test_stops_after_as_many_validations_without_a_gain_as_patience_says():
    progress, _ = judged(EarlyStop(patience=2), *mean_only(0.5, 0.5))
    assert progress.stopped == ""
    progress, _ = judged(EarlyStop(patience=2), *mean_only(0.5, 0.5, 0.4))
    assert progress.stopped == (
        "validation did not gain for 2 evaluations; the best was 0.5000 after step 10"
    )


def test_a_gain_starts_the_count_anew():
    progress, _ = judged(EarlyStop(patience=2), *mean_only(0.5, 0.4, 0.6, 0.5))
    assert progress.stopped == ""


def test_a_gain_must_be_as_large_as_asked():
    scores = mean_only(0.50, 0.54, 0.58)
    progress, said = judged(EarlyStop(patience=9, min_gain=0.05), *scores)
    assert [best for best, _ in said] == [True, False, True]
    assert progress.best == 0.58


def test_the_mean_over_tasks_decides():
    rows = [{"a": 0.2, "b": 0.8}, {"a": 0.6, "b": 0.3}, {"a": 0.6, "b": 0.5}]
    _, said = judged(EarlyStop(), *rows)
    assert [best for best, _ in said] == [True, False, True]


def test_tasks_stay_unless_asked_to_leave():
    progress, said = judged(EarlyStop(patience=1), {"a": 0.5, "b": 0.1}, {"a": 0.4, "b": 0.9})
    assert progress.done == []
    assert [leaving for _, leaving in said] == [[], []]


def test_a_task_leaves_when_its_own_score_stops_gaining():
    rule = EarlyStop(patience=2, per_task=True)
    rows = [{"a": 0.5, "b": x} for x in (0.1, 0.2, 0.3, 0.4, 0.4)]
    progress, said = judged(rule, *rows)
    assert [leaving for _, leaving in said] == [[], [], ["a"], [], []]
    assert progress.done == ["a"]
    assert progress.stopped == ""
    progress, said = judged(rule, *rows, {"a": 0.5, "b": 0.3})
    assert said[-1][1] == ["b"]
    assert progress.stopped == "every task stopped gaining on its own"


def test_a_tasks_gain_too_must_be_as_large_as_asked():
    """Of its best and its step the same: a part goes back to where it surely gained."""
    rule = EarlyStop(patience=2, per_task=True, min_gain=0.05)
    rows = [{"a": a, "b": b} for a, b in ((0.50, 0.1), (0.54, 0.3), (0.58, 0.5), (0.60, 0.7))]
    progress, _ = judged(rule, *rows)
    assert (progress.task_best, progress.task_best_step) == (
        {"a": 0.58, "b": 0.7},
        {"a": 30, "b": 40},
    )
    assert progress.task_without_gain == {"a": 1, "b": 0}
    assert [progress.gained(task) for task in "ab"] == [False, True]
    progress, said = judged(rule, *rows, {"a": 0.62, "b": 0.9})
    assert said[-1][1] == ["a"]


def test_only_what_was_looked_at_is_gone_back_to():
    """A safe step is one that was sound and had a window of rollouts without a sign after it."""
    progress = Progress(step=0, safe_step=0, candidate_step=0, sound_step=0)
    progress.sound_step, progress.regular_step = 10, 15
    progress.note(2, [], window=2)
    assert (progress.safe_step, progress.candidate_step) == (0, 10)
    progress.note(2, [], window=2)
    assert (progress.safe_step, progress.candidate_step) == (10, 10)
    progress.sound_step = 20
    progress.doubt()
    assert (progress.safe_step, progress.candidate_step, progress.calm) == (10, 10, 0)
    assert {10, 15, 20} <= progress.needed()


def test_state_survives_json():
    progress, _ = judged(
        EarlyStop(patience=1, per_task=True), {"a": 0.5, "b": 0.1}, {"a": 0.4, "b": 0.9}
    )
    assert Progress.load(json.loads(json.dumps(progress.state_dict()))) == progress


@pytest.mark.parametrize("split", range(1, 6))
def test_judging_goes_on_where_it_stopped(split):
    rule = EarlyStop(patience=2, per_task=True)
    rows = [{"a": x, "b": 1 - x} for x in (0.5, 0.4, 0.6, 0.6, 0.7, 0.2)]
    straight, _ = judged(rule, *rows)
    half, _ = judged(rule, *rows[:split])
    half = Progress.load(json.loads(json.dumps(half.state_dict())))
    for number, scores in enumerate(rows[split:], split + 1):
        half.step = 10 * number
        judge(half, rule, scores)
    assert half == straight
