"""Confidence against agreement: points on the diagonal are as right as they are sure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from madrigal.report.figures import px
from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale

_WIDTH, _HEIGHT = 380, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 366, 12, 206
_LARGEST = 9.0  # radius of a point that holds all pairs


@dataclass(frozen=True, slots=True)
class Point:
    """Some pairs: how sure the model is of them, how many people agree, how many there are."""

    confidence: Number
    right: Interval
    count: int


def reliability_figure(points: Sequence[Point], ceiling: Interval | None, *, name: str) -> Markup:
    """Points with their intervals, as large as they hold pairs; a band where the ceiling is."""
    if not points:
        return Markup("")
    x, y = Scale(50, 100, _LEFT, _RIGHT), Scale(0, 100, _BOTTOM, _TOP)
    most = sum(point.count for point in points) or 1
    parts = [_ceiling(ceiling, y), *_axes(x, y), _diagonal(x, y)]
    parts += [_point(point, most, x, y) for point in points]
    words = "; ".join(
        f"{_percent(p.confidence)} sure, {_percent(p.right.value)} right" for p in points
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, f"{name}: {words}", Markup("").join(parts))


def _axes(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for value in (0, 25, 50, 75, 100):
        kind = "zero" if value == 50 else "grid"
        parts.append(
            Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                kind, _LEFT, _RIGHT, px(y(value)), px(y(value))
            )
        )
        parts.append(_text(_LEFT - 6, y(value) + 4, str(value), "end"))
    parts += [_text(x(value), _BOTTOM + 18, str(value), "middle") for value in (50, 60, 70, 80, 90)]
    parts.append(_text(_RIGHT, _BOTTOM + 18, "100", "end"))
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 36, "confidence of the model, %", "middle"))
    return parts


def _diagonal(x: Scale, y: Scale) -> Markup:
    return Markup('<path class="line ink dashed faint" d="M{} {}L{} {}"/>').format(
        px(x(50)), px(y(50)), px(x(100)), px(y(100))
    )


def _ceiling(ceiling: Interval | None, y: Scale) -> Markup:
    if ceiling is None or ceiling.low is None or ceiling.high is None:
        return Markup("")
    top, bottom = y(100 * ceiling.high), y(100 * ceiling.low)
    return Markup(
        '<rect class="band ink" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    ).format(_LEFT, px(top), _RIGHT - _LEFT, px(max(bottom - top, 1)), "ceiling of a perfect model")


def _point(point: Point, most: int, x: Scale, y: Scale) -> Markup:
    at, value = x(100 * point.confidence), y(100 * point.right.value)
    radius = max(2.5, _LARGEST * math.sqrt(point.count / most))
    parts = []
    if point.right.low is not None and point.right.high is not None:
        parts.append(
            Markup('<line class="whisker multi" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                px(at), px(at), px(y(100 * point.right.low)), px(y(100 * point.right.high))
            )
        )
    text = (
        f"{_percent(point.confidence)} sure, {_percent(point.right.value)} right, "
        f"{point.count:,} pairs"
    )
    parts.append(
        Markup(
            '<circle class="dot multi" cx="{}" cy="{}" r="{}"><title>{}</title></circle>'
        ).format(px(at), px(value), px(radius), text)
    )
    return Markup("").join(parts)


def _percent(share: Number) -> str:
    return f"{100 * share:.0f} %"


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        px(x), px(y), anchor, escape(text)
    )
