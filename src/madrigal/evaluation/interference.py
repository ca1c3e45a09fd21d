"""Who fights whom, in which layers, since when: statistics of a stage's gradient diagnostics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.cosine import LEAST_STEPS, MARGIN, Cosine, cosines
from madrigal.evaluation.gradient_log import GradientLog, Line, layer_groups, read_gradients
from madrigal.evaluation.paired import holm
from madrigal.evaluation.spell import Spell, between, finest, part, spell, windows
from madrigal.evaluation.task_gradients import (
    Affinity,
    TaskGradient,
    affinities,
    task_gradients,
)

ALARM = 0.05  # of the adjusted p
_HALVES = 2 * LEAST_STEPS  # measured steps from which the halves are looked at too
SHOWN = 6  # pairs with windows and layers beside those that conflict: the worst

State = Literal["conflict", "agreement", "unclear"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tasks over a stage.

    `cosine` is over all measured steps, `told` the one that the state rests on: of the whole stage
    or of one of its halves; `during` is over the steps of the spell, which were chosen for it.
    `magnitude` is PCGrad's gradient magnitude similarity (Yu et al., 2020, definition 2),
    2 |g_i| |g_j| / (|g_i|^2 + |g_j|^2), averaged; 1 is equal. `rate` is the share of steps whose
    own cosine is negative: with noisy gradients it is near one half for any pair.
    """

    first: str
    second: str
    cosine: Cosine
    told: Cosine
    state: State
    p_holm: float
    raw: float
    rate: float
    magnitude: float
    spell: Spell | None = None
    during: Cosine | None = None  # over the spell
    windows: tuple[Cosine, ...] = ()
    layers: Mapping[str, Cosine] = field(default_factory=dict)
    fighting_layers: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, str]:
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class Interference:
    """All that a stage's gradient diagnostics say. Pairs stand worst first."""

    tasks: tuple[str, ...]
    metric: str
    measured: int  # steps
    first: int
    last: int
    groups: tuple[str, ...]
    pairs: tuple[Pair, ...]
    gradients: tuple[TaskGradient, ...]
    affinities: tuple[Affinity, ...]

    @property
    def conflicts(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.state == "conflict")

    @property
    def agreements(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.state == "agreement")

    def of(self, task: str) -> TaskGradient | None:
        """One task's own figures."""
        return next((found for found in self.gradients if found.task == task), None)


def interference(lines: Sequence[Line], blocks: Blocks = Blocks()) -> Interference | None:
    """The statistics of the lines of one steps.jsonl; None where no pair of tasks was measured.

    A pair conflicts where its corrected cosine lies below -MARGIN over the stage or over one of its
    halves, after Holm's correction for all pairs and spans; it agrees where it lies above MARGIN.
    So with no true conflict at all, an alarm about any pair is rarer than one in twenty stages.
    """
    log = read_gradients(lines)
    if log is None:
        return None
    pairs = judged(log, blocks)
    if not pairs:
        return None
    ranked = sorted(pairs, key=lambda place: (_RANK[pairs[place].state], pairs[place].told.value))
    groups = layer_groups(lines)
    by_group = {name: read_gradients(lines, name) for name in groups}
    looked_at = [p for n, p in enumerate(ranked) if n < SHOWN or pairs[p].state == "conflict"]
    for place in looked_at:
        pairs[place] = _in_layers(_over_steps(pairs[place], log, place, blocks), by_group, blocks)
    return Interference(
        tasks=log.tasks,
        metric=log.metric,
        measured=len(log.steps),
        first=int(log.steps[0]),
        last=int(log.steps[-1]),
        groups=groups,
        pairs=tuple(pairs[place] for place in ranked),
        gradients=task_gradients(log, blocks),
        affinities=affinities(log, blocks),
    )


_RANK: Mapping[State, int] = {"conflict": 0, "unclear": 1, "agreement": 1}


def judged(log: GradientLog, blocks: Blocks) -> dict[int, Pair]:
    """The measured pairs by their place, with the alarm decided over all of them together."""
    steps = len(log.steps)
    logs = [log]
    if steps >= _HALVES:
        logs += [part(log, 0, steps // 2), part(log, steps // 2, steps)]
    places = range(len(log.pairs))
    spans = [cosines(piece, places, blocks) for piece in logs]
    told = [(place, one) for span in spans for place, one in enumerate(span) if one is not None]
    conflict = holm([one.p_conflict for _, one in told])
    agreement = holm([one.p_agreement for _, one in told])
    found: dict[int, Pair] = {}
    for (place, one), against, along in zip(told, conflict, agreement, strict=True):
        state = _state(against, along)
        known = found.get(place)
        # The whole stage comes first; a half speaks only where the whole says nothing.
        if known is None:
            found[place] = _pair(log, place, one, state, against)
        elif known.state != "conflict" and state == "conflict":
            found[place] = replace(known, told=one, state=state, p_holm=against)
    return found


def _state(p_conflict: float, p_agreement: float) -> State:
    if p_conflict <= ALARM:
        return "conflict"
    return "agreement" if p_agreement <= ALARM else "unclear"


def _pair(log: GradientLog, place: int, cosine: Cosine, state: State, p: float) -> Pair:
    i, j = log.pairs[place]
    raw, stand = log.cosine[:, place], log.stands_for
    known = np.isfinite(raw)
    raw, each = raw[known], stand[known]
    a, b = log.norm[:, i], log.norm[:, j]
    with np.errstate(invalid="ignore", divide="ignore"):
        similarity = 2 * a * b / (a**2 + b**2)
    alike = np.isfinite(similarity)
    return Pair(
        first=log.tasks[i],
        second=log.tasks[j],
        cosine=cosine,
        told=cosine,
        state=state,
        p_holm=p,
        raw=float(np.average(raw, weights=each)),
        rate=float(np.average(raw < 0, weights=each)),
        magnitude=float(np.average(similarity[alike], weights=stand[alike]))
        if alike.any()
        else 0.0,
    )


def _over_steps(pair: Pair, log: GradientLog, place: int, blocks: Blocks) -> Pair:
    finely = windows(log, place, blocks, finest(log))
    since = spell(log, place, blocks, finely) if pair.state == "conflict" else None
    during = cosines(between(log, since), [place], blocks)[0] if since else None
    return replace(pair, windows=finely, spell=since, during=during)


def _in_layers(pair: Pair, by_group: Mapping[str, GradientLog | None], blocks: Blocks) -> Pair:
    """The pair's cosine in each layer group, corrected for the number of groups."""
    found: dict[str, Cosine] = {}
    for name, log in by_group.items():
        if log is None or not {*pair.tasks} <= {*log.tasks}:
            continue
        order = {tuple(log.tasks[k] for k in ij): place for place, ij in enumerate(log.pairs)}
        one = cosines(log, [order[pair.tasks]], blocks)[0] if pair.tasks in order else None
        if one is not None:
            found[name] = one
    adjusted = holm([one.p_conflict for one in found.values()])
    fighting = [name for name, p in zip(found, adjusted, strict=True) if p <= ALARM]
    told = tuple(fighting) if pair.state == "conflict" else ()
    return replace(pair, layers=found, fighting_layers=told)


__all__ = ["ALARM", "MARGIN", "SHOWN", "Interference", "Pair", "interference"]
