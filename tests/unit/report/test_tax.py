"""What the page says of the alignment tax."""

import json

import pytest

from madrigal.report.front_figure import Spot, front_figure
from madrigal.report.numbers import Interval
from madrigal.report.tax import tax_views
from madrigal.report.tax_words import sentences


def point(share, value, change, low, high, **more):
    moved = {"value": change, "low": low, "high": high}
    return {"share": share, "value": value, "low": None, "high": None, "change": moved, **more}


def body(lost=True, free=0.5):
    paid = [point(0, 0.9, 0, -0.01, 0.01, p=1.0), point(0.5, 0.88, -0.02, -0.05, 0.01, p=0.2),
            point(1, 0.7, -0.2, -0.3, -0.1 if lost else 0.1, p=1e-5)]  # fmt: skip
    reward = [point(0, 0.1, 0, 0, 0), point(0.5, 0.4, 0.3, 0.1, 0.5), point(1, 0.6, 0.5, 0.2, 0.8)]
    return {
        "version": 1,
        "stage": "02-prefer",
        "own": ["chat"],
        "prompts": 40,
        "free": free,
        "shares": [0, 0.5, 1],
        "gains": [{"task": "chat", "what": "reward", "points": reward}],
        "paid": [{"task": "maths", "metric": "accuracy", "points": paid}],
        "mean": [
            {"share": one["share"], **one["change"]} for one in paid
        ],
        "away": {"chat": [{"share": s, "value": 3 * s, "low": s, "high": 4 * s}
                          for s in (0, 0.5, 1)]},
    }  # fmt: skip


def test_sentences_on_a_tax_that_was_paid():
    gained, paid, free = sentences(body(), {})
    assert gained == "The whole stage: reward of chat +0.50 (+0.20 to +0.80)."
    assert paid.replace("\u00a0", " ") == (
        "Its alignment tax: maths −20.0 points (−30.0 to −10.0)."
    )
    assert free.replace("\u00a0", " ") == (
        "Up to 0.5 of the way no other task surely loses; it has 60 % of the gain in reward of "
        "chat."
    )


@pytest.mark.parametrize(
    ("told", "chosen", "sentence"),
    [
        (body(lost=False), {}, "No other task surely lost: no alignment tax was found on these "),
        (body() | {"paid": []}, {}, "No other task was scored, so nothing is said of what "),
        (body(free=0), {}, "Already at the first point another task surely loses; smaller shares"),
        (body(), {"share": 0.5, "out": "there"}, "The point 0.5 was chosen and written to there."),
    ],
)
def test_other_sentences(told, chosen, sentence):
    assert any(one.startswith(sentence) for one in sentences(told, chosen))


def test_the_section(tmp_path):
    from madrigal.report.page import write_report

    folder = tmp_path / "tax" / "02-prefer"
    folder.mkdir(parents=True)
    (folder / "tax.json").write_text(json.dumps(body()), encoding="utf-8")
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "scores.json").write_text('{"version": 1}', encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Its alignment tax: maths" in page
    assert "Front of chat: reward" in page
    assert 'class="num change worse"' in page


def test_a_broken_file_is_a_problem_and_no_section(tmp_path):
    from madrigal.report.folder import read_run

    folder = tmp_path / "tax" / "02-prefer"
    folder.mkdir(parents=True)
    (folder / "tax.json").write_text("{", encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"a": 1}', encoding="utf-8")
    problems: list[str] = []
    assert tax_views(read_run(tmp_path), problems) == ()
    assert problems == ["tax/02-prefer/tax.json: not a JSON object; left out"]


def test_points_of_a_front_stand_where_they_belong():
    spots = [Spot("0", Interval(0, -1, 1), Interval(0, 0, 0)),
             Spot("1", Interval(-10, -15, -5), Interval(0.5, 0.2, 0.8))]  # fmt: skip
    figure = front_figure(spots, name="f", x_name="x", y_name="y")
    dots = [part.split('"') for part in figure.split("<circle ")[1:]]
    (x0, y0), (x1, y1) = ((float(one[3]), float(one[5])) for one in dots)
    assert x1 < x0
    assert y1 < y0
    assert front_figure(spots[:1], name="f", x_name="x", y_name="y") == ""
