"""The page of a sweep: who is best, what mattered, what failed; text of recipes is escaped."""

import copy

import pytest

from madrigal.report.sweep import (
    chosen,
    columns,
    importance_rows,
    sentences,
    trial_rows,
    write_page,
)


def trial(number, rate, kind, value, bound, state="finished", why=""):
    scores = {
        "average": {"value": value, "low": value - 0.1, "high": value + 0.1},
        "forgetting": {"value": bound, "low": None, "high": None},
    }
    return {
        "number": number,
        "values": {"rate": rate, "kind": kind},
        "labels": {"rate": str(rate), "kind": kind},
        "state": state,
        "scores": scores if state == "finished" else {},
        "why": why,
        "seconds": 12.0,
        "run": "",
        "kept": state == "finished" and bound <= 0.05,
    }


def share(key, value, p):
    ends = {"low": max(0.0, value - 0.2), "high": min(1.0, value + 0.2)}
    return {"key": key, "share": value, **ends, "p": p, "p_holm": p, "sure": p <= 0.05}


BODY = {
    "version": 1,
    "name": "desk <b>",
    "recipe": "recipe.yaml",
    "sampler": "random",
    "seed": 3,
    "score_on": "validation",
    "aim": {
        "text": "maximise average subject to forgetting <= 0.05",
        "score": "average",
        "largest": True,
        "bounds": [{"score": "forgetting", "sign": "<=", "limit": 0.05}],
        "scores": ["average", "forgetting"],
    },
    "knobs": [
        {"key": "rate", "words": "1e-5 to 1e-1", "low": 1e-5, "high": 1e-1, "log": True},
        {"key": "kind", "words": "one of a, <i>", "labels": ["a", "<i>"]},
    ],
    "trials": [
        trial(0, 1.0, "a", 0.5, 0.0),  # outside of the range
        trial(1, 1e-4, "<i>", 0.7, 0.01),
        trial(2, 1e-3, "a", 0.9, 0.2),
        trial(3, 1e-2, "a", 0.0, 0.0, "failed", "stopped: <script>"),
    ],
    "best": 1,
    "nearest": None,
    "command": "madrigal run recipe.yaml --set rate=0.0001",
    "importance": {
        "average": [share("kind", 0.1, 0.4), share("rate", 0.62, 0.001)],
        "forgetting": [],
    },
    "optuna": {"average": {"rate": 0.8, "kind": 0.2}},
    "notes": ["note <u>"],
}


def test_what_was_found_in_sentences():
    assert sentences(BODY) == [
        "Trial 1 is best: average 0.700 (0.600 to 0.800), forgetting 0.010. The recipe as it "
        "stands: average 0.500 (0.400 to 0.600), forgetting 0.000.",
        "What average differs by goes with rate (62\xa0%).",
        "Too few different trials to say which knob mattered for forgetting.",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"best": None, "nearest": 2}, "No trial keeps forgetting <= 0.05. Trial 2 comes nearest:"),
        ({"best": None, "nearest": None}, "No trial has a score."),
        ({"best": 0}, "No trial did better than the recipe as it stands: average 0.500"),
    ],
)
def test_where_nothing_is_better(changes, said):
    assert sentences(BODY | changes)[0].startswith(said)


def test_the_best_stands_first_and_the_failed_last():
    assert columns(BODY)[:4] == ["trial", "average", "forgetting", "bounds"]
    assert [row[0] for row in trial_rows(BODY)] == ["1", "0 (the recipe)", "2", "3"]
    assert [row[3] for row in trial_rows(BODY)] == ["kept", "kept", "broken", "stopped: <script>"]
    small = copy.deepcopy(BODY)
    small["aim"]["largest"] = False
    assert [row[0] for row in trial_rows(small)] == ["0 (the recipe)", "1", "2", "3"]


def test_importance_from_the_largest_on():
    ((score, rows), (_, none)) = importance_rows(BODY)
    assert score == "average"
    assert rows[0] == ("rate", "62\xa0% (42\xa0% to 82\xa0%)", "sure (p = 0.001)", "80\xa0%")
    assert rows[1][2] == "not sure (p = 0.400)"
    assert none == []
    assert chosen(BODY) == [("rate", "1.0", "0.0001"), ("kind", "a", "<i>")]


def test_the_page_is_the_same_each_time_and_escapes_all(tmp_path):
    one = write_page(BODY, tmp_path / "a.html").read_bytes()
    assert one == write_page(BODY, tmp_path / "b.html").read_bytes()
    text = one.decode()
    for hostile in ("<b>", "<i>", "<u>", "<script"):
        assert hostile not in text.replace("</script>", "")
    assert "desk &lt;b&gt;" in text
    # Two pictures a knob; the trial outside of the range is not in those of the range.
    assert text.count("<svg") == 4
    assert text.count('<circle class="trial') == 2 * 2 + 2 * 3
    assert text.count('class="lost"') == 4
    assert text.count('class="trial here"') == 4
    assert "stroke-dasharray" in text  # the bound, in the pictures of forgetting
