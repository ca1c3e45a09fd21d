"""Figures are drawn as they should be: well-formed, escaped, in their place."""

from xml.etree import ElementTree

import pytest

from madrigal.report import figures, strip_figures
from madrigal.report.figures import Line, Mark
from madrigal.report.numbers import Interval
from madrigal.report.strip_figures import Dot

HOSTILE = "<script>alert(1)</script>\"'&"


def drawn(markup):
    return ElementTree.fromstring(str(markup))


def texts(root):
    return [node.text for node in root.iter("text")]


def test_a_line_runs_from_the_first_to_the_last_point():
    chart = figures.line_chart([Line("loss", "c0", [(1, 4.0), (2, 2.0), (3, 1.0)])], name="Loss")
    path = next(drawn(chart).iter("path")).get("d")
    places = [tuple(map(float, part.split())) for part in path.removeprefix("M").split("L")]
    xs, ys = zip(*places, strict=True)
    assert xs == (44, 207, 370)
    assert list(ys) == sorted(ys), "a falling loss goes down the page"


def test_one_point_is_no_line():
    assert figures.line_chart([Line("loss", "c0", [(1, 4.0)])], name="Loss") == ""
    assert figures.line_chart([], name="Loss") == ""


def test_a_flat_line_has_room_around_it():
    chart = drawn(figures.line_chart([Line("lr", "c0", [(1, 0.0), (2, 0.0)])], name="lr"))
    assert texts(chart)


def test_marks_stand_at_their_step_with_their_sentence():
    lines = [Line("loss", "c0", [(0, 1.0), (100, 0.5)])]
    chart = drawn(figures.line_chart(lines, name="Loss", marks=[Mark(50, "✕", HOSTILE)]))
    mark = next(group for group in chart.iter("g") if group.get("class") == "mark")
    assert mark.find("title").text == HOSTILE
    assert mark.find("line").get("x1") == "207"
    assert mark.find("text").text == "✕"


def test_the_axis_can_start_at_zero_and_be_common():
    lines = [Line("lr", "c0", [(50, 3.0), (60, 5.0)])]
    chart = drawn(figures.line_chart(lines, name="lr", from_zero=True, span=(0, 100)))
    assert "0" in texts(chart)
    assert next(chart.iter("path")).get("d").startswith("M207 ")


@pytest.mark.parametrize(
    "figure",
    [
        figures.line_chart([Line(HOSTILE, "c0", [(1, 4.0), (2, 2.0)])], name=HOSTILE),
        strip_figures.dot_strip([Dot(HOSTILE, "base", Interval(3, 2, 4), HOSTILE)], 0, 10),
        strip_figures.interval_bar(Interval(3, 2, 4), "better", 5, HOSTILE, mirrored=False),
        strip_figures.share_bar(0.2, 0.3, 1, "c0", HOSTILE),
        figures.histogram([0, 1, 2], [3, 4], name=HOSTILE, x_name=HOSTILE),
        strip_figures.strip_axis(0, 100),
    ],
)
def test_every_figure_is_well_formed_and_takes_hostile_text_as_text(figure):
    root = drawn(figure)
    assert root.tag == "svg"
    assert not list(root.iter("script"))


def test_a_dot_carries_its_interval():
    strip = drawn(strip_figures.dot_strip([Dot("base", "base", Interval(50, 40, 60), "x")], 0, 100))
    whisker = next(line for line in strip.iter("line") if "whisker" in line.get("class"))
    assert (whisker.get("x1"), whisker.get("x2")) == ("40.1%", "59.9%")
    bare = drawn(strip_figures.dot_strip([Dot("base", "base", Interval(50), "x")], 0, 100))
    assert not any("whisker" in line.get("class") for line in bare.iter("line"))


def test_better_is_always_right():
    higher = strip_figures.interval_bar(Interval(2, 1, 3), "better", 4, "", mirrored=False)
    lower = strip_figures.interval_bar(Interval(-2, -3, -1), "better", 4, "", mirrored=True)
    assert higher == lower
    bar = next(drawn(higher).iter("rect"))
    assert (bar.get("x"), bar.get("width")) == ("50%", "24.5%")


def test_bars_of_a_histogram_are_as_high_as_their_counts():
    root = drawn(figures.histogram([0, 8, 16, 24], [10, 20, 0], name="Lengths", x_name="tokens"))
    heights = [float(bar.get("height")) for bar in root.iter("rect")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == 0


def test_an_empty_histogram_is_none():
    assert figures.histogram([0, 1], [0], name="x", x_name="y") == ""
    assert figures.histogram([0, 1, 2], [3], name="x", x_name="y") == ""
