"""The cost of keeping the past, ready for the page: by kind, by stage, and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report import numbers
from madrigal.report.cost_figure import Place, cost_figure
from madrigal.report.differences import interval_of
from madrigal.report.numbers import Interval, mapping
from madrigal.report.remembered import Move, mean_of, row_to_row
from madrigal.report.retention import KINDS, KindCost, StageCost, kind_costs
from madrigal.report.scoreboard import Scoreboard, label

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind over the run; every text is a number with its unit, or a dash."""

    name: str
    stages: str
    seconds: str
    seconds_share: str
    between: str
    flops: str
    flops_share: str
    memory: str
    peak: str
    kept: str
    inference: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: what was on, what it took, and what became of earlier tasks meanwhile."""

    name: str
    on: str
    own: str
    added: str
    share: str
    change: str
    range: str
    outcome: str
    lost: str  # names of the tasks with a sure loss
    kl: str  # to the base, on its own tasks
    inference: str


@dataclass(frozen=True, slots=True)
class RetentionView:
    """`kinds` is empty where nothing was done to keep the past."""

    kinds: tuple[KindRow, ...]
    stages: tuple[StageRow, ...]
    figure: Markup
    peak: str  # memory of the run
    has_kl: bool
    guards: bool  # whether a balancer was one of the remedies


def retention_view(board: Scoreboard, costs: Sequence[StageCost]) -> RetentionView:
    """All of it that the files of the run tell."""
    kinds = tuple(_kind_row(one) for one in kind_costs(costs))
    moves = [move for some in row_to_row(board).values() for move in some]
    stages = [cost for cost in costs if cost.steps]
    return RetentionView(
        kinds=kinds,
        stages=tuple(_stage_row(board, cost) for cost in stages),
        figure=_figure(board, stages) if kinds and moves else Markup(""),
        has_kl=bool(mapping(board.summary.get("kl_to_base"))),
        peak=_size(max((cost.peak for cost in costs if cost.peak), default=None)),
        guards=any("agem" in cost.settings for cost in costs),
    )


def _kind_row(cost: KindCost) -> KindRow:
    return KindRow(
        name=KINDS.get(cost.kind, cost.kind),
        stages=", ".join(label(stage) for stage in cost.stages),
        seconds=_seconds(cost.seconds),
        seconds_share=_more(cost.share),
        between=_seconds(cost.between),
        flops=_none(numbers.compact(cost.flops)) if cost.flops is not None else numbers.DASH,
        flops_share=_more(cost.flops_share),
        memory=_size(cost.memory),
        peak=_size(cost.peak),
        kept=_size(cost.kept),
        inference=_size(cost.inference),
    )


def _stage_row(board: Scoreboard, cost: StageCost) -> StageRow:
    changes = earlier_moves(board, cost.stage)
    mean = stage_change(board, cost.stage)
    lost = [name for name, move in changes if move.change.settled == "worse"]
    return StageRow(
        name=label(cost.stage),
        on=cost.words or NOTHING,
        own=_seconds(cost.own_seconds),
        added=_seconds(cost.added),
        share=_more(cost.share),
        change=numbers.signed(mean.value, "") if mean else numbers.DASH,
        range=numbers.difference_range(mean, "").strip(" ()") if mean else "",
        outcome=_outcome(mean),
        lost=", ".join(lost),
        kl=_kl(board, cost.stage),
        inference=_size(cost.inference),
    )


def earlier_moves(board: Scoreboard, stage: str) -> list[tuple[str, Move]]:
    """The changes in a stage of the tasks that were taught before it and not in it."""
    place = board.stages.index(stage) if stage in board.stages else 0
    known = {*board.before, *(t for s in board.stages[:place] for t in board.learned.get(s, ()))}
    known -= set(board.learned.get(stage, ()))
    return [
        (name, move)
        for name, some in row_to_row(board).items()
        for move in some
        if move.after == stage and name in known
    ]


def stage_change(board: Scoreboard, stage: str) -> Interval | None:
    """Their mean, over those that share a scale."""
    metric = {task.name: task.metric for task in board.tasks}
    return mean_of(
        [
            move.change.interval
            for name, move in earlier_moves(board, stage)
            if not numbers.has_own_scale(metric[name])
        ]
    )


def _figure(board: Scoreboard, stages: Sequence[StageCost]) -> Markup:
    same = len({cost.words for cost in stages[1:]}) == 1
    places = [
        Place(
            label(cost.stage) if same else f"{label(cost.stage)}: {cost.words or NOTHING}",
            100 * cost.share,
            change.scaled(100),
            plain=not cost.settings,
        )
        for cost in stages
        if cost.share is not None and (change := stage_change(board, cost.stage))
    ]
    return cost_figure(
        places,
        name="Cost against retention, by stage",
        x_name="time that retention added, % of the stage's own",
        y_name="mean change of earlier tasks in the stage, points",
    )


def _kl(board: Scoreboard, stage: str) -> str:
    """Mean over the stage's tasks."""
    tasks = mapping(mapping(board.summary.get("kl_to_base")).get(stage)).values()
    each = [value.value for one in tasks if (value := interval_of(one))]
    return f"{sum(each) / len(each):.3g}" if each else numbers.DASH


def _outcome(mean: Interval | None) -> str:
    if mean is None or mean.low is None or mean.high is None or mean.low <= 0 <= mean.high:
        return ""
    return "better" if mean.low > 0 else "worse"


def _seconds(value: float) -> str:
    if 0 < value < 0.095:
        return f"{max(1, round(1000 * value))}{numbers.SPACE}ms"
    return numbers.duration(value) if value else "0"


def _none(text: str) -> str:
    return "0" if text.startswith("0") else text


def _more(share: float | None) -> str:
    """+12.5 %."""
    if share is None:
        return ""
    return f"+{numbers.percent(share, 1 if share >= 0.001 or not share else 3)}" if share else ""


def _size(value: float | None) -> str:
    if value is None:
        return numbers.DASH
    return numbers.size(value) if value else "0"
