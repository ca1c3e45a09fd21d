"""The section on the alignment tax: what a stage gained and others paid, point by point."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.report import numbers
from madrigal.report.curves import Chart
from madrigal.report.differences import interval_of
from madrigal.report.folder import Json, RunFolder, read_run
from madrigal.report.front_figure import Spot, front_figure
from madrigal.report.numbers import Interval, mapping, number
from madrigal.report.scoreboard import label
from madrigal.report.tax_words import (
    MARGIN,
    differs,
    is_metric,
    level,
    outcome,
    sentences,
    thing,
    unit_of,
)

FOLDER, FOUND, CHOSEN = "tax", "tax.json", "chosen.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number at a point, what stands under it, and how it is painted."""

    value: str
    below: str = ""
    outcome: str = ""  # better, worse, or nothing


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: one thing at every point."""

    name: str
    note: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TaxView:
    """All of the section, of one stage."""

    stage: str
    said: tuple[str, ...]
    lost: bool  # with the whole stage
    shares: tuple[str, ...]
    gains: tuple[Row, ...]
    paid: tuple[Row, ...]
    charts: tuple[Chart, ...]
    prompts: int


def tax_views(run: RunFolder, problems: list[str]) -> tuple[TaxView, ...]:
    """One for each stage whose tax was measured."""
    found = []
    for folder in sorted((run.path / FOLDER).glob("*")):
        body = _read(folder / FOUND, run.path, problems)
        if body:
            found.append(_view(body, _read(folder / CHOSEN, run.path, problems)))
    return tuple(found)


def tax_table(run: Path, stage: str) -> RenderableType:
    """The same for the terminal, of the stage of this label."""
    views = tax_views(read_run(run), [])
    view = next(one for one in views if one.stage == label(stage))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("share of the way")
    for share in view.shares:
        table.add_column(share, justify="right")
    styles = {"better": "bold green", "worse": "bold red"}
    for row in (*view.gains, *view.paid):
        cells = [
            Text.assemble((one.value, styles.get(one.outcome, "")), "\n", (one.below, "dim"))
            for one in row.cells
        ]
        table.add_row(Text.assemble(row.name, "\n", (row.note, "dim")), *cells)
    return Group(table, *(Text(sentence) for sentence in view.said))


def _read(path: Path, root: Path, problems: list[str]) -> Json:
    if not path.is_file():
        return {}
    try:
        return mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        problems.append(f"{path.relative_to(root)}: not a JSON object; left out")
        return {}


def _view(body: Json, chosen: Json) -> TaxView:
    shares = [number(share) or 0.0 for share in body.get("shares", ())]
    gains = [_gain(one) for one in body.get("gains", ())]
    paid = [_paid(one) for one in body.get("paid", ())]
    mean = {number(one.get("share")): interval_of(one) for one in body.get("mean", ())}
    rows = list(paid)
    if len(paid) > 1 and mean:
        cells = (_changed(mean[share], "accuracy") if share else Cell("0.0") for share in shares)
        rows.append(Row("mean of the other tasks", "change, points", tuple(cells)))
    away = [
        Row(f"{task}: distance from the model before", "nats an answer", tuple(map(_nats, each)))
        for task, each in mapping(body.get("away")).items()
    ]
    return TaxView(
        stage=label(str(body.get("stage"))),
        said=tuple(sentences(body, chosen)),
        lost=any(row.cells[-1].outcome == "worse" for row in paid),
        shares=tuple(_share(share) for share in shares),
        gains=(*gains, *away),
        paid=tuple(rows),
        charts=tuple(_charts(body, mean)),
        prompts=int(number(body.get("prompts")) or 0),
    )


def _share(share: float) -> str:
    words = {0.0: "0, before", 1.0: "1, after"}
    return words.get(share, f"{share:g}")


def _gain(one: Json) -> Row:
    what = str(one.get("what"))
    cells = []
    for point in one.get("points", ()):
        value, change = number(point.get("value")) or 0.0, interval_of(point.get("change"))
        changed = differs(change, what)
        sign = outcome(change)
        cells.append(Cell(level(value, what), changed if number(point["share"]) else "", sign))
    return Row(f"{one.get('task')}: {thing(what)}", unit_of(what), tuple(cells))


def _paid(one: Json) -> Row:
    metric, cells = str(one.get("metric")), []
    for point in one.get("points", ()):
        value, change = number(point.get("value")) or 0.0, interval_of(point.get("change"))
        p = number(point.get("p"))
        told = numbers.difference(change, metric) if change else numbers.DASH
        told += f", {numbers.p_value(p)}" if p is not None else ""
        sign = outcome(change, metric in ("perplexity",))
        level = numbers.plain(value, metric) + numbers.unit(metric)
        cells.append(Cell(level, told if number(point["share"]) else "", sign))
    return Row(str(one.get("task")), numbers.metric_name(metric), tuple(cells))


def _changed(change: Interval | None, metric: str) -> Cell:
    if change is None:
        return Cell(numbers.DASH)
    around = numbers.difference_range(change, metric).strip()
    return Cell(numbers.signed(change.value, metric), around, outcome(change))


def _nats(point: Json) -> Cell:
    found = interval_of(point)
    if found is None:
        return Cell(numbers.DASH)
    around = "" if found.low is None else f"{found.low:.2f} to {found.high:.2f}"
    return Cell(f"{found.value:.2f}", around if number(point.get("share")) else "")


def _charts(body: Json, mean: Mapping[float | None, Interval | None]) -> list[Chart]:
    """A front of each gain over what the other tasks paid on the mean."""
    charts = []
    for one in body.get("gains", ()):
        what, spots = str(one.get("what")), []
        for point in one.get("points", ()):
            cost, gain = mean.get(number(point.get("share"))), interval_of(point.get("change"))
            if cost is not None and gain is not None:
                scale = 100 if is_metric(what) else 1
                if not point["share"]:  # what all others are compared with
                    cost, gain = Interval(0.0), Interval(0.0)
                spots.append(Spot(f"{point['share']:g}", cost.scaled(100), gain.scaled(scale)))
        title = f"{one.get('task')}: {thing(what)}"
        unit = "points" if is_metric(what) else "nats" if what == MARGIN else "reward"
        figure = front_figure(
            spots, name=f"Front of {title}", x_name="other tasks, points", y_name=unit
        )
        if figure != Markup(""):
            charts.append(Chart(title, f"change since before the stage, {unit}", figure))
    return charts
