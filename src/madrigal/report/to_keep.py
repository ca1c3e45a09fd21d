"""What to try against forgetting: from what was on in the stages that took, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.numbers import number
from madrigal.report.remembered import Remembered
from madrigal.report.retention import KINDS, StageCost
from madrigal.report.scoreboard import label

EWC_OPERATIONS = 6  # a trained parameter and step
_NAMED = 3  # tasks of a stage that are told one by one
_WITHOUT_DATA = {
    "ewc": "it takes one pass over the trained parameters a step",
    "distill": "it takes a forward pass more a step",
}
SHARE = 0.1  # of replay: as much as most papers report, and enough where forgetting is mild


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to try, and what is measured that speaks for it or says what it costs."""

    attempt: str
    because: str


def attempts(lost: Sequence[Remembered], costs: Sequence[StageCost]) -> tuple[Attempt, ...]:
    """What may keep the forgotten tasks: in the stages that took them, what was not on there, and
    what it cost where it was on in this run. What it would save is not measured."""
    took = _took(lost, costs)
    if not took:
        return ()
    bare = [stage for stage in took if "replay" not in stage.settings]
    kept = [stage for stage in costs if stage not in took]
    found = [_replay(bare, lost, kept)] if bare else []
    found += [_more_replay(took)] if len(bare) < len(took) else []
    found += [_stronger(took)] if any("ewc" in stage.settings for stage in took) else []
    found += _unused(took, costs)
    found.append(_slower())
    return tuple(found)


def _took(lost: Sequence[Remembered], costs: Sequence[StageCost]) -> list[StageCost]:
    """Stages with a sure loss; where a task has none, every stage since it was taught."""
    names: set[str] = set()
    for one in lost:
        names |= {move.after for move in one.losses} or set(one.since)
    return [stage for stage in costs if stage.stage in names]


def _replay(
    bare: Sequence[StageCost], lost: Sequence[Remembered], kept: Sequence[StageCost]
) -> Attempt:
    seconds = [s for stage in bare if (s := stage.step_seconds) is not None]
    cost = _a_step([SHARE * each for each in seconds])
    on = sorted({stage.words for stage in bare} - {""})
    beside = f"{' or '.join(on)} alone did not keep them" if on else "nothing was on there"
    whole = _time(SHARE * sum(stage.own_seconds for stage in bare))
    return Attempt(
        f"`retain: {{kind: replay, share: {SHARE}}}` in {_named(bare)}",
        f"{_taken(bare, lost)}{beside}; replay of {numbers.percent(SHARE, 0)} would cost about "
        f"{cost} a step, a tenth of what a step costs now, {whole} in all{_held(kept)}",
    )


def _taken(stages: Sequence[StageCost], lost: Sequence[Remembered]) -> str:
    """`two took 40.0 points of a and 3.0 of b; `: the sure losses; nothing where none is sure."""
    told = []
    for stage in stages:
        moves = [(o.task, m) for o in lost for m in o.losses if m.after == stage.stage]
        moves.sort(key=lambda one: -abs(one[1].change.interval.value))
        parts = [
            f"{numbers.plain(abs(move.change.interval.value), task.metric)}"
            f"{numbers.unit(task.metric) if numbers.has_own_scale(task.metric) else ' points'}"
            f" of {task.name}"
            for task, move in moves[:_NAMED]
        ]
        more = f" and of {len(moves) - _NAMED} more" if len(moves) > _NAMED else ""
        if parts:
            told.append(f"{label(stage.stage)} took {', '.join(parts)}{more}")
    return f"{'; '.join(told)}; " if told else ""


def _held(kept: Sequence[StageCost]) -> str:
    """What replay cost where it was on and nothing was surely lost."""
    on = [stage for stage in kept if "replay" in stage.settings and stage.own_seconds]
    if not on:
        return ""
    spent = sum(stage.seconds.get("replay", 0.0) for stage in on)
    share = numbers.percent(spent / sum(stage.own_seconds for stage in on))
    shares = " and ".join(sorted({_share(stage) for stage in on}))
    return f"; in {_named(on)} it replayed {shares} for {share} more time, and nothing was lost"


def _unused(took: Sequence[StageCost], costs: Sequence[StageCost]) -> list[Attempt]:
    """Remedies that need no old examples and were on in none of the stages that took."""
    kinds = [kind for kind in _WITHOUT_DATA if all(kind not in s.settings for s in took)]
    if not kinds:
        return []
    settings = " or ".join(f"`retain: {kind}`" for kind in kinds)
    told = "; ".join(f"{KINDS[kind]} {_price(kind, took, costs)}" for kind in kinds)
    return [Attempt(f"where old examples may not be kept, {settings} in {_named(took)}", told)]


def _price(kind: str, took: Sequence[StageCost], costs: Sequence[StageCost]) -> str:
    """As measured where it was on in this run, or by what it computes."""
    on = [stage for stage in costs if kind in stage.settings and stage.own_seconds]
    if on:
        spent = sum(stage.seconds.get(kind, 0.0) for stage in on)
        share = numbers.percent(spent / sum(stage.own_seconds for stage in on))
        return f"cost {share} more time in {_named(on)}"
    known = [s for s in took if s.own_flops and s.parameters]
    if kind == "ewc" and known:
        operations = sum(EWC_OPERATIONS * (s.parameters or 0.0) * s.steps for s in known)
        share = numbers.percent(operations / sum(s.own_flops or 0.0 for s in known))
        size = numbers.size(8 * max(s.parameters or 0.0 for s in known))
        return f"would take {share} more operations and keep {size} a stage"
    return f"was not on anywhere; {_WITHOUT_DATA[kind]}"


def _more_replay(took: Sequence[StageCost]) -> Attempt:
    on = [stage for stage in took if "replay" in stage.settings]
    each = [stage.seconds.get("replay", 0.0) / stage.steps for stage in on if stage.steps]
    shares = {_share(stage) for stage in on}
    was = " and ".join(sorted(shares))
    return Attempt(
        f"a larger `share` of replay in {_named(on)}",
        f"it replayed {was} and a task was forgotten there all the same; as much again would cost "
        f"about {_a_step(each)} a step",
    )


def _share(stage: StageCost) -> str:
    setting = stage.settings["replay"]
    count = number(setting.get("count"))
    if count is not None:
        return f"{count:.0f} examples a step"
    share = number(setting.get("share"))
    return numbers.percent(SHARE if share is None else share, 0)


def _stronger(took: Sequence[StageCost]) -> Attempt:
    on = [stage for stage in took if "ewc" in stage.settings]
    strengths = sorted({number(stage.settings["ewc"].get("strength")) or 1.0 for stage in on})
    was = " and ".join(f"{strength:g}" for strength in strengths)
    return Attempt(
        f"a larger `strength` of EWC in {_named(on)}",
        f"it was {was} and a task was forgotten there all the same; more of it takes no more time",
    )


def _slower() -> Attempt:
    return Attempt(
        "a smaller `learning_rate` in the stages that come later",
        "it costs no time, and much that is called forgetting is a rate that suits only the new "
        "task; see that the new tasks are still learnt",
    )


def _named(stages: Sequence[StageCost]) -> str:
    names = [label(stage.stage) for stage in stages]
    if len(names) == 1:
        return f"stage {names[0]}"
    return f"stages {', '.join(names[:-1])} and {names[-1]}"


def _a_step(seconds: Sequence[float]) -> str:
    """Milliseconds or seconds, from the least to the most."""
    if not seconds:
        return "an unknown time"
    low, high = _time(min(seconds)), _time(max(seconds))
    return low if low == high else f"{low} to {high}"


def _time(seconds: float) -> str:
    if seconds < 0.995:
        return f"{1000 * seconds:.2g}{numbers.SPACE}ms" if seconds < 0.0995 else _fixed(seconds)
    return numbers.duration(seconds)


def _fixed(seconds: float) -> str:
    return f"{seconds:.2f}{numbers.SPACE}s"
