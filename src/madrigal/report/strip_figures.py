"""Strips of dots and bars, placed in percent of their width: text keeps its size on any screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report.figures import px
from madrigal.report.numbers import Interval, Number
from madrigal.report.scale import Scale, tick_text, ticks


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval on a strip."""

    name: str
    colour: str
    value: Interval
    text: str


def dot_strip(dots: Sequence[Dot], low: Number, high: Number) -> Markup:
    """Values with their intervals on one line; the scale is the caller's, common to all strips."""
    x = Scale(low, high, 0.5, 99.5)
    lines = [_grid(x(value)) for value in ticks(low, high, 5)]
    shown = []
    for index, dot in enumerate(dots):
        y = 9 + 10 * index if len(dots) > 1 else 14
        ends = dot.value
        if ends.low is not None and ends.high is not None:
            shown.append(
                Markup('<line class="whisker {}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
                    dot.colour, px(x(ends.low)), px(x(ends.high)), y, y
                )
            )
        shown.append(
            Markup(
                '<circle class="dot {}" cx="{}%" cy="{}" r="4.5"><title>{}</title></circle>'
            ).format(dot.colour, px(x(dot.value.value)), y, f"{dot.name}: {dot.text}")
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
        place = f'x="{px(at)}%" y="12" text-anchor="{anchor}"'
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
            outcome, px(start), px(end - start)
        ),
    ]
    if value.low is not None and value.high is not None:
        a, b = sorted((x(sign * value.low), x(sign * value.high)))
        parts.append(
            Markup(
                '<line class="whisker" x1="{0}%" x2="{1}%" y1="9" y2="9"/>'
                '<line class="whisker" x1="{0}%" x2="{0}%" y1="5.5" y2="12.5"/>'
                '<line class="whisker" x1="{1}%" x2="{1}%" y1="5.5" y2="12.5"/>'
            ).format(px(a), px(b))
        )
    return strip(18, text, parts)


def share_bar(share: Number, asked: Number | None, limit: Number, colour: str, text: str) -> Markup:
    """An achieved share as a bar, with a tick where it was asked for."""
    x = Scale(0, limit, 0, 100)
    parts = [
        Markup('<rect class="bar {}" x="0" y="4" width="{}%" height="10" rx="1"/>').format(
            colour, px(x(share))
        )
    ]
    if asked is not None:
        at = px(x(asked))
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


def _grid(at: Number) -> str:
    return f'<line class="grid" x1="{px(at)}%" x2="{px(at)}%" y1="0" y2="100%"/>'
