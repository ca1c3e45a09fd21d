"""Lines with bands over numbers of examples that stand evenly apart, as 1, 2, 4, 8 should."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 694, 14, 340
_APART = 5  # between the bars of several curves at one number


@dataclass(frozen=True, slots=True)
class Curve:
    """One line. `colour` are classes of the page's style."""

    name: str
    colour: str
    points: Sequence[tuple[int, Interval]]


def figure(curves: Sequence[Curve], chance: Number, name: str) -> Markup:
    """The curves with a bar for each interval, and a line where guessing is."""
    at = sorted({shots for curve in curves for shots, _ in curve.points})
    x = {shots: _between(place, len(at)) for place, shots in enumerate(at)}
    ends = [end for curve in curves for _, one in curve.points for end in _ends(one)]
    low, high = min([*ends, chance]), max([*ends, chance])
    margin = 0.05 * (high - low) or 1.0
    y = Scale(low - margin, high + margin, _BOTTOM, _TOP)
    parts = [*_axes(x, y), *_guessing(y, chance)]
    for place, curve in enumerate(curves):
        parts += _curve(curve, x, y, _APART * (place - (len(curves) - 1) / 2))
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, name, Markup("").join(parts))


def _between(place: int, count: int) -> float:
    inside = 30
    return _LEFT + inside + (_RIGHT - _LEFT - 2 * inside) * place / max(1, count - 1)


def _ends(one: Interval) -> list[Number]:
    return [end for end in (one.low, one.value, one.high) if end is not None]


def _axes(x: dict[int, float], y: Scale) -> Iterable[Markup]:
    heights = ticks(y.low, y.high, 5)
    for value in heights:
        place = y(value)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, _RIGHT, _at(place), _at(place)
        )
        yield _text(_LEFT - 6, place + 4, tick_text(value, max(map(abs, heights))), "end")
    for shots, place in x.items():
        yield _text(place, _BOTTOM + 18, str(shots), "middle")
    yield _text(_RIGHT, _BOTTOM + 34, "examples", "end")
    yield Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        _LEFT, _RIGHT, _BOTTOM, _BOTTOM
    )


def _guessing(y: Scale, chance: Number) -> Iterable[Markup]:
    place = _at(y(chance))
    yield Markup(
        '<line class="zero" stroke-dasharray="2 3" x1="{}" x2="{}" y1="{}" y2="{}">'
        "<title>guessing</title></line>"
    ).format(_LEFT, _RIGHT, place, place)
    yield _text(_RIGHT + 6, y(chance) + 4, "guessing", "start")


def _curve(curve: Curve, x: dict[int, float], y: Scale, aside: float) -> Iterable[Markup]:
    places = [(x[shots] + aside, y(one.value)) for shots, one in curve.points]
    path = "M" + "L".join(f"{_at(a)} {_at(b)}" for a, b in places)
    yield Markup('<path class="line {}" d="{}"><title>{}</title></path>').format(
        curve.colour, path, curve.name
    )
    for (a, b), (shots, one) in zip(places, curve.points, strict=True):
        if one.low is not None and one.high is not None:
            yield Markup('<line class="whisker {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                curve.colour, _at(a), _at(a), _at(y(one.low)), _at(y(one.high))
            )
        yield Markup(
            '<circle class="dot {}" cx="{}" cy="{}" r="3.6"><title>{}</title></circle>'
        ).format(curve.colour, _at(a), _at(b), f"{curve.name}, {shots}: {one.value:.1f}")


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        _at(x), _at(y), anchor, text
    )


def _at(value: Number) -> str:
    return f"{value:.1f}".removesuffix(".0")
