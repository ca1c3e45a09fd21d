"""The heat map of a sequence, cell by cell; the curves and the costs beside it."""

from xml.etree import ElementTree

import pytest

from fake_run import write_json
from in_sequence import SCORES, board_of, scores
from madrigal.report.folder import read_run
from madrigal.report.forgetting_curves import forgetting_curves
from madrigal.report.order_matrix import order_matrix


@pytest.fixture
def board(tmp_path):
    return board_of(tmp_path)


def states(found):
    return {line.title: [square.state for square in line.squares] for line in found.lines}


def test_every_cell_knows_whether_its_task_was_taught(board):
    assert states(order_matrix(board)) == {
        "base": ["ahead", "ahead", "ahead"],
        "after one": ["taught", "ahead", "ahead"],
        "after two": ["known", "taught", "ahead"],
        "after three": ["known", "known", "taught"],
    }


def test_only_sure_changes_are_marked(board):
    lines = {line.title: line for line in order_matrix(board).lines}
    moves = {title: [square.move for square in line.squares] for title, line in lines.items()}
    assert moves["after two"] == ["▼ −40.0", "▲ +40.0", ""]
    assert moves["after three"] == ["", "", "▲ +55.0"]
    assert moves["base"] == ["", "", ""]
    fallen = lines["after two"].squares[0]
    assert fallen.outcome == "worse"
    assert fallen.hint == (
        "50.0\N{NO-BREAK SPACE}% (45.0 to 55.0); "
        "−40.0\N{NO-BREAK SPACE}points (−44.0 to −36.0) against one, p = 0.001 after Holm"
    )
    assert lines["base"].squares[0].hint == (
        "20.0\N{NO-BREAK SPACE}% (15.0 to 25.0); not learnt yet"
    )


def test_a_row_ends_with_the_mean_of_what_was_taught(board):
    means = {line.title: line.mean for line in order_matrix(board).lines}
    assert means == {
        "base": "",
        "after one": "90.0",
        "after two": "65.0",
        "after three": "65.7",
    }


def test_a_column_ends_with_the_change_since_it_was_taught(board):
    a, b, c = order_matrix(board).since
    assert (a.text, a.range, a.words) == ("▼ −42.0", "−46.0 to −38.0", "forgotten")
    assert (b.text, b.words) == ("−1.0", "not sure")
    assert (c.text, c.words) == ("", "")


def test_without_a_base_row_and_with_cells_that_were_not_evaluated(tmp_path):
    body = scores({row: SCORES[row] for row in SCORES if row != "base"})
    del body["rows"][0]["scores"]["c"]
    found = order_matrix(board_of(tmp_path, body))
    assert [line.title for line in found.lines] == ["after one", "after two", "after three"]
    unseen = found.lines[0].squares[2]
    assert (unseen.state, unseen.cell.value, unseen.move) == ("unseen", "–", "")
    assert found.lines[0].mean == "90.0"


def test_a_mean_needs_every_task_that_was_taught(tmp_path):
    body = scores()
    del body["rows"][2]["scores"]["a"]
    lines = {line.title: line for line in order_matrix(board_of(tmp_path, body)).lines}
    assert lines["after two"].mean == ""


def test_general_tasks_few_shot_and_single_models_stand_apart(tmp_path):
    body = scores()
    body["tasks"]["a"]["general"] = True
    body["rows"][1]["learned"] = []
    body["rows"].insert(1, body["rows"][0] | {"stage": "few-shot"})
    body["baselines"] = {"b": {"value": 0.9}}
    found = order_matrix(board_of(tmp_path, body))
    assert [name for name, _, general in found.columns if general] == ["a"]
    assert [name for name, _, _ in found.columns] == ["b", "c", "a"]
    assert [line.kind for line in found.lines] == [
        "before", "before", "stage", "stage", "stage", "after",
    ]  # fmt: skip
    assert states(found)["single-task"] == ["alone", "unseen", "unseen"]
    assert states(found)["after two"] == ["taught", "ahead", "watched"]


def test_many_tasks_stand_closer(tmp_path):
    body = scores()
    assert not order_matrix(board_of(tmp_path, body)).dense
    more = {f"t{i}": {"metric": "accuracy"} for i in range(6)}
    body["tasks"] |= more
    for row in body["rows"]:
        row["scores"] |= {key: {"value": 0.5} for key in more}
    found = order_matrix(board_of(tmp_path, body))
    assert found.dense
    assert [name for name, _, _ in found.columns] == ["a", "b", "c", *more]


def test_a_run_of_one_stage_has_no_order(tmp_path):
    body = scores({row: SCORES[row] for row in ("base", "01-one")}, {"01-one": "abc"})
    board = board_of(tmp_path, body)
    assert order_matrix(board) is None
    assert forgetting_curves(board) is None


def test_a_curve_for_each_task_with_its_own_marks(board):
    found = forgetting_curves(board)
    assert [(curve.task, curve.fate) for curve in found.curves] == [
        ("a", "forgotten, −42.0"),
        ("b", "not sure, −1.0"),
        ("c", "learnt last"),
    ]
    assert found.key == ""
    for curve in found.curves:
        drawn = ElementTree.fromstring(curve.figure)
        assert len([e for e in drawn.iter("circle") if "place taught" in e.get("class")]) == 1
        assert len(list(drawn.iter("circle"))) == 4
        assert len([e for e in drawn.iter("text") if e.text == "▼"]) == (curve.task == "a")


def test_long_names_of_stages_become_numbers(tmp_path):
    body = scores()
    for row in body["rows"][1:]:
        row["stage"] = f"{row['stage']}-with-a-name-that-is-long"
    found = forgetting_curves(board_of(tmp_path, body))
    assert found.key.startswith("0 base, 1 one-with-a-name-that-is-long, 2 two-")


def test_names_are_text_in_every_picture(tmp_path):
    body = scores()
    for row in body["rows"][1:]:
        row["stage"] = row["stage"][:3] + "<b>&\"'"
    write_json(tmp_path / "scores.json", body)
    run = read_run(tmp_path)
    assert run.scores
    for curve in (forgetting_curves(board_of(tmp_path, body)) or pytest.fail("none")).curves:
        ElementTree.fromstring(curve.figure)
