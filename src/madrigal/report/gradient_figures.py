"""Figures of the gradient diagnostics: cosines over steps and layers, noise against batch size."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from madrigal.evaluation.cosine import MARGIN, Cosine
from madrigal.evaluation.interference import Pair
from madrigal.evaluation.task_gradients import TaskGradient
from madrigal.report import figures, strip_figures
from madrigal.report.fights import bracketed
from madrigal.report.figures import Line, Mark, Point
from madrigal.report.scale import Scale, tick_text

SHADES = 5


def shade(value: float) -> str:
    """A class: f1 to f5 for what fights, a1 to a5 for what agrees, nothing near 0."""
    level = min(math.ceil(abs(value) / 0.12), SHADES)
    return "" if abs(value) < MARGIN else f"{'f' if value < 0 else 'a'}{level}"


def over_steps(pair: Pair, span: Point, reach: float) -> Markup:
    """The pair's cosine window by window, with its intervals as a band."""
    found = [one for one in pair.windows if one.low is not None and one.high is not None]
    if len(found) < 2:
        return Markup("")
    points = [((one.first + one.last) / 2, one.value) for one in found]
    # The first and the last window reach to the ends of what they were measured on.
    points = [(found[0].first, points[0][1]), *points[1:-1], (found[-1].last, points[-1][1])]
    band = [(one.low or 0.0, one.high or 0.0) for one in found]
    name = f"{pair.first} and {pair.second}"
    marks = []
    if pair.spell and pair.spell.since > span[0]:
        marks.append(Mark(pair.spell.since, "▾", f"since step {pair.spell.since:,}"))
    colour = "fight" if pair.state == "conflict" else "ink"
    return figures.band_chart(
        Line(name, colour, points),
        band,
        name=f"Cosine of {name} over steps",
        span=span,
        heights=(-reach, reach),
        marks=marks,
    )


def reach(pairs: Sequence[Pair]) -> float:
    """One height for all charts over steps, so that they can be compared.

    It holds every line and the bands of conflicts. Of the other bands it holds the narrower half: a
    pair that is mostly noise must not flatten all others.
    """
    found = [(pair.state == "conflict", one) for pair in pairs for one in pair.windows]
    held = [abs(one.value) for _, one in found]
    ends = [
        (sure, max(-one.low, one.high))
        for sure, one in found
        if one.low is not None and one.high is not None
    ]
    held += [end for sure, end in ends if sure]
    others = sorted(end for sure, end in ends if not sure)
    return min(1.1 * max([*held, *others[: (len(others) + 1) // 2], 0.2]), 1.0)


def over_layers(pair: Pair, groups: Sequence[str]) -> Markup:
    """The pair's cosine in every layer group, a cell each, first layer left."""
    width = 100 / len(groups)
    cells = []
    for place, group in enumerate(groups):
        one = pair.layers.get(group)
        kind = "missing" if one is None else _kind(group, one, pair)
        text = f"{group}: {'not measured' if one is None else bracketed(one)}"
        cells.append(
            Markup(
                '<rect class="cell {}" x="{:.2f}%" y="1" width="{:.2f}%" height="20" rx="2">'
                "<title>{}</title></rect>"
            ).format(kind, place * width, width * 0.94, text)
        )
    told = (f"{group} {bracketed(one)}" for group, one in pair.layers.items())
    return strip_figures.strip(22, f"{pair.first} and {pair.second}: {'; '.join(told)}", cells)


def _kind(group: str, one: Cosine, pair: Pair) -> str:
    return f"{shade(one.value)}{' fights' if group in pair.fighting_layers else ''}".strip()


def layer_names(groups: Sequence[str]) -> Markup:
    """The names under the cells: their numbers where they have some, and not all where many."""
    width = 100 / len(groups)
    every = max(1, math.ceil(len(groups) / 12))
    parts = []
    for place, group in enumerate(groups):
        if place % every == 0:
            short = group.rpartition(" ")[2] or group
            parts.append(
                Markup(
                    '<text class="tick" x="{:.2f}%" y="12" text-anchor="middle">{}</text>'
                ).format((place + 0.47) * width, short)
            )
    return strip_figures.strip(16, "", parts)


def noise_limits(gradients: Sequence[TaskGradient]) -> Point | None:
    """The powers of ten that hold all noise scales and all numbers of examples."""
    ends = [
        end
        for task in gradients
        if task.noise_scale is not None
        for end in (task.noise_scale.value, task.noise_scale.low, task.examples)
        if end is not None and math.isfinite(end) and end > 0
    ]
    if not ends:
        return None
    low, high = math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends)))
    return low, max(high, low + 1)


def noise_strip(task: TaskGradient, limits: Point, colour: str, text: str) -> Markup:
    """The noise scale with its interval, and a tick at the examples of a step; a scale of tens."""
    x = Scale(*limits, 1, 99)
    parts = [_grid(x(power)) for power in _powers(limits)]
    scale = task.noise_scale
    if scale is not None and math.isfinite(scale.value):
        low = x(_log(scale.low)) if scale.low is not None else 1.0
        high = x(_log(scale.high)) if scale.high is not None else 100.0
        parts.append(
            Markup('<line class="whisker {}" x1="{:.1f}%" x2="{:.1f}%" y1="11" y2="11"/>').format(
                colour, low, high
            )
        )
        parts.append(
            Markup('<circle class="dot {}" cx="{:.1f}%" cy="11" r="4.5"/>').format(
                colour, x(_log(scale.value))
            )
        )
    if task.examples:
        at = x(_log(task.examples))
        parts.append(
            Markup('<line class="asked" x1="{0:.1f}%" x2="{0:.1f}%" y1="2" y2="20"/>').format(at)
        )
    return strip_figures.strip(22, text, parts)


def noise_axis(limits: Point) -> Markup:
    """The numbers under the strips of noise scales."""
    x = Scale(*limits, 1, 99)
    parts = []
    for power in _powers(limits):
        at = x(power)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        parts.append(
            f'<text class="tick" x="{at:.1f}%" y="12" text-anchor="{anchor}">'
            f"{tick_text(10.0**power)}</text>"
        )
    return strip_figures.strip(16, "", parts)


def _powers(limits: Point) -> range:
    return range(int(limits[0]), int(limits[1]) + 1)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _grid(at: float) -> str:
    return f'<line class="grid" x1="{at:.1f}%" x2="{at:.1f}%" y1="0" y2="100%"/>'
