"""Small SVG figures without a library. Colours are classes, so that the page's theme paints them.

Strips and bars are placed in percent of their width and keep their text size on every screen;
line charts and histograms have a fixed drawing area and are laid out in a grid.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale, tick_text, ticks

_WIDTH, _HEIGHT = 380, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 370, 14, 174

Point = tuple[Number, Number]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart. `colour` is a class: c0 to c7 for tasks, or a model's name."""

    name: str
    colour: str
    points: Sequence[Point]
    dashed: bool = False
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """An event: a vertical line at `x` with a sign on top and a text to hover."""

    x: Number
    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval on a strip."""

    name: str
    colour: str
    value: Interval
    text: str


def line_chart(
    lines: Sequence[Line],
    *,
    name: str,
    marks: Sequence[Mark] = (),
    from_zero: bool = False,
    x_name: str = "step",
    span: Point | None = None,
) -> Markup:
    """Lines over a common axis; nothing where no line has two points. `span` fixes the x axis."""
    drawn = [line for line in lines if len(line.points) > 1]
    if not drawn:
        return Markup("")
    x, y = _scales(drawn, from_zero, span)
    parts = [_axes(x, y, x_name), *(_mark(mark, x) for mark in marks)]
    parts += [_line(line, x, y) for line in drawn]
    return _svg(_WIDTH, _HEIGHT, name, parts)


def band_chart(
    line: Line,
    band: Sequence[tuple[Number, Number]],
    *,
    name: str,
    span: Point,
    heights: Point,
    marks: Sequence[Mark] = (),
) -> Markup:
    """One line in its band of (low, high) at the same places, over a line at zero; fixed axes."""
    x = Scale(*span, _LEFT, _RIGHT)
    y = Scale(*heights, _BOTTOM, _TOP)
    across = [x(at) for at, _ in line.points]
    edge = [*zip(across, (low for low, _ in band), strict=True)]
    edge += [*zip(across, (high for _, high in band), strict=True)][::-1]
    path = "M" + "L".join(f"{_at(a)} {_at(y(b))}" for a, b in edge) + "Z"
    zero = f'<line class="zero" x1="{_LEFT}" x2="{_RIGHT}" y1="{_at(y(0))}" y2="{_at(y(0))}"/>'
    parts = [_axes(x, y, "step"), zero, *(_mark(mark, x) for mark in marks)]
    parts.append(Markup('<path class="band {}" d="{}"/>').format(line.colour, path))
    return _svg(_WIDTH, _HEIGHT, name, [*parts, _line(line, x, y)])


def _scales(lines: Sequence[Line], from_zero: bool, span: Point | None) -> tuple[Scale, Scale]:
    xs = span or [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    low, high = min(ys), max(ys)
    low = min(low, 0.0) if from_zero else low
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    bottom = low if from_zero and low == 0 else low - margin
    return Scale(min(xs), max(xs), _LEFT, _RIGHT), Scale(bottom, high + margin, _BOTTOM, _TOP)


def _axes(x: Scale, y: Scale, x_name: str) -> Markup:
    parts = []
    heights, widths = ticks(y.low, y.high), ticks(x.low, x.high, 5)
    for value in heights:
        at = _at(y(value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(
            _text(_LEFT - 6, y(value) + 4, tick_text(value, max(map(abs, heights))), "end")
        )
    room = _RIGHT - 9 * len(x_name)
    for value in widths:
        if x(value) < room:
            text = tick_text(value, max(map(abs, widths)))
            parts.append(_text(x(value), _BOTTOM + 18, text, "middle"))
    parts.append(_text(_RIGHT, _BOTTOM + 18, x_name, "end"))
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>')
    return Markup("".join(parts))


def _line(line: Line, x: Scale, y: Scale) -> Markup:
    places = [(x(a), y(b)) for a, b in line.points]
    path = "M" + "L".join(f"{_at(a)} {_at(b)}" for a, b in places)
    kind = " ".join(["line", line.colour, *["dashed"] * line.dashed, *["faint"] * line.faint])
    parts = [
        Markup('<path class="{}" d="{}"><title>{}</title></path>').format(kind, path, line.name)
    ]
    if line.dots:
        parts += [
            Markup('<circle class="dot {}" cx="{}" cy="{}" r="2.6"/>').format(
                line.colour, _at(a), _at(b)
            )
            for a, b in places
        ]
    return Markup("").join(parts)


def _mark(mark: Mark, x: Scale) -> Markup:
    at = _at(x(mark.x))
    return Markup(
        '<g class="mark"><title>{}</title><line x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text x="{}" y="{}" text-anchor="middle">{}</text></g>'
    ).format(mark.text, at, at, _TOP, _BOTTOM, at, _TOP - 3, mark.sign)


def histogram(
    edges: Sequence[Number], counts: Sequence[Number], *, name: str, x_name: str
) -> Markup:
    """Bars between consecutive edges; one edge more than counts."""
    if len(edges) != len(counts) + 1 or not counts or max(counts) <= 0:
        return Markup("")
    x = Scale(edges[0], edges[-1], _LEFT, _RIGHT)
    y = Scale(0, max(counts) * 1.06, _BOTTOM, _TOP)
    bars = [
        Markup(
            '<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        ).format(
            _at(x(low) + 0.5),
            _at(y(count)),
            _at(max(x(high) - x(low) - 1, 0.5)),
            _at(_BOTTOM - y(count)),
            f"{tick_text(low)} to {tick_text(high)}: {count:,.0f}",
        )
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return _svg(_WIDTH, _HEIGHT, name, [_axes(x, y, x_name), *bars])


def dot_strip(dots: Sequence[Dot], low: Number, high: Number) -> Markup:
    """Values with their intervals on one line; the scale is the caller's, common to all strips."""
    x = Scale(low, high, 0.5, 99.5)
    lines = [_grid_percent(x(value)) for value in ticks(low, high, 5)]
    shown = []
    for index, dot in enumerate(dots):
        y = 9 + 10 * index if len(dots) > 1 else 14
        ends = dot.value
        if ends.low is not None and ends.high is not None:
            shown.append(
                Markup('<line class="whisker {}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
                    dot.colour, _at(x(ends.low)), _at(x(ends.high)), y, y
                )
            )
        shown.append(
            Markup(
                '<circle class="dot {}" cx="{}%" cy="{}" r="4.5"><title>{}</title></circle>'
            ).format(dot.colour, _at(x(dot.value.value)), y, f"{dot.name}: {dot.text}")
        )
    height = max(28, 8 + 10 * len(dots))
    words = "; ".join(f"{dot.name} {dot.text}" for dot in dots)
    return strip(height, words, [*lines, *shown])


def strip_axis(low: Number, high: Number) -> Markup:
    """The numbers under a column of strips."""
    x = Scale(low, high, 0.5, 99.5)
    parts = []
    for value in ticks(low, high, 5):
        at = x(value)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        place = f'x="{_at(at)}%" y="12" text-anchor="{anchor}"'
        parts.append(f'<text class="tick" {place}>{tick_text(value)}</text>')
    return strip(16, "", parts)


def interval_bar(value: Interval, outcome: str, limit: Number, text: str, mirrored: bool) -> Markup:
    """A difference as a bar from zero with a whisker; right is always better."""
    x = Scale(-limit, limit, 1, 99)
    sign = -1.0 if mirrored else 1.0
    start, end = sorted((x(0), x(sign * value.value)))
    parts = [
        Markup('<line class="zero" x1="50%" x2="50%" y1="0" y2="18"/>'),
        Markup('<rect class="delta {}" x="{}%" y="5" width="{}%" height="8" rx="1"/>').format(
            outcome, _at(start), _at(end - start)
        ),
    ]
    if value.low is not None and value.high is not None:
        a, b = sorted((x(sign * value.low), x(sign * value.high)))
        parts.append(
            Markup(
                '<line class="whisker" x1="{0}%" x2="{1}%" y1="9" y2="9"/>'
                '<line class="whisker" x1="{0}%" x2="{0}%" y1="5.5" y2="12.5"/>'
                '<line class="whisker" x1="{1}%" x2="{1}%" y1="5.5" y2="12.5"/>'
            ).format(_at(a), _at(b))
        )
    return strip(18, text, parts)


def share_bar(share: Number, asked: Number | None, limit: Number, colour: str, text: str) -> Markup:
    """An achieved share as a bar, with a tick where it was asked for."""
    x = Scale(0, limit, 0, 100)
    parts = [
        Markup('<rect class="bar {}" x="0" y="4" width="{}%" height="10" rx="1"/>').format(
            colour, _at(x(share))
        )
    ]
    if asked is not None:
        at = _at(x(asked))
        parts.append(Markup('<line class="asked" x1="{0}%" x2="{0}%" y1="1" y2="17"/>').format(at))
    return strip(18, text, parts)


def strip(height: Number, words: str, parts: Iterable[str]) -> Markup:
    """Parts placed in percent of the width; `words` for who cannot see them."""
    attributes = (
        Markup('role="img" aria-label="{}"').format(words) if words else 'aria-hidden="true"'
    )
    return Markup('<svg class="strip" width="100%" height="{}" {}>{}</svg>').format(
        height, Markup(attributes), Markup("").join(Markup(part) for part in parts)
    )


def _svg(width: Number, height: Number, name: str, parts: Iterable[str]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, name, Markup("").join(Markup(part) for part in parts))


def _grid_percent(at: Number) -> str:
    return f'<line class="grid" x1="{_at(at)}%" x2="{_at(at)}%" y1="0" y2="100%"/>'


def _text(x: Number, y: Number, text: str, anchor: str) -> str:
    return (
        f'<text class="tick" x="{_at(x)}" y="{_at(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _at(value: Number) -> str:
    return f"{value:.1f}".removesuffix(".0")
