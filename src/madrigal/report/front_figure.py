"""A front: what was gained over what was paid, a point for each share of the way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report.figures import px
from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 380, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 366, 18, 196


@dataclass(frozen=True, slots=True)
class Spot:
    """A point with its intervals to both sides."""

    name: str
    cost: Interval  # to the right nothing is paid
    gain: Interval


def front_figure(spots: Sequence[Spot], *, name: str, x_name: str, y_name: str) -> Markup:
    """Gain upwards, change of what others score to the right; a line through the points in their
    order, lines where nothing is gained and nothing paid. Nothing with fewer than two points."""
    if len(spots) < 2:
        return Markup("")
    x = _scale([spot.cost for spot in spots], _LEFT, _RIGHT)
    y = _scale([spot.gain for spot in spots], _BOTTOM, _TOP)
    path = "M" + "L".join(f"{px(x(s.cost.value))} {px(y(s.gain.value))}" for s in spots)
    parts = [*_axes(x, y, x_name, y_name), Markup('<path class="line c2" d="{}"/>').format(path)]
    parts += [part for spot in spots for part in _spot(spot, x, y)]
    words = "; ".join(f"{s.name}: {s.cost.value:.3g}, {s.gain.value:.3g}" for s in spots)
    return Markup(
        '<svg class="chart front" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, f"{name}: {words}", Markup("").join(parts))


def _scale(held: Sequence[Interval], start: Number, end: Number) -> Scale:
    ends = [e for one in held for e in (one.value, one.low, one.high) if e is not None]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    margin = 0.08 * (high - low) or 1.0
    return Scale(low - margin, high + margin, start, end)


def _axes(x: Scale, y: Scale, x_name: str, y_name: str) -> Iterable[Markup]:
    heights, widths = ticks(y.low, y.high, 5), ticks(x.low, x.high, 5)
    for value in heights:
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            "zero" if value == 0 else "grid", _LEFT, _RIGHT, px(y(value)), px(y(value))
        )
        yield _text(_LEFT - 6, y(value) + 4, tick_text(value, max(map(abs, heights))), "end")
    for value in widths:
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            "zero" if value == 0 else "grid", px(x(value)), px(x(value)), _TOP, _BOTTOM
        )
        yield _text(x(value), _BOTTOM + 16, tick_text(value, max(map(abs, widths))), "middle")
    yield _text(_RIGHT, _BOTTOM + 34, f"{x_name} →", "end")
    yield _text(_LEFT, _TOP - 6, f"↑ {y_name}", "start")


def _spot(spot: Spot, x: Scale, y: Scale) -> Iterable[Markup]:
    across, height = px(x(spot.cost.value)), px(y(spot.gain.value))
    if spot.cost.low is not None and spot.cost.high is not None:
        yield Markup('<line class="whisker" x1="{1}" x2="{2}" y1="{0}" y2="{0}"/>').format(
            height, px(x(spot.cost.low)), px(x(spot.cost.high))
        )
    if spot.gain.low is not None and spot.gain.high is not None:
        yield Markup('<line class="whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
            across, px(y(spot.gain.low)), px(y(spot.gain.high))
        )
    yield Markup('<circle class="dot c2" cx="{}" cy="{}" r="4"><title>{}</title></circle>').format(
        across, height, spot.name
    )
    yield Markup('<text class="name" x="{}" y="{}">{}</text>').format(
        px(x(spot.cost.value) + 6), px(y(spot.gain.value) - 6), spot.name
    )


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        px(x), px(y), anchor, text
    )
