"""A knob and a score: one dot a trial, over the knob's range or its choices."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from madrigal.report.figures import px
from madrigal.report.numbers import Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 380, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 366, 14, 190
_FAILED = 200  # the height of the crosses of failed trials, below the axis
_SPREAD = 26  # how far dots of one choice may stand apart

Place = Callable[[Any], Number | None]


@dataclass(frozen=True, slots=True)
class Dot:
    """One trial. `score` is None where it failed; `kept`: within all bounds."""

    number: int
    value: Any
    score: Number | None
    kept: bool = True
    best: bool = False


def knob_figure(knob: dict[str, Any], dots: Sequence[Dot], *, name: str, limits: Sequence[Number]):
    """The picture of one knob. `limits` are bounds of the score, drawn as dashed lines."""
    scores = [dot.score for dot in dots if dot.score is not None]
    if not scores:
        return Markup("")
    ends = [*scores, *limits]
    margin = 0.08 * (max(ends) - min(ends)) or 0.05 * abs(max(ends)) or 1.0
    y = Scale(min(ends) - margin, max(ends) + margin, _BOTTOM, _TOP)
    place, axis = _choices(knob) if "labels" in knob else _range(knob)
    parts = [*_grid(y), *axis, *_limits(limits, y)]
    for dot in sorted(dots, key=lambda one: one.best):
        parts += _dot(dot, place, y, "labels" in knob)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, name, Markup("").join(parts))


def _grid(y: Scale) -> Iterable[Markup]:
    heights = ticks(y.low, y.high)
    for value in heights:
        at = px(y(value))
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, _RIGHT, at, at
        )
        yield _text(_LEFT - 6, y(value) + 4, tick_text(value, max(map(abs, heights))), "end")
    yield Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        _LEFT, _RIGHT, _BOTTOM, _BOTTOM
    )


def _range(knob: dict[str, Any]) -> tuple[Place, list[Markup]]:
    low, high, log = knob["low"], knob["high"], knob["log"]

    def turn(value: Number) -> Number:
        return math.log10(value) if log else value

    x = Scale(turn(low), turn(high), _LEFT + 8, _RIGHT - 8)

    def place(value: Any) -> Number | None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            return None
        return x(turn(value))

    if not log:
        marks = [(value, tick_text(value, high)) for value in ticks(low, high, 5)]
    else:
        powers = range(math.ceil(turn(low) - 1e-9), math.floor(turn(high) + 1e-9) + 1)
        decades = [10.0**power for power in powers]
        marks = [
            (value, tick_text(value)) for value in (decades if len(decades) > 1 else (low, high))
        ]
    return place, [_text(x(turn(value)), _BOTTOM + 28, text, "middle") for value, text in marks]


def _choices(knob: dict[str, Any]) -> tuple[Place, list[Markup]]:
    labels = knob["labels"]
    width = (_RIGHT - _LEFT) / len(labels)
    middle = {label: _LEFT + width * (i + 0.5) for i, label in enumerate(labels)}
    most = max(4, int(width / 6.2))
    words = [
        _text(at, _BOTTOM + 28, label if len(label) <= most else label[: most - 1] + "…", "middle")
        for label, at in middle.items()
    ]
    return middle.get, words


def _limits(limits: Sequence[Number], y: Scale) -> Iterable[Markup]:
    for limit in limits:
        at = px(y(limit))
        yield Markup(
            '<line class="zero" stroke-dasharray="4 3" x1="{}" x2="{}" y1="{}" y2="{}">'
            "<title>bound: {}</title></line>"
        ).format(_LEFT, _RIGHT, at, at, f"{limit:g}")


def _dot(dot: Dot, place: Place, y: Scale, aside: bool) -> Iterable[Markup]:
    at = place(dot.value)
    if at is None:
        return
    if aside:  # by the trial's number, so that the same sweep gives the same picture
        at += _SPREAD * ((dot.number * 0.618034) % 1 - 0.5)
    if dot.score is None:
        title = f"trial {dot.number} failed"
        yield Markup('<path class="lost" d="M{} {}l6 6m0 -6l-6 6"><title>{}</title></path>').format(
            px(at - 3), _FAILED - 3, title
        )
        return
    title = f"trial {dot.number}: {dot.score:.4g}"
    kind = "here" if dot.best else "kept" if dot.kept else "broken"
    yield Markup(
        '<circle class="trial {}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>'
    ).format(kind, px(at), px(y(dot.score)), "5" if dot.best else "3.4", title)


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        px(x), px(y), anchor, text
    )
