"""Section 4: what happened in each stage, as charts, shares, events and a few plain facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report import numbers, strip_figures
from madrigal.report.curves import (
    POINTS,
    Chart,
    Palette,
    against_single,
    by_task,
    constant_weights,
    event_marks,
    stage_charts,
    totals,
)
from madrigal.report.figures import Mark
from madrigal.report.folder import Json, RunFolder, StageLog
from madrigal.report.numbers import mapping, number
from madrigal.report.scoreboard import Scoreboard, label


@dataclass(frozen=True, slots=True)
class Share:
    """How often a task was asked for and how often it came."""

    task: str
    colour: str
    asked: str
    examples: str
    tokens: str
    figure: Markup


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage, ready for the page."""

    key: str
    name: str
    tasks: tuple[tuple[str, str, bool], ...]  # name, colour, dashed
    facts: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    against_single: tuple[Chart, ...]
    shares: tuple[Share, ...]
    marks: tuple[Mark, ...]
    weights: str


def stage_views(
    run: RunFolder, board: Scoreboard, palette: Palette, points: int = POINTS
) -> tuple[StageView, ...]:
    """All stages that left a log."""
    metrics = {task.name: task.metric for task in board.tasks}
    views = []
    for log in run.stages:
        if log.steps or log.validation or log.events:
            trained = [name for name in palette.tasks if name in totals(log.steps, "loss")]
            view = StageView(
                key=log.name,
                name=label(log.name),
                tasks=tuple((t, palette.colour(t), palette.dashed(t)) for t in trained),
                facts=_facts(run, log),
                charts=stage_charts(log, palette, metrics, points),
                against_single=against_single(log, _alone(run, log), palette, points),
                shares=_shares(run, log, palette),
                marks=event_marks(log),
                weights=_weights_sentence(log),
            )
            views.append(view)
    return tuple(views)


def _alone(run: RunFolder, log: StageLog) -> dict[str, StageLog]:
    """The single-task logs of this stage: a run of one stage keeps them without its name."""
    return {
        task: stages.get(log.name, stages.get("", StageLog(log.name)))
        for task, stages in run.baselines.items()
    }


def _facts(run: RunFolder, log: StageLog) -> tuple[tuple[str, str], ...]:
    seconds = sum(value for step in log.steps if (value := number(step.get("seconds"))))
    tokens = sum(totals(log.steps, "tokens").values())
    rows = sum(totals(log.steps, "rows").values())
    skipped = sum("skipped" in step for step in log.steps)
    facts = [("steps", numbers.count(len(log.steps)))]
    facts += [("examples", numbers.count(rows))] if rows else []
    facts += [("tokens", numbers.compact(tokens))] if tokens else []
    facts += [("time", numbers.duration(seconds))] if seconds else []
    facts += (
        [("speed", f"{numbers.compact(tokens / seconds)} tokens/s")] if tokens and seconds else []
    )
    facts += [("skipped steps", str(skipped))] if skipped else []
    padded = sum(v for step in log.steps if (v := number(step.get("padded_tokens"))))
    facts += [("padding", numbers.percent(1 - tokens / padded))] if padded > tokens > 0 else []
    best = next((row.get("step") for row in reversed(log.validation) if row.get("best")), None)
    facts += [("best validation", f"step {best}")] if best is not None else []
    peak = number(run.manifest.get("peak_memory_bytes"))
    facts += [("peak memory of the run", numbers.size(peak))] if peak else []
    return tuple(facts)


def _weights_sentence(log: StageLog) -> str:
    weights = constant_weights(log)
    if not weights:
        return ""
    if len({round(weight, 6) for weight in weights.values()}) == 1:
        return f"Every task's loss kept the weight {next(iter(weights.values())):.3g}."
    told = ", ".join(f"{task} {weight:.3g}" for task, weight in weights.items())
    return f"The weights of the tasks' losses did not change: {told}."


def _shares(run: RunFolder, log: StageLog, palette: Palette) -> tuple[Share, ...]:
    """What was asked as the manifest has it, what was achieved as the log counts it."""
    stored = _stored_shares(run, log)
    rows, tokens = (_normalised(totals(log.steps, key)) for key in ("rows", "tokens"))
    tasks = [name for name in palette.tasks if name in rows or name in stored]
    parts = {task: by_task(stored, task) for task in tasks}
    asked = {task: parts[task]["asked"] for task in tasks if "asked" in parts[task]}
    limit = max([*asked.values(), *rows.values()], default=1.0) * 1.02
    found = []
    for task in tasks:
        examples = rows.get(task, parts[task].get("achieved_examples"))
        of_tokens = tokens.get(task, parts[task].get("achieved_tokens"))
        texts = [_percent(share) for share in (asked.get(task), examples, of_tokens)]
        got = f"got {texts[1]} of the examples, {texts[2]} of the tokens"
        colour = palette.colour(task)
        bar = strip_figures.share_bar(
            examples or 0.0, asked.get(task), limit, colour, f"{task}: asked {texts[0]}, {got}"
        )
        found.append(Share(task, colour, texts[0], texts[1], texts[2], bar))
    return tuple(found)


def _percent(share: float | None) -> str:
    return numbers.DASH if share is None else numbers.percent(share)


def _stored_shares(run: RunFolder, log: StageLog) -> Json:
    shares = mapping(run.manifest.get("shares"))
    return mapping(shares.get(log.name, shares.get(label(log.name))))


def _normalised(parts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    return {task: part / whole for task, part in parts.items()} if whole > 0 else {}


def trained_tasks(run: RunFolder, board: Scoreboard) -> Mapping[str, Sequence[str]]:
    """Which tasks each stage trained, as scores.json says or the stage's log shows."""
    return {log.name: tuple(totals(log.steps, "loss")) for log in run.stages} | dict(board.learned)
