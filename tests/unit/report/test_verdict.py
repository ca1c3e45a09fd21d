"""From stored differences to words, on boards made by hand."""

import pytest

from fake_run import write_json
from madrigal.evaluation.matrix import score_matrix
from madrigal.evaluation.plan import Plan
from madrigal.report.differences import outcome_of
from madrigal.report.folder import read_run
from madrigal.report.numbers import Interval
from madrigal.report.scoreboard import label, read_scores
from madrigal.report.summary import task_rows
from madrigal.report.verdict import headline, judgements
from madrigal.report.worst import worst_task
from predicted import chosen


def board_of(
    tmp_path, tasks, *, summary=None, single=True, stages=("01-together",), confidence=0.95
):
    """`tasks`: name to (base, single, last, change from base, change from single)."""
    per_task, rows = {}, {"base": {}, **{stage: {} for stage in stages}}
    baselines = {}
    for name, (base, alone, last, from_base, from_single) in tasks.items():
        rows["base"][name] = {"value": base, "low": base - 0.02, "high": base + 0.02}
        rows[stages[-1]][name] = {"value": last, "low": last - 0.02, "high": last + 0.02}
        per_task[name] = {"base_to_last": from_base, "single_to_last": from_single}
        if single and alone is not None:
            baselines[name] = {"value": alone, "low": alone - 0.02, "high": alone + 0.02}
    write_json(
        tmp_path / "scores.json",
        {
            "version": 1,
            "tasks": {name: {"metric": "accuracy", "n": 100} for name in tasks},
            "rows": [{"stage": stage, "scores": scores} for stage, scores in rows.items()],
            "baselines": baselines,
            "summary": {"per_task": per_task, **(summary or {})},
            "confidence": confidence,
        },
    )
    return read_scores(read_run(tmp_path))


def change(value, low, high, **more):
    return {"difference": value, "low": low, "high": high, **more}


UP, DOWN, NONE = change(0.2, 0.1, 0.3), change(-0.2, -0.3, -0.1), change(0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("interval", "lower", "expected"),
    [
        (Interval(0.2, 0.1, 0.3), False, "better"),
        (Interval(-0.2, -0.3, -0.1), False, "worse"),
        (Interval(-0.2, -0.3, -0.1), True, "better"),
        (Interval(0.2, 0.1, 0.3), True, "worse"),
        (Interval(0.2, -0.1, 0.3), False, "unclear"),
        (Interval(0.2, 0.0, 0.3), False, "unclear"),
        (Interval(0.2), False, "unknown"),
    ],
)
def test_what_a_difference_means(interval, lower, expected):
    assert outcome_of(interval, lower) == expected


def test_better_than_the_base_and_worse_than_single(tmp_path):
    tasks = {"a": (0.5, 0.9, 0.7, UP, DOWN), "b": (0.5, 0.7, 0.7, UP, NONE)}
    summary = {
        "unified_gain": {"value": 0.4, "low": 0.3, "high": 0.5},
        "delta_m": {"value": -4.4, "low": -7.9, "high": -1.1},
    }
    base, single = judgements(board_of(tmp_path, tasks, summary=summary))
    assert (base.verdict, base.headline) == ("better", "Better than the base model")
    assert base.figure == "unified score +40.0\N{NO-BREAK SPACE}points (+30.0 to +50.0)"
    assert base.tally == "better on both tasks"
    assert (single.verdict, single.headline) == ("worse", "Worse than single-task training")
    assert single.figure == "mean relative change −4.4\N{NO-BREAK SPACE}% (−7.9 to −1.1)"
    assert single.tally == "worse on 1 of 2 tasks (a), no clear difference on 1 (b)"
    assert headline([base, single]) == (
        "Better than the base model; worse than single-task training."
    )


def test_an_interval_over_zero_is_no_clear_difference(tmp_path):
    summary = {"delta_m": {"value": 9.0, "low": -0.1, "high": 18.0}}
    tasks = {"a": (0.5, 0.7, 0.7, NONE, UP), "b": (0.5, 0.7, 0.7, NONE, UP)}
    base, single = judgements(board_of(tmp_path, tasks, summary=summary))
    assert single.headline == "No clear difference to single-task training"
    assert base.verdict == "unclear"


def test_without_overall_scores_the_tasks_decide(tmp_path):
    tasks = {"a": (0.5, None, 0.7, UP, None), "b": (0.5, None, 0.3, DOWN, None)}
    (base,) = judgements(board_of(tmp_path, tasks))
    assert base.verdict == "mixed"
    assert base.headline == "Better and worse than the base model, by task"
    assert base.figure == ""


def test_without_stored_differences_nothing_is_claimed(tmp_path):
    tasks = {"a": (0.5, None, 0.7, None, None), "b": (0.5, None, 0.7, None, None)}
    board = board_of(tmp_path, tasks)
    bare = board.tasks[0].from_base.interval
    assert (bare.value, bare.low, bare.high) == (pytest.approx(0.2), None, None)
    (base,) = judgements(board)
    assert base.verdict == "unknown"
    assert base.tally == "no interval on both tasks"


def test_unified_scores_without_their_difference_need_to_stand_apart(tmp_path):
    def unified(low, high):
        return {
            "unified": {
                "base": {"value": 0.1, "low": 0.0, "high": 0.2},
                "01-together": {"value": 0.3, "low": low, "high": high},
            }
        }

    tasks = dict.fromkeys("ab", (0.5, None, 0.7, UP, None))
    (apart,) = judgements(board_of(tmp_path / "1", tasks, summary=unified(0.25, 0.4)))
    (overlap,) = judgements(board_of(tmp_path / "2", tasks, summary=unified(0.15, 0.4)))
    assert (apart.verdict, overlap.verdict) == ("better", "unclear")
    assert "10.0" in apart.figure
    assert "→" in apart.figure


def test_correction_for_many_tasks_takes_a_difference_back(tmp_path):
    weak = change(0.2, 0.01, 0.4, p=0.03, p_holm=0.15)
    tasks = {"a": (0.5, None, 0.7, weak, None), "b": (0.5, None, 0.7, UP, None)}
    board = board_of(tmp_path, tasks)
    assert board.tasks[0].from_base.outcome == "better"
    assert board.tasks[0].from_base.settled == "unclear"
    assert not board.tasks[0].from_base.clear
    (base,) = judgements(board)
    assert base.tally == "better on 1 of 2 tasks, no clear difference on 1 (a)"


def test_a_number_without_interval_decides_nothing(tmp_path):
    """A text of one window has no interval, so neither has the mean: the tasks decide."""
    bare = {"value": 1.5, "low": None, "high": None}
    summary = {"unified_gain": bare, "delta_m": bare}
    tasks = {"a": (0.5, 0.5, 0.7, NONE, NONE), "b": (0.5, 0.5, 0.7, NONE, NONE)}
    for found in judgements(board_of(tmp_path / "1", tasks, summary=summary)):
        assert found.headline.startswith("No clear difference to ")
        assert "to +" not in found.figure
    tasks["a"] = (0.5, 0.5, 0.7, UP, DOWN)
    base, single = judgements(board_of(tmp_path / "2", tasks, summary=summary))
    assert (base.verdict, single.verdict) == ("better", "worse")


def test_a_mean_that_is_clear_says_so_where_no_task_is(tmp_path):
    summary = {"unified_gain": {"value": 0.1, "low": 0.02, "high": 0.18}}
    tasks = dict.fromkeys("abc", (0.5, None, 0.6, NONE, None))
    (base,) = judgements(board_of(tmp_path, tasks, summary=summary))
    assert base.headline == "Better than the base model on average, but on no task by itself"
    assert base.tally == "no clear difference on all 3 tasks"


def test_a_single_task_decides_for_itself(tmp_path):
    summary = {"unified_gain": {"value": 0.1, "low": 0.02, "high": 0.18}}
    tasks = {"a": (0.5, None, 0.6, change(0.1, 0.01, 0.2, p=0.06, p_holm=0.06), None)}
    (base,) = judgements(board_of(tmp_path, tasks, summary=summary))
    assert base.headline == "No clear difference to the base model"


def test_a_task_that_is_only_watched_does_not_decide(tmp_path):
    write_json(
        tmp_path / "scores.json",
        {
            "tasks": {"a": {"metric": "accuracy"}, "w": {"metric": "accuracy", "general": True}},
            "rows": [
                {"stage": stage, "scores": {"a": score, "w": score}}
                for stage, score in (("base", 0.5), ("01-one", 0.6))
            ],
            "summary": {"per_task": {"a": {"base_to_last": UP}, "w": {"base_to_last": DOWN}}},
        },
    )
    (base,) = judgements(read_scores(read_run(tmp_path)))
    assert base.headline == "Better than the base model"
    assert base.tally == "better on 1 of 2 tasks, worse on 1 (w)"


def test_samples_of_one_example_prove_nothing(tmp_path):
    """From the predictions to the headline: all wrong before and all right after, n = 1."""
    predictions = {
        stage: {task: chosen([(said, "a")], "abc", task=task) for task in ("x", "y")}
        for stage, said in (("base", "b"), ("single", "b"), ("01-one", "a"))
    }
    plan = Plan(dict.fromkeys("xy", "accuracy"), {"01-one": ("x", "y")})
    write_json(tmp_path / "scores.json", score_matrix(predictions, plan).to_json())
    board = read_scores(read_run(tmp_path))
    gain = board.unified_gain.interval
    assert gain.value == pytest.approx(1.5)
    assert gain.low < 0
    found = judgements(board)
    assert [one.verdict for one in found] == ["unclear", "unclear"]
    assert found[0].tally == "no clear difference on both tasks"


@pytest.mark.parametrize(("confidence", "settled"), [(0.9, "better"), (0.95, "unclear")])
def test_the_level_of_the_tests_is_the_runs(tmp_path, confidence, settled):
    found = change(0.2, 0.01, 0.4, p=0.03, p_holm=0.08)
    tasks = {"a": (0.5, None, 0.7, found, None), "b": (0.5, None, 0.7, NONE, None)}
    board = board_of(tmp_path, tasks, confidence=confidence)
    assert board.tasks[0].from_base.settled == settled


@pytest.mark.parametrize(
    ("p", "p_holm", "words", "hint"),
    [
        (0.03, 0.06, "≈ no clear difference after correction (alone: better)", "p = 0.060 after"),
        (0.06, 0.12, "≈ no clear difference", "p = 0.120 after Holm"),
        (0.01, 0.02, "▲ better", "p = 0.020 after Holm"),
    ],
)
def test_alone_is_said_only_of_what_is_significant_alone(tmp_path, p, p_holm, words, hint):
    other = change(0.01, -0.02, 0.04, p=0.5, p_holm=0.5)
    tasks = {"a": (0.5, None, 0.7, change(0.2, 0.01, 0.4, p=p, p_holm=p_holm), None),
             "b": (0.5, None, 0.7, other, None)}  # fmt: skip
    ((_, found),) = task_rows(board_of(tmp_path, tasks))[0].changes
    assert found.words == words
    assert found.hint.startswith(hint)


def test_of_one_task_nothing_is_corrected(tmp_path):
    tasks = {"a": (0.5, None, 0.7, change(0.2, 0.01, 0.4, p=0.06, p_holm=0.06), None)}
    ((_, found),) = task_rows(board_of(tmp_path, tasks))[0].changes
    assert found.words == "≈ no clear difference"
    assert found.hint == "p = 0.060"


def test_nothing_to_compare_with(tmp_path):
    write_json(tmp_path / "scores.json", {"tasks": {"a": {"metric": "accuracy"}}, "rows": []})
    found = judgements(read_scores(read_run(tmp_path)))
    assert found == ()
    assert "nothing to compare with" in headline(found)


def test_the_worst_task_lost_most_relative_to_what_it_had(tmp_path):
    small = change(-0.1, -0.12, -0.08)
    tasks = {"a": (0.1, 0.9, 0.7, UP, DOWN), "b": (0.1, 0.2, 0.1, UP, small)}
    worst = worst_task(board_of(tmp_path, tasks))
    assert (worst.task.name, worst.against) == ("b", "single")
    assert worst.sentence == (
        "b lost most in proportion against its single-task model, accuracy 10.0\N{NO-BREAK SPACE}% "
        "against 20.0\N{NO-BREAK SPACE}%: −10.0\N{NO-BREAK SPACE}points (−12.0 to −8.0)."
    )


def test_a_watched_task_that_got_worse_is_the_worst(tmp_path):
    tasks = {"a": (0.5, 0.7, 0.7, UP, NONE), "general": (0.9, None, 0.7, DOWN, None)}
    worst = worst_task(board_of(tmp_path, tasks))
    assert (worst.task.name, worst.against) == ("general", "base")
    assert "general lost most in proportion against the base model" in worst.sentence


def test_where_nothing_got_worse_the_smallest_gain_is_named(tmp_path):
    tasks = {"a": (0.5, 0.5, 0.7, UP, UP), "b": (0.5, 0.7, 0.71, UP, NONE)}
    worst = worst_task(board_of(tmp_path, tasks))
    assert worst.task.name == "b"
    assert worst.sentence.endswith("no clear difference.")
    weak = change(-0.02, -0.04, -0.001, p=0.03, p_holm=0.06)
    sure = change(0.2, 0.1, 0.3, p=0.001, p_holm=0.002)
    tasks = {"a": (0.5, 0.5, 0.7, UP, sure), "b": (0.5, 0.7, 0.68, UP, weak)}
    corrected = worst_task(board_of(tmp_path, tasks))
    assert corrected.sentence.endswith("no clear difference once corrected for 2 tasks.")
    never = change(-0.02, -0.04, -0.001, p=0.06, p_holm=0.12)
    uncorrected = worst_task(board_of(tmp_path, tasks | {"b": (0.5, 0.7, 0.68, UP, never)}))
    assert uncorrected.sentence.endswith(", no clear difference.")
    better = {"a": (0.5, 0.5, 0.7, UP, UP), "b": (0.5, 0.6, 0.8, UP, UP)}
    assert worst_task(board_of(tmp_path, better)).sentence.endswith("still better.")


def test_of_equally_small_gains_none_is_named(tmp_path):
    tied = dict.fromkeys("ab", (0.5, 0.5, 0.7, UP, UP)) | {
        "c": (0.5, 0.5, 0.9, UP, change(0.4, 0.3, 0.5))
    }
    assert worst_task(board_of(tmp_path, tied)) is None


def test_where_nothing_is_settled_no_task_gained_least(tmp_path):
    tasks = {"a": (0.5, 0.5, 0.7, UP, NONE), "b": (0.5, 0.7, 0.8, UP, NONE)}
    assert worst_task(board_of(tmp_path, tasks)) is None


def test_of_equally_large_losses_all_are_named(tmp_path):
    tasks = {"a": (0.5, 0.9, 0.7, UP, DOWN), "b": (0.5, 0.9, 0.7, UP, DOWN)}
    tasks["c"] = (0.5, 0.5, 0.7, UP, UP)
    worst = worst_task(board_of(tmp_path, tasks))
    assert worst.sentence == (
        "a and b lost most, by equally much for what they scored before: −22.2\N{NO-BREAK SPACE}%."
    )


def test_one_task_is_not_the_worst(tmp_path):
    assert worst_task(board_of(tmp_path, {"a": (0.5, 0.7, 0.6, UP, DOWN)})) is None


def test_stages_are_named_without_their_number():
    found = [label(row) for row in ("base", "single", "few-shot", "01-together", "12-a-b", "plain")]
    assert found == ["base", "single-task", "few-shot", "together", "a-b", "plain"]
