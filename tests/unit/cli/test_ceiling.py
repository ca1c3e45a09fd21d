"""What a perfect model could reach, beside agreements that no report shows."""

import json

from madrigal.cli.ceiling import ceiling_in
from madrigal.cli.compare import _ceilings
from madrigal.feedback import inspect
from tasks_made import of_rows

TWO = {"response_1": "x", "response_2": "y"}


def test_of_judged_answers_with_several_votes(tmp_path):
    rows = [TWO | {"prompt": f"p{k}", "votes": [1, 1, 2 if k < 3 else 1]} for k in range(20)]
    task = of_rows(rows, tmp_path)
    (part,) = inspect(task.splits["test"]).parts
    least, most = part.ceiling.least.value, part.ceiling.most.value
    assert 0.8 < least < most < 1
    said = f"ceiling {100 * least:.1f} to {100 * most:.1f}\N{NO-BREAK SPACE}%"
    assert ceiling_in(task) == said


def test_with_one_vote_an_item_it_is_unknown(tmp_path):
    rows = [TWO | {"prompt": f"p{k}", "votes": [1]} for k in range(20)]
    assert ceiling_in(of_rows(rows, tmp_path)) == "ceiling unknown"


def test_a_comparison_says_it_of_judged_answers_alone(tmp_path):
    tasks = {"polite": {"metric": "agreement"}, "mood": {"metric": "accuracy"}}
    (tmp_path / "scores.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    bounds = {"least": {"value": 0.952}, "most": {"value": 0.975}}
    (tmp_path / "data").mkdir()
    for name in tasks:
        card = {"task": name, "quality": {"parts": [{"ceiling": bounds}]}}
        (tmp_path / "data" / f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    assert _ceilings(tmp_path) == {"polite": ", ceiling 95.2 to 97.5\N{NO-BREAK SPACE}%"}
