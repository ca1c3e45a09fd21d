"""What became of each earlier task: what intervals carry, and no more."""

import copy

import pytest

from in_sequence import SCORES, board_of, change, scores
from madrigal.report.fates import tally, verdict
from madrigal.report.numbers import Interval
from madrigal.report.remembered import mean_of, remembered, row_to_row, taught_in


def with_since(task, **since):
    body = scores()
    body["summary"]["since_learned"][task] = {"from": "01-one", "to": "03-three"} | since
    return body


def fates(board):
    return {one.task.name: one.fate for one in remembered(board)}


def test_a_sure_loss_is_forgotten_and_a_small_interval_is_kept(tmp_path):
    board = board_of(tmp_path)
    a, b = remembered(board)
    assert (a.fate, a.taught, a.since) == ("forgotten", "01-one", ("02-two", "03-three"))
    assert [move.after for move in a.losses] == ["02-two"]
    assert (b.fate, b.losses) == ("unclear", ())  # -1 (-5 to +3): a loss of 5 is not ruled out


@pytest.mark.parametrize(
    ("since", "fate"),
    [
        (change(80, 79, half=0.03), "kept"),
        (change(80, 79, half=0.06), "unclear"),
        (change(80, 90), "helped"),
        (change(80, 90, p=0.2), "kept"),  # no sure gain, but a loss is ruled out
        (change(80, 70, p=0.2), "unclear"),
        ({"difference": -0.4}, "unknown"),
    ],
    ids=["kept", "wide", "helped", "gain-by-chance", "loss-by-chance", "no-interval"],
)
def test_a_fate_is_what_interval_and_test_agree_on(tmp_path, since, fate):
    assert fates(board_of(tmp_path, with_since("a", **since)))["a"] == fate


def test_a_perplexity_is_kept_by_its_ratio(tmp_path):
    def kept(high):
        body = with_since("a", **change(80, 81, half=0.03, ratio=[1.0, 0.97, high]))
        body["tasks"]["a"] |= {"metric": "perplexity", "direction": "lower"}
        return fates(board_of(tmp_path, body))["a"]

    assert (kept(1.04), kept(1.06)) == ("kept", "unclear")


def test_one_stage_has_no_earlier_task(tmp_path):
    rows = {row: SCORES[row] for row in ("base", "01-one")}
    body = scores(rows, {"01-one": "abc"})
    assert remembered(board_of(tmp_path, body)) == ()


def test_a_task_that_is_learnt_twice_counts_from_the_last_time(tmp_path):
    body = scores(learned={"01-one": "a", "02-two": "ba", "03-three": "c"})
    a, _b = remembered(board_of(tmp_path, body))
    assert (a.task.name, a.taught, a.since) == ("a", "02-two", ("03-three",))
    assert a.fate == "unclear"
    again = scores(learned={"01-one": "a", "02-two": "b", "03-three": "ca"})
    assert [one.task.name for one in remembered(board_of(tmp_path, again))] == ["b"]


def test_what_an_earlier_run_taught_counts_from_the_base(tmp_path):
    body = scores(learned={"01-one": "b", "02-two": "c"}, before=["a"])
    body["rows"] = body["rows"][:-1]
    body["summary"]["since_learned"] = {"a": {"from": "base", "to": "02-two"} | change(20, 10)}
    board = board_of(tmp_path, body)
    assert taught_in(board) == {"a": "base", "b": "01-one", "c": "02-two"}
    assert next((one.task.name, one.fate) for one in remembered(board)) == ("a", "forgotten")


def test_without_stored_tests_nothing_is_sure(tmp_path):
    body = scores()
    body["summary"] = {}
    board = board_of(tmp_path, body)
    assert fates(board) == {"a": "unknown", "b": "unknown"}
    assert verdict(remembered(board)) == "No earlier task was clearly forgotten"


def test_broken_tests_are_passed_over(tmp_path):
    for junk in (None, 3, "x", [], {"a": None}, {"a": [None, 3, {}]}, {"a": {"from": "x"}}):
        body = copy.deepcopy(scores())
        body["summary"] |= {"stage_to_stage": junk, "since_learned": junk}
        board = board_of(tmp_path, body)
        assert not any(row_to_row(board).values())
        assert len(remembered(board)) == 2


def told(board, *kinds):
    """The verdict over tasks with these fates."""
    from dataclasses import replace

    one = remembered(board)[0]
    tasks = [
        replace(one, fate=fate, task=replace(one.task, name=name))
        for fate, name in zip(kinds, "abcdefg", strict=False)
    ]
    return verdict(tasks), tally(tasks)


def test_the_verdict_in_words(tmp_path):
    board = board_of(tmp_path)
    words = {
        ("forgotten",): "Forgot a",
        ("kept",): "Kept a",
        ("helped",): "Better at a since it was learnt",
        ("unclear",): "Not clear whether a was forgotten",
        ("unknown",): "Not clear whether a was forgotten",
        ("forgotten", "forgotten"): "Forgot both earlier tasks",
        ("forgotten",) * 3: "Forgot all 3 earlier tasks",
        ("forgotten", "kept"): "Forgot 1 of 2 earlier tasks",
        ("kept", "helped", "kept"): "Forgot none of 3 earlier tasks",
        ("kept", "unclear"): "No earlier task was clearly forgotten",
    }
    assert {kinds: told(board, *kinds)[0] for kinds in words} == words
    assert told(board, "unclear", "forgotten", "forgotten", "kept")[1] == (
        "forgotten 2 of 4 tasks (b, c), kept 1 (d), not sure 1 (a)"
    )
    assert told(board, *["forgotten"] * 4, "kept")[1] == "forgotten 4 of 5 tasks, kept 1 (e)"


def test_means_over_tasks_add_in_quadrature():
    mean = mean_of([Interval(0.3, 0.0, 0.6), Interval(0.1, -0.3, 0.5)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.2, -0.05, 0.45))
    assert mean_of([Interval(0.3), Interval(0.1, 0.0, 0.2)]) == Interval(0.2)
    assert mean_of([]) is None
