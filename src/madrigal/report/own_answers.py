"""The section on answers of the model's own: what they were worth, and what was paid for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from madrigal.report.curves import Chart
from madrigal.report.figures import Line, line_chart
from madrigal.report.folder import Json, StageLog
from madrigal.report.numbers import compact, counted, duration, mapping, number
from madrigal.report.outputs import middle_out
from madrigal.report.scoreboard import label

_PART = 5  # the first and the last fifth of the rollouts are compared
# Standard errors that a difference must have: few rollouts, each like the one before, tell less of
# chance than their number says.
_CLEAR = 3.0
_KINDS = ("sign", "lost", "rolled_back", "unrewarded")  # events that are told of here
_NAMED = 3  # answers without a reward
_LENGTH = 420  # characters of an answer on the page
_SIGNS = 8  # signs whose answers are shown
_Lines = tuple[str, str, tuple[tuple[str, str], ...]]
_LOOKS: tuple[_Lines, ...] = (
    ("likeliest answers", "mean of an answer", (("reward", "c2"), ("gold", "c3"))),
)
_CHARTS: tuple[_Lines, ...] = (
    ("reward", "mean of an answer", (("reward", "c2"), ("gold", "c3"))),
    ("divergence", "nats from the model before", (("divergence", "c1"),)),
    ("entropy", "nats a token", (("entropy", "c0"),)),
    ("length", "tokens an answer", (("tokens", "c4"),)),
    ("server and trainer", "nats a token apart", (("gap", "c1"),)),
)


@dataclass(frozen=True, slots=True)
class Acted:
    """A task of a stage that learnt from answers of the model's own."""

    name: str
    said: str
    signs: tuple[str, ...]  # what was told of its reward, and done about it
    charts: tuple[Chart, ...]
    answers: tuple[tuple[str, str, str], ...]  # prompt, answer, what is said of it


def own_answers(stages: Sequence[StageLog]) -> tuple[Acted, ...]:
    """A view of each task and stage; nothing where the model wrote nothing."""
    found = []
    for stage in stages:
        tasks = dict.fromkeys(str(row.get("task")) for row in stage.rollouts)
        for task in tasks:
            rows = [row for row in stage.rollouts if row.get("task") == task]
            name = task if len(stages) == 1 else f"{task}, in {label(stage.name)}"
            told = _told(stage, task)
            signs = tuple(f"Step {row.get('step')}: {text}" for row, text in told)
            answers = _answers(rows, [number(row.get("step")) for row, _ in told])
            looks = [row for row in stage.looks if row.get("task") == task]
            said = " ".join(filter(None, (_said(task, rows), _likeliest(looks), _failed(rows))))
            charts = (*_charts(rows), *_charts(looks, _LOOKS))
            found.append(Acted(name, said, signs, charts, answers))
    return tuple(found)


def rewarded(stages: Sequence[StageLog]) -> str:
    """What became of each task's reward, in one sentence; empty where the model wrote nothing."""
    found = []
    for stage in stages:
        for task in dict.fromkeys(str(row.get("task")) for row in stage.rollouts):
            rows = [row for row in stage.rollouts if row.get("task") == task]
            ends = _ends(rows, "reward")
            if ends is None:
                continue
            nats = _series(rows, "divergence")
            away = [f"{compact(nats[-1][1])} nats away"] if nats else []
            signs = sum(row.get("kind") == "sign" for row, _ in _told(stage, task))
            away += [f"{counted(signs, 'sign')} told by its guard"] if signs else []
            more = f" ({', '.join(away)})" if away else ""
            found.append(f"{_moved(task, ends)}{more}")
    return f"The reward of {', that of '.join(found)}." if found else ""


def _moved(task: str, ends: tuple[float, float, float]) -> str:
    first, last, width = ends
    moved = "rose" if last - first > width else "fell" if first - last > width else None
    verb = moved or "did not clearly move"
    return f"{task} {verb}: from {compact(first)} to {compact(last)}"


def _series(rows: Sequence[Json], name: str) -> list[tuple[float, float]]:
    """The means of each rollout by step."""
    found = ((number(row.get("step")), number(mapping(row.get("means")).get(name))) for row in rows)
    return [(step, value) for step, value in found if step is not None and value is not None]


def _ends(rows: Sequence[Json], name: str) -> tuple[float, float, float] | None:
    """Mean of the first and the last rollouts, and the half width of the difference's interval;
    None with fewer than four rollouts."""
    values = [value for _, value in _series(rows, name)]
    if len(values) < 4:
        return None
    count = max(2, len(values) // _PART)
    first, last = np.array(values[:count]), np.array(values[-count:])
    spread = math.sqrt((first.var(ddof=1) + last.var(ddof=1)) / count)
    return float(first.mean()), float(last.mean()), _CLEAR * spread


def _said(task: str, rows: Sequence[Json]) -> str:
    """What became of the reward, and what it cost."""
    ends = _ends(rows, "reward")
    if ends is None:
        return f"{task}: too few rollouts to compare the first with the last."
    parts = [f"The reward of {_moved(task, ends)}"]
    for name, words in (("gold", "the gold reward"), ("tokens", "tokens an answer")):
        more = _ends(rows, name)
        if more is not None:
            parts.append(f"{words} from {compact(more[0])} to {compact(more[1])}")
    divergence = _series(rows, "divergence")
    if divergence:
        parts.append(f"{compact(divergence[-1][1])} nats away from the model before the stage")
    return "; ".join(parts) + "."


def _likeliest(looks: Sequence[Json]) -> str:
    """What became of the likeliest answers, and what looking cost."""
    gold, reward = _series(looks, "gold"), _series(looks, "reward")
    if not gold or not reward:
        return ""
    spent = math.fsum(number(row.get("seconds")) or 0.0 for row in looks)
    times = "once" if len(looks) == 1 else f"{len(looks)} times"
    return (
        f"The likeliest answers to {compact(number(looks[-1].get('prompts')) or 0)} held-out "
        f"prompts were looked at {times}, in {duration(spent)}: gold reward from "
        f"{compact(gold[0][1])} to {compact(gold[-1][1])}, reward in training from "
        f"{compact(reward[0][1])} to {compact(reward[-1][1])}."
    )


def _failed(rows: Sequence[Json]) -> str:
    """Answers without a reward, and the places of some."""
    bad = [mapping(one) for row in rows for one in row.get("unrewarded") or ()]
    if not bad:
        return ""
    named = ", ".join(f"{one.get('where')} ({one.get('why')})" for one in bad[:_NAMED])
    answers = "1 answer" if len(bad) == 1 else f"{len(bad)} answers"
    return f"{answers} got no reward and taught nothing: {named}{', …' * (len(bad) > _NAMED)}."


def _told(stage: StageLog, task: str) -> list[tuple[Json, str]]:
    """What the guard told of the task, and where the model went back: events, and their texts."""
    told = (row for row in stage.events if row.get("kind") in _KINDS)
    mine = (row for row in told if str(row.get("text", "")).startswith(f"{task}: "))
    return [(row, str(row["text"]).removeprefix(f"{task}: ")) for row in mine]


def _charts(rows: Sequence[Json], charts: Sequence[_Lines] = _CHARTS) -> tuple[Chart, ...]:
    found = []
    for title, unit, lines in charts:
        drawn = [Line(name, colour, _series(rows, name)) for name, colour in lines]
        figure = line_chart([line for line in drawn if line.points], name=title)
        if figure:
            found.append(Chart(title, unit, figure))
    return tuple(found)


def _answers(
    rows: Sequence[Json], signs: Sequence[float | None]
) -> tuple[tuple[str, str, str], ...]:
    """Answers of the first and of the last rollout, and of those at whose step there was a sign."""
    seen = {number(row.get("step")): row for row in rows[1:-1]}
    marked = [step for step in dict.fromkeys(signs) if step in seen][:_SIGNS]
    shown = [(f"step {compact(step or 0)}, a sign", seen[step]) for step in marked]
    found = []
    for words, row in (("first rollout", rows[0]), *shown, ("last rollout", rows[-1])):
        for one in (mapping(sample) for sample in row.get("samples") or ()):
            reward, nats = number(one.get("reward")), number(one.get("divergence"))
            facts = [words]
            facts += [] if reward is None else [f"reward {compact(reward)}"]
            facts += [] if nats is None else [f"{compact(nats)} nats away"]
            facts += [] if one.get("ended") else ["no end"]
            prompt = middle_out(str(one.get("prompt", "")), _LENGTH)
            found.append(
                (prompt, middle_out(str(one.get("answer", "")), _LENGTH), ", ".join(facts))
            )
    return tuple(found)
