"""The pictures of preferences: where each example's two answers went, and the way there."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from madrigal.report.figures import Line, Point, line_chart, px
from madrigal.report.numbers import Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 380, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 370, 14, 262
_DOTS = 400  # more cannot be told apart
_CHOSEN, _REJECTED = "c2", "c1"


def scatter(points: Sequence[Point], mean: Point, name: str) -> Markup:
    """Each example's change of the preferred answer (across) and of the other one (up).

    Below the slanted line the margin grew; left of the upright one the preferred answer became
    less likely.
    """
    if not points:
        return Markup("")
    shown = points[:: -(-len(points) // _DOTS)]
    ends = [0.0, *(value for pair in (*shown, mean) for value in pair)]
    low, high = min(ends), max(ends)
    edge = 0.06 * (high - low) or 1.0
    x = Scale(low - edge, high + edge, _LEFT, _RIGHT)
    y = Scale(low - edge, high + edge, _BOTTOM, _TOP)
    dots = [
        f'<circle class="example {"fell" if a < 0 else "rose"}" cx="{px(x(a))}" cy="{px(y(b))}" '
        'r="3"/>'
        for a, b in shown
    ]
    parts = [*_frame(x, y), *dots, _cross(x(mean[0]), y(mean[1]))]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, name, Markup("".join(parts)))


def over_steps(chosen: Sequence[Point], rejected: Sequence[Point], name: str) -> Markup:
    """What became of preferred and other answers of the validation records, by step."""
    lines = [
        Line("preferred", _CHOSEN, chosen, dots=True),
        Line("not preferred", _REJECTED, rejected, dots=True),
    ]
    return line_chart(lines, name=name, from_zero=True)


def _frame(x: Scale, y: Scale) -> list[str]:
    """Grid, the two zero lines, the slanted line of an equal margin, and names of the axes."""
    values = ticks(x.low, x.high, 5)
    largest = max(map(abs, values))
    parts = []
    for value in values:
        text = tick_text(value, largest)
        at, up = px(x(value)), px(y(value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{up}" y2="{up}"/>')
        parts.append(_text(_LEFT - 6, y(value) + 4, text, "end"))
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        parts.append(_text(x(value), _BOTTOM + 16, text, "middle"))
    zero = (px(x(0.0)), px(y(0.0)))
    parts.append(f'<line class="zero" x1="{zero[0]}" x2="{zero[0]}" y1="{_TOP}" y2="{_BOTTOM}"/>')
    parts.append(f'<line class="zero" x1="{_LEFT}" x2="{_RIGHT}" y1="{zero[1]}" y2="{zero[1]}"/>')
    ends = f'x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_TOP}"'
    parts.append(f'<line class="equal" {ends}/>')
    parts.append(_text(_RIGHT, _BOTTOM + 32, "change of the preferred answer, nats", "end"))
    parts.append(_text(_LEFT, _TOP - 4, "of the other one", "start"))
    # Above the zero line where that would run through the words.
    room = _BOTTOM - 8 if y(0.0) < _BOTTOM - 24 else y(0.0) - 6
    parts.append(_text(_RIGHT - 4, room, "margin grew", "end"))
    return parts


def _cross(x: Number, y: Number) -> str:
    """The mean of the examples."""
    across = f'<line x1="{px(x - 8)}" x2="{px(x + 8)}" y1="{px(y)}" y2="{px(y)}"/>'
    upright = f'<line x1="{px(x)}" x2="{px(x)}" y1="{px(y - 8)}" y2="{px(y + 8)}"/>'
    return f'<g class="middle"><title>mean</title>{across}{upright}</g>'


def _text(x: Number, y: Number, text: str, anchor: str) -> str:
    return (
        f'<text class="tick" x="{px(x)}" y="{px(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )
