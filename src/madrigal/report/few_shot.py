"""A learning curve over the number of examples, as one page that is complete in itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from madrigal.evaluation.learning_curve import BASE, CONTEXT, RUN
from madrigal.report import numbers
from madrigal.report.few_shot_figure import Curve, figure
from madrigal.report.numbers import Interval
from madrigal.report.template import asset, template, write_whole

NAMES = {
    BASE: "fine-tuned from the base",
    RUN: "fine-tuned from the run",
    CONTEXT: "shown in the context of the base",
}
_COLOURS = {BASE: "c0", RUN: "c2", CONTEXT: "c4"}

Body = Mapping[str, Any]  # the curve's JSON


def write_page(body: Body, settings: Body, notes: Sequence[str], path: Path) -> Path:
    """Writes the page of a curve; the same curve gives the same bytes."""
    page = template("few_shot.html.jinja").render(
        task=body["task"],
        metric=numbers.metric_name(body["metric"]),
        n=numbers.count(body["n"]),
        figure=_drawn(body),
        keys=[(NAMES[way], _COLOURS[way] + _dashed(way)) for way in body["ways"]],
        header=[NAMES[way] for way in body["ways"]],
        rows=rows(body),
        sentences=sentences(body),
        notes=[*reading(body, settings), *notes],
        style=Markup(asset("page.css")),
    )
    return write_whole(path, page)


def rows(body: Body) -> list[tuple[str, list[str]]]:
    """By number of examples: the score of each way with its interval."""
    metric, ways = body["metric"], body["ways"]
    every = sorted({point["shots"] for points in ways.values() for point in points})
    held = {(way, p["shots"]): p for way, points in ways.items() for p in points}
    return [(str(n), [_cell(held.get((way, n)), metric) for way in ways]) for n in every]


def _cell(point: Body | None, metric: str) -> str:
    if point is None:
        return numbers.DASH
    shown = point.get("shown")
    fitted = "" if shown is None or shown >= point["shots"] else f", {shown:.1f} fitted"
    return numbers.score(_interval(point), metric) + fitted


def _interval(point: Body) -> Interval:
    return Interval(point["value"], point.get("low"), point.get("high"))


def sentences(body: Body) -> list[str]:
    """What is sure of the ways against each other, number by number."""
    found = []
    for name, points in body["differences"].items():
        one, other = name.split(" - ")
        told = [
            f"{word} at {', '.join(str(p['shots']) for p in points if _sign(p) == sign)}"
            for sign, word in ((1, "better"), (-1, "worse"), (0, "no clear difference"))
            if any(_sign(p) == sign for p in points)
        ]
        if told:
            start = f"{NAMES[one][:1].upper()}{NAMES[one][1:]} against {NAMES[other]}"
            found.append(f"{start}: {'; '.join(told)}.")
    return found


def _sign(point: Body) -> int:
    low, high = point.get("low"), point.get("high")
    if low is None or high is None or low <= 0 <= high:
        return 0
    return 1 if low > 0 else -1


def reading(body: Body, settings: Body) -> list[str]:
    """How the numbers came about."""
    draws = max(len(p["draws"]) for points in body["ways"].values() for p in points)
    optimiser = settings["optimiser"]
    chance = numbers.plain(body["chance"], body["metric"])
    return [
        f"Every fine-tuning: {numbers.counted(settings['steps'], 'step')} of at most "
        f"{numbers.counted(settings['rows'], 'example')}, learning rate "
        f"{optimiser['learning_rate']}, whatever the number of examples; no validation.",
        f"{numbers.counted(draws, 'draw')} of examples, even over the labels; a larger number adds "
        "to the smaller one of its draw. The same examples are trained on and shown.",
        "Intervals cover chance in the draws and in the test examples; those of differences are "
        "paired, and not adjusted for how many there are.",
        f"Guessing scores {chance}.",
    ]


def _dashed(way: str) -> str:
    return " dashed" if way == CONTEXT else ""


def _drawn(body: Body) -> Markup:
    metric = body["metric"]
    curves = [
        Curve(
            NAMES[way],
            _COLOURS[way] + _dashed(way),
            [(p["shots"], _interval(p).scaled(numbers.scaled(1.0, metric))) for p in points],
        )
        for way, points in body["ways"].items()
    ]
    chance = numbers.scaled(body["chance"], metric)
    return figure(curves, chance, f"{body['task']}: {numbers.metric_name(metric)} over examples")
