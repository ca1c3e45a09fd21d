"""What to try against forgetting: from what was on in the stages that took, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.numbers import number
from madrigal.report.remembered import Remembered
from madrigal.report.retention import StageCost
from madrigal.report.scoreboard import label

SHARE = 0.1  # of replay: as much as most papers report, and enough where forgetting is mild


@dataclass(frozen=True, slots=True)
class Attempt:
    """What to try, and what is measured that speaks for it or says what it costs."""

    attempt: str
    because: str


def attempts(tasks: Sequence[Remembered], costs: Sequence[StageCost]) -> tuple[Attempt, ...]:
    """What may keep the forgotten tasks. Costs are measured here; what they save is not."""
    lost = [one for one in tasks if one.fate == "forgotten"]
    took = _took(lost, costs)
    if not took:
        return ()
    bare = [stage for stage in took if "replay" not in stage.settings]
    found = [_replay(bare)] if bare else []
    found += [_more_replay(took)] if len(bare) < len(took) else []
    found += [_stronger(took)] if any("ewc" in stage.settings for stage in took) else []
    found.append(_slower())
    return tuple(found)


def _took(lost: Sequence[Remembered], costs: Sequence[StageCost]) -> list[StageCost]:
    """Stages with a sure loss; where a task has none, every stage since it was taught."""
    names: set[str] = set()
    for one in lost:
        names |= {move.after for move in one.losses} or set(one.since)
    return [stage for stage in costs if stage.stage in names]


def _replay(bare: Sequence[StageCost]) -> Attempt:
    seconds = [s for stage in bare if (s := stage.step_seconds) is not None]
    cost = _a_step([SHARE * each for each in seconds])
    on = sorted({stage.words for stage in bare} - {""})
    beside = f" {' or '.join(on)} alone did not keep them;" if on else " nothing was on there;"
    return Attempt(
        f"`retain: {{kind: replay, share: {SHARE}}}` in {_named(bare)}",
        f"{beside.strip()} replay of {numbers.percent(SHARE, 0)} would cost about {cost} a step, "
        "a tenth of what a step costs now",
    )


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
