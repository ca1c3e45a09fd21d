"""Cost against retention: points with the interval of what was kept over what it took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report.figures import px
from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 740, 16, 290
_LETTER, _ROOM = 6.6, 12  # of a label: width of a letter, and its height

Box = tuple[Number, Number, Number, Number]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Place:
    """One point. `plain` is drawn hollow: nothing was done to keep the past."""

    name: str
    cost: Number
    kept: Interval
    plain: bool = False


def cost_figure(places: Sequence[Place], *, name: str, x_name: str, y_name: str) -> Markup:
    """Cost to the right, retention upwards, a line where nothing is lost; labels at the points."""
    if len(places) < 2 or max(place.cost for place in places) <= 0:
        return Markup("")
    ends = [e for p in places for e in (p.kept.value, p.kept.low, p.kept.high) if e is not None]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    margin = 0.06 * (high - low) or 1.0
    widest = max(p.cost for p in places) or 1.0
    x = Scale(-0.03 * widest, 1.12 * widest, _LEFT, _RIGHT)
    y = Scale(low - margin, high + margin, _BOTTOM, _TOP)
    parts = [*_axes(x, y, x_name, y_name)]
    parts += [part for place in places for part in _point(place, x, y)]
    parts += _labels(places, x, y)
    words = "; ".join(f"{p.name}: {x_name} {p.cost:.3g}, {p.kept.value:.1f}" for p in places)
    return Markup(
        '<svg class="chart costs" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, f"{name}: {words}", Markup("").join(parts))


def _axes(x: Scale, y: Scale, x_name: str, y_name: str) -> Iterable[Markup]:
    heights, widths = ticks(y.low, y.high, 5), ticks(x.low, x.high, 6)
    for value in heights:
        kind = "zero" if value == 0 else "grid"
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            kind, _LEFT, _RIGHT, px(y(value)), px(y(value))
        )
        yield _text(_LEFT - 6, y(value) + 4, tick_text(value, max(map(abs, heights))), "end")
    for value in widths:
        if value >= 0:
            yield _text(x(value), _BOTTOM + 18, tick_text(value, max(map(abs, widths))), "middle")
    yield Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        _LEFT, _RIGHT, _BOTTOM, _BOTTOM
    )
    yield _text(_RIGHT, _BOTTOM + 38, x_name, "end")
    yield _text(_LEFT + 6, _TOP + 4, f"↑ {y_name}", "start")


def _point(place: Place, x: Scale, y: Scale) -> Iterable[Markup]:
    across = px(x(place.cost))
    if place.kept.low is not None and place.kept.high is not None:
        yield Markup('<line class="whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
            across, px(y(place.kept.low)), px(y(place.kept.high))
        )
    yield Markup(
        '<circle class="place {}" cx="{}" cy="{}" r="5"><title>{}</title></circle>'
    ).format("ahead" if place.plain else "since", across, px(y(place.kept.value)), place.name)


def _labels(places: Sequence[Place], x: Scale, y: Scale) -> Iterable[Markup]:
    """Beside their points, moved up or down where they would lie on a bar or on another label."""
    taken = [_bar(place, x, y) for place in places]
    for place in sorted(places, key=lambda one: y(one.kept.value)):
        at, height, wide = x(place.cost), y(place.kept.value), _LETTER * len(place.name)
        tried = [
            (start, height + 4 + down)
            for down in sorted(range(-120, 121, 4), key=abs)
            for start in (at + 9, at - 9 - wide)
            if start >= _LEFT and start + wide <= _WIDTH and _TOP <= height + down <= _BOTTOM - 4
        ]
        free = [spot for spot in tried if not any(_meet(_box(*spot, wide), one) for one in taken)]
        start, line = (free or tried or [(_LEFT, height)])[0]
        taken.append(_box(start, line, wide))
        left = start < at
        yield Markup('<text class="name" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            px(at - 9 if left else start), px(line), "end" if left else "start", place.name
        )


def _bar(place: Place, x: Scale, y: Scale) -> Box:
    ends = [e for e in (place.kept.low, place.kept.value, place.kept.high) if e is not None]
    at = x(place.cost)
    return at - 6, y(max(ends)) - 6, at + 6, y(min(ends)) + 6


def _box(start: Number, line: Number, wide: Number) -> Box:
    return start, line - _ROOM, start + wide, line + 3


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        px(x), px(y), anchor, text
    )
