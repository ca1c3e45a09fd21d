"""Section 5: who fights whom, in which layers, since when, from the gradients of each stage."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from madrigal.evaluation.gradient_log import read_gradients
from madrigal.evaluation.interference import Interference, Pair, interference
from madrigal.evaluation.task_gradients import Affinity
from madrigal.report import fights, figures, gradient_figures, numbers
from madrigal.report.curves import Chart, Palette, thin
from madrigal.report.figures import Line, Point
from madrigal.report.folder import RunFolder, StageLog
from madrigal.report.scoreboard import label

_ROWS = 10  # pairs in the table
_CHARTS = 3  # pairs drawn over steps
_STRIPS = 6  # pairs drawn over layers


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A number in a coloured cell; `hint` is shown on hover."""

    value: str
    range: str = ""
    shade: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair in the table."""

    pair: Pair
    shade: str
    cosine: str
    range: str
    raw: str
    rate: str
    magnitude: str
    words: str


@dataclass(frozen=True, slots=True)
class NoiseRow:
    """One task's noise scale beside what it gets in a step."""

    task: str
    figure: Markup
    scale: str
    range: str
    examples: str
    words: str


@dataclass(frozen=True, slots=True)
class StageInterference:
    """One stage, ready for the page."""

    name: str
    found: Interference
    sentences: tuple[str, ...]
    tasks: tuple[tuple[str, str, bool], ...]  # name, colour, dashed
    heat: tuple[tuple[str, tuple[HeatCell | None, ...]], ...]
    rows: tuple[PairRow, ...]
    hidden: int  # pairs that the table leaves out
    over_steps: tuple[Chart, ...]
    layers: tuple[tuple[str, Markup], ...]
    layer_names: Markup
    norms: tuple[Chart, ...]
    noise: tuple[NoiseRow, ...]
    noise_axis: Markup
    affinity: tuple[tuple[str, tuple[HeatCell | None, ...]], ...]


Measured = Mapping[str, Interference]  # by stage


def measured(run: RunFolder) -> dict[str, Interference]:
    """The statistics of every stage that measured its gradients."""
    found = {log.name: interference(log.steps) for log in run.stages}
    return {name: one for name, one in found.items() if one is not None}


def interference_views(
    run: RunFolder, found: Measured, palette: Palette
) -> tuple[StageInterference, ...]:
    """Every stage with diagnostics."""
    return tuple(_view(log, found[log.name], palette) for log in run.stages if log.name in found)


def _view(log: StageLog, found: Interference, palette: Palette) -> StageInterference:
    drawn = [pair for pair in found.pairs if pair.windows]
    span = (found.first, found.last)
    reach = gradient_figures.reach(drawn[:_CHARTS])
    charts = [
        Chart(
            f"{pair.first} and {pair.second}",
            f"over the whole stage {fights.bracketed(pair.cosine)}",
            gradient_figures.over_steps(pair, span, reach),
        )
        for pair in drawn[: max(_CHARTS, len(found.conflicts[:_STRIPS]))]
    ]
    layered = [pair for pair in drawn if pair.layers][:_STRIPS]
    limits = gradient_figures.noise_limits(found.gradients)
    return StageInterference(
        name=label(log.name),
        found=found,
        sentences=fights.sentences(found),
        tasks=tuple((t, palette.colour(t), palette.dashed(t)) for t in found.tasks),
        heat=_heat(found),
        rows=tuple(_row(pair, found) for pair in found.pairs[:_ROWS]),
        hidden=max(len(found.pairs) - _ROWS, 0),
        over_steps=tuple(chart for chart in charts if chart.figure),
        layers=tuple(
            (f"{p.first} and {p.second}", gradient_figures.over_layers(p, found.groups))
            for p in layered
        ),
        layer_names=gradient_figures.layer_names(found.groups) if layered else Markup(""),
        norms=_norms(log, palette),
        noise=_noise(found, palette, limits),
        noise_axis=gradient_figures.noise_axis(limits) if limits else Markup(""),
        affinity=_affinity(found),
    )


def _heat(found: Interference) -> tuple[tuple[str, tuple[HeatCell | None, ...]], ...]:
    """Every pair twice, so that a task can be read along one row."""
    cells = {frozenset(pair.tasks): _heat_cell(pair) for pair in found.pairs}
    return tuple(
        (a, tuple(None if a == b else cells.get(frozenset((a, b))) for b in found.tasks))
        for a in found.tasks
    )


def _heat_cell(pair: Pair) -> HeatCell:
    fighting = " fights" if pair.state == "conflict" else ""
    hint = f"{pair.first} and {pair.second}: {fights.bracketed(pair.cosine)}, {STATES[pair.state]}"
    shade = f"{gradient_figures.shade(pair.cosine.value)}{fighting}".strip()
    return HeatCell(fights.signed(pair.cosine.value), fights.interval(pair.cosine), shade, hint)


STATES = {"conflict": "conflict", "agreement": "agreement", "unclear": "no clear conflict"}


def _row(pair: Pair, found: Interference) -> PairRow:
    words = STATES[pair.state]
    if pair.state == "conflict":
        words += fights.since(pair, found)
        where = fights.places(pair.fighting_layers, found.groups)
        words += f", {where}" if where else ""
    return PairRow(
        pair=pair,
        shade=gradient_figures.shade(pair.cosine.value),
        cosine=fights.signed(pair.cosine.value),
        range=fights.interval(pair.cosine),
        raw=fights.signed(pair.raw),
        rate=numbers.percent(pair.rate, 0),
        magnitude=f"{pair.magnitude:.2f}",
        words=words,
    )


def _norms(log: StageLog, palette: Palette, points: int = 60) -> tuple[Chart, ...]:
    gradients = read_gradients(log.steps)
    if gradients is None:
        return ()
    pulls = gradients.weight * gradients.norm
    candidates = [
        ("Gradient norm", "of each task's mean loss, before weights", gradients.norm),
        ("Task weight", "as the balancer gave it", gradients.weight),
        ("Pull", "weight times norm: a task's part in the update", pulls),
    ]
    weights = gradients.weight[np.isfinite(gradients.weight)]
    if not len(weights) or weights.max() == weights.min():
        del candidates[1:]  # one weight for all and ever: the norms say it all
    charts = []
    for title, unit, values in candidates:
        lines = []
        for k, task in enumerate(gradients.tasks):
            series: list[Point] = [
                (int(at), float(value))
                for at, value in zip(gradients.steps, values[:, k], strict=True)
                if value == value
            ]
            shown = thin(series, points)
            lines.append(Line(task, palette.colour(task), shown, dashed=palette.dashed(task)))
        name = f"{title} by task, stage {label(log.name)}"
        charts.append(Chart(title, unit, figures.line_chart(lines, name=name, from_zero=True)))
    return tuple(chart for chart in charts if chart.figure)


def _noise(found: Interference, palette: Palette, limits: Point | None) -> tuple[NoiseRow, ...]:
    rows = []
    for task in found.gradients:
        scale = task.noise_scale
        if scale is None or limits is None:
            continue
        ends = f"{fights.examples(scale.low)} to {fights.examples(scale.high)}"
        if scale.high is None:
            ends = f"{fights.examples(scale.low)} or more" if scale.low is not None else "unbounded"
        words = fights.noise(task)
        text = (
            f"{task.task}: noise scale {fights.examples(scale.value)} ({ends}) examples, "
            f"{fights.examples(task.examples)} a step; {words}"
        )
        figure = gradient_figures.noise_strip(task, limits, palette.colour(task.task), text)
        examples = fights.examples(task.examples)
        rows.append(
            NoiseRow(task.task, figure, fights.examples(scale.value), ends, examples, words)
        )
    return tuple(rows)


def _affinity(found: Interference) -> tuple[tuple[str, tuple[HeatCell | None, ...]], ...]:
    cells = {(a.giver, a.receiver): _affinity_cell(a) for a in found.affinities}
    if not cells:
        return ()
    return tuple(
        (giver, tuple(cells.get((giver, receiver)) for receiver in found.tasks))
        for giver in found.tasks
    )


def _affinity_cell(one: Affinity) -> HeatCell:
    effect = one.effect
    sure = effect.low is not None and effect.high is not None and effect.low * effect.high > 0
    share = one.share
    if share is None:
        return HeatCell(numbers.DASH, hint=f"{one.giver} to {one.receiver}: own effect not known")
    ends = "" if effect.low is None else f" ({effect.low:.3g} to {effect.high:.3g})"
    hint = f"{one.giver} to {one.receiver}: Z {effect.value:.3g}{ends} over the measured steps"
    shade = gradient_figures.shade(share) if sure else ""
    return HeatCell(percent(share), "" if sure else "not clear", shade, hint.replace("-", "−"))


def percent(share: float) -> str:
    """+12 %, −31 %: an effect in relation to the task's own."""
    return f"{fights.signed(100 * share, 0)}{numbers.SPACE}%"
