"""Runs that learnt tasks in sequence, side by side: what each kept, and what that cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from markupsafe import Markup

from madrigal.report import numbers
from madrigal.report.cost_figure import Place, cost_figure
from madrigal.report.differences import interval_of
from madrigal.report.folder import Json, read_run
from madrigal.report.numbers import Interval, number
from madrigal.report.remembered import remembered
from madrigal.report.retention import KINDS, StageCost, kind_costs, stage_costs
from madrigal.report.scoreboard import read_scores
from madrigal.report.template import asset, template, write_whole

NOTHING = "nothing"
_X_NAME = "time that retention added, % of the run's own"


@dataclass(frozen=True, slots=True)
class Kept:
    """One run. Scores are shares, seconds those of steps and of what was done after stages."""

    name: str
    retention: str
    average: Interval | None
    bwt: Interval | None
    own_seconds: float
    added_seconds: float
    bytes_kept: float
    flops_share: float | None = None  # added operations as a share of the run's own
    memory: float = 0.0  # bytes held in the steps of the stage that held the most
    inference: float | None = None  # bytes of the weights of the last stage

    @property
    def share(self) -> float:
        """What retention added, as a share of the run's own time."""
        return self.added_seconds / self.own_seconds if self.own_seconds else 0.0


def kept_runs(runs: Sequence[Path], names: Sequence[str]) -> tuple[Kept, ...]:
    """The runs in which tasks came in turn, as their files have it."""
    found = [_kept(run, name) for run, name in zip(runs, names, strict=True)]
    return tuple(one for one in found if one is not None)


def _kept(path: Path, name: str) -> Kept | None:
    run = read_run(path)
    board = read_scores(run)
    if not remembered(board):
        return None
    costs = stage_costs(run)
    kinds = kind_costs(costs)
    own_flops = fsum(stage.own_flops or 0.0 for stage in costs)
    sizes = [stage.inference for stage in costs if stage.inference is not None]
    return Kept(
        name=name,
        retention=retention_of(costs),
        average=interval_of(board.summary.get("average")),
        bwt=interval_of(board.summary.get("bwt")),
        own_seconds=fsum(stage.own_seconds for stage in costs),
        added_seconds=fsum(kind.seconds + kind.between for kind in kinds),
        bytes_kept=fsum(kind.kept for kind in kinds),
        flops_share=fsum(kind.flops or 0.0 for kind in kinds) / own_flops if own_flops else None,
        memory=max((fsum(stage.memory.values()) for stage in costs), default=0.0),
        inference=sizes[-1] if sizes else None,
    )


def retention_of(costs: Sequence[StageCost]) -> str:
    """`replay 10 %, EWC 10`: what was on in any stage, with the setting that says how much."""
    told = dict.fromkeys(
        _setting(kind, setting) for stage in costs for kind, setting in stage.settings.items()
    )
    return ", ".join(told) or NOTHING


def _setting(kind: str, setting: Json) -> str:
    name = KINDS.get(kind, kind)
    if kind == "replay":
        count = number(setting.get("count"))
        share = number(setting.get("share"))
        much = numbers.percent(0.1 if share is None else share, 0)
        return f"{name} {much}" if count is None else f"{name} {count:.0f} a step"
    strength = number(setting.get("strength"))
    return name if strength is None else f"{name} {strength:g}"


def figure(runs: Sequence[Kept]) -> Markup:
    """Backward transfer of the runs over what keeping added to their time."""
    places = [
        Place(
            f"{one.name}: {one.retention}",
            100 * one.share,
            one.bwt.scaled(100),
            plain=one.retention == NOTHING,
        )
        for one in runs
        if one.bwt is not None
    ]
    return cost_figure(
        places,
        name="Cost against retention, by run",
        x_name=_X_NAME,
        y_name="backward transfer, points",
    )


def table(runs: Sequence[Kept]) -> list[tuple[str, ...]]:
    """A row of text for each run; its columns are `COLUMNS`."""
    return [
        (
            one.name,
            one.retention,
            numbers.score(one.average, ""),
            _signed(one.bwt),
            numbers.duration(one.own_seconds),
            f"{numbers.duration(one.added_seconds)} ({numbers.percent(one.share, 0)})"
            if one.added_seconds
            else "0",
            numbers.DASH if one.flops_share is None else numbers.percent(one.flops_share, 0),
            numbers.size(one.memory) if one.memory else "0",
            numbers.size(one.bytes_kept) if one.bytes_kept else "0",
            numbers.DASH if one.inference is None else numbers.size(one.inference),
        )
        for one in runs
    ]


COLUMNS = (
    "run",
    "to keep the past",
    "average",
    "backward transfer",
    "own time",
    "added time",
    "added FLOPs",
    "memory held",
    "kept on disk",
    "weights at the end",
)


def _signed(value: Interval | None) -> str:
    if value is None:
        return numbers.DASH
    return numbers.signed(value.value, "") + numbers.difference_range(value, "")


def write_side_by_side(runs: Sequence[Kept], path: Path) -> Path:
    """Writes one page with the picture and the table; the same runs give the same bytes."""
    page = template("side_by_side.html.jinja").render(
        names=[one.name for one in runs],
        figure=figure(runs),
        columns=COLUMNS,
        rows=table(runs),
        style=Markup(asset("page.css", "order.css")),
    )
    return write_whole(path, page)
