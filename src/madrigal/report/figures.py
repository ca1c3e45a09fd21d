"""Small SVG figures without a library. Colours are classes, so that the page's theme paints them.

Line charts and histograms have a fixed drawing area and are laid out in a grid.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from madrigal.report.numbers import Number
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
    path = "M" + "L".join(f"{px(a)} {px(y(b))}" for a, b in edge) + "Z"
    zero = f'<line class="zero" x1="{_LEFT}" x2="{_RIGHT}" y1="{px(y(0))}" y2="{px(y(0))}"/>'
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
        at = px(y(value))
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
    path = "M" + "L".join(f"{px(a)} {px(b)}" for a, b in places)
    kind = " ".join(["line", line.colour, *["dashed"] * line.dashed, *["faint"] * line.faint])
    parts = [
        Markup('<path class="{}" d="{}"><title>{}</title></path>').format(kind, path, line.name)
    ]
    if line.dots:
        parts += [
            Markup('<circle class="dot {}" cx="{}" cy="{}" r="2.6"/>').format(
                line.colour, px(a), px(b)
            )
            for a, b in places
        ]
    return Markup("").join(parts)


def _mark(mark: Mark, x: Scale) -> Markup:
    at = px(x(mark.x))
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
            px(x(low) + 0.5),
            px(y(count)),
            px(max(x(high) - x(low) - 1, 0.5)),
            px(_BOTTOM - y(count)),
            f"{tick_text(low)} to {tick_text(high)}: {count:,.0f}",
        )
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return _svg(_WIDTH, _HEIGHT, name, [_axes(x, y, x_name), *bars])


def _svg(width: Number, height: Number, name: str, parts: Iterable[str]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, name, Markup("").join(Markup(part) for part in parts))


def _text(x: Number, y: Number, text: str, anchor: str) -> str:
    return (
        f'<text class="tick" x="{px(x)}" y="{px(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def px(value: Number) -> str:
    """A place on the paper, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")
