"""The section on preferences: what became of them, what the model writes, what other tasks paid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from madrigal.errors import RunFolderError
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.preferred import Sided, sided
from madrigal.report import numbers
from madrigal.report.curves import Chart
from madrigal.report.differences import interval_of
from madrigal.report.folder import RunFolder, StageLog, read_lines
from madrigal.report.numbers import Interval, mapping, number
from madrigal.report.outputs import middle_out
from madrigal.report.preference_figures import over_steps, scatter
from madrigal.report.preferred import (
    Preferred,
    Side,
    falls,
    fell,
    held,
    nats,
    plus,
    preferred,
    signed_range,
    what_helps,
    wrote,
)
from madrigal.report.remembered import row_to_row
from madrigal.report.scoreboard import Scoreboard, label
from madrigal.report.verdict import SIGNS

_SHOWN, _LENGTH = 3, 420  # own answers of a task on the page, and their characters


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; every text is a number or a dash."""

    name: str
    chosen: tuple[str, str, str]  # the change, its interval, before and after
    rejected: tuple[str, str, str]
    margin: tuple[str, str, str]
    kl: tuple[str, str, str]  # to the reference, its interval; to the base if that is another model
    tokens: tuple[str, str]
    repeated: tuple[str, str]
    ended: tuple[str, str]
    fell: bool


@dataclass(frozen=True, slots=True)
class Tax:
    """Another task in a preference stage: what it paid."""

    stage: str
    task: str
    levels: str
    change: str
    outcome: str
    words: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that the model wrote, before and after."""

    task: str
    prompt: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PreferencesView:
    """All of the section."""

    falls: tuple[tuple[str, str], ...]  # what fell, what helps
    said: tuple[str, ...]
    rows: tuple[Row, ...]
    charts: tuple[Chart, ...]
    paid: str
    taxes: tuple[Tax, ...]
    answers: tuple[Answer, ...]
    prompts: str  # to how many the model wrote


def fallen(run: RunFolder, board: Scoreboard) -> tuple[tuple[str, str], ...]:
    """Sentences on preferred answers that became less likely, each with what helps."""
    return tuple((fell(one), what_helps(one)) for one in falls(preferred(run, board)))


def preferences_view(
    run: RunFolder, board: Scoreboard, problems: list[str]
) -> PreferencesView | None:
    """None for a run that learnt nothing from judged answers but reward heads."""
    found = preferred(run, board)
    if not found:
        return None
    taxes = tuple(tax for stage in _stages(found) for tax in _taxes(board, stage, found))
    said = [held(one) for one in found if not one.chosen.fell]
    said += [sentence for one in found if (sentence := wrote(one))]
    return PreferencesView(
        falls=fallen(run, board),
        said=tuple(said),
        rows=tuple(_row(one) for one in found),
        charts=tuple(chart for one in found for chart in _charts(run, one, problems)),
        paid=_paid(taxes),
        taxes=taxes,
        answers=tuple(a for one in found[-2:] for a in _answers(run, one, problems)),
        prompts=_prompts(found),
    )


def _stages(found: Sequence[Preferred]) -> list[str]:
    return list(dict.fromkeys(one.stage for one in found))


def _row(one: Preferred) -> Row:
    name = f"{one.task}, {label(one.stage)}"
    return Row(
        name,
        _moved(one.chosen),
        _moved(one.rejected),
        _moved(one.margin),
        _kl(one),
        _wrote(one, "tokens", lambda value: f"{value:.0f}"),
        _wrote(one, "repeated", lambda value: numbers.percent(value, 0)),
        _wrote(one, "ended", lambda value: numbers.percent(value, 0)),
        one.chosen.fell,
    )


def _kl(one: Preferred) -> tuple[str, str, str]:
    told, base = (_divergence(kl) for kl in (one.kl, one.kl_to_base))
    return *told, "" if told == base else f"to the base {base[0]}"


def _divergence(kl: Interval | None) -> tuple[str, str]:
    if kl is None:
        return numbers.DASH, ""
    if kl.low is None or kl.high is None:
        return f"{kl.value:.3g}", ""
    return f"{kl.value:.3g}", f"{kl.low:.3g} to {kl.high:.3g}"


def _moved(side: Side) -> tuple[str, str, str]:
    levels = f"{nats(side.before)} → {nats(side.after)}"
    return plus(side.change.value), signed_range(side.change), levels


def _wrote(one: Preferred, what: str, text: Callable[[float], str]) -> tuple[str, str]:
    """After the stage, and before it."""
    now, then = (interval_of(w.get(what)) for w in (one.written, one.earlier))
    if now is None:
        return numbers.DASH, ""
    return text(now.value), f"before {text(then.value)}" if then else ""


def _charts(run: RunFolder, one: Preferred, problems: list[str]) -> list[Chart]:
    name = f"{one.task}, stage {label(one.stage)}"
    before, after = (_sides(run, row, one.task, problems) for row in (one.before, one.stage))
    earlier = {side.id: side for side in before}
    pairs = [(earlier[side.id], side) for side in after if side.id in earlier]
    points = [(b.chosen - a.chosen, b.rejected - a.rejected) for a, b in pairs]
    mean = (one.chosen.change.value, one.rejected.change.value)
    picture = scatter(points, mean, f"Change of preferred and other answers, {name}")
    charts = [Chart(name, "each dot a test example; cross: their mean", picture)]
    log = next((log for log in run.stages if log.name == one.stage), None)
    if log is not None:
        chosen, rejected = (_curve(log, one.task, side) for side in ("chosen", "rejected"))
        drawn = over_steps(chosen, rejected, f"Log-probability over steps, {name}")
        unit = "change since the stage began, nats an answer, validation records"
        charts.append(Chart(name, unit, drawn))
    return [chart for chart in charts if chart.figure]


def _sides(run: RunFolder, row: str, task: str, problems: list[str]) -> list[Sided]:
    path = run.predictions.get(row, {}).get(task)
    if path is None:
        return []
    try:
        return sided(read_predictions(path))
    except RunFolderError as error:
        problems.append(str(error))
        return []


def _curve(log: StageLog, task: str, side: str) -> list[tuple[float, float]]:
    start = mapping(mapping(log.preferred.get("means")).get(task)).get(side)
    rows = [
        (0, start),
        *((r.get("step"), _of(r.get("preferred"), task, side)) for r in log.validation),
    ]
    known = [(number(at), number(value)) for at, value in rows]
    there = [(at, value) for at, value in known if at is not None and value is not None]
    return [(at, value - there[0][1]) for at, value in there]


def _of(preferred_: object, task: str, side: str) -> object:
    return mapping(mapping(preferred_).get(task)).get(side)


def _taxes(board: Scoreboard, stage: str, found: Sequence[Preferred]) -> list[Tax]:
    """Every task of the stage's row that is not one of its preferences."""
    own = {one.task for one in found if one.stage == stage}
    taxes = []
    for task in board.tasks:
        moves = [move for move in row_to_row(board).get(task.name, ()) if move.after == stage]
        if task.name in own or not moves:
            continue
        (move,) = moves
        then, now = (
            numbers.plain(score.value, task.metric) + numbers.unit(task.metric) if score else "?"
            for score in (task.scores.get(move.before), task.scores.get(stage))
        )
        taxes.append(
            Tax(
                stage=label(stage),
                task=task.name,
                levels=f"{then} → {now}",
                change=numbers.difference(move.change.interval, task.metric),
                outcome=move.change.settled,
                words=f"{SIGNS[move.change.settled]} {move.change.p_words}".strip(),
            )
        )
    return taxes


def _paid(taxes: Sequence[Tax]) -> str:
    if not taxes:
        return ""
    lost = [tax for tax in taxes if tax.outcome == "worse"]
    if not lost:
        return "No other task surely lost in a stage that learnt preferences."
    told = ", ".join(f"{tax.task} {tax.change} in {tax.stage}" for tax in lost)
    return f"Paid by other tasks: {told}."


def _answers(run: RunFolder, one: Preferred, problems: list[str]) -> list[Answer]:
    files = [run.path / "written" / row / f"{one.task}.jsonl" for row in (one.before, one.stage)]
    then, now = (read_lines(path, run.path, problems) for path in files)
    earlier = {row.get("id"): row for row in then}
    both = [(earlier[row.get("id")], row) for row in now if row.get("id") in earlier]
    return [
        Answer(
            one.task,
            *(
                middle_out(str(part), _LENGTH)
                for part in (b.get("prompt"), a.get("output"), b.get("output"))
            ),
        )
        for a, b in both[:_SHOWN]
    ]


def _prompts(found: Sequence[Preferred]) -> str:
    counts = {int(n) for one in found if (n := number(one.written.get("n")))}
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"
