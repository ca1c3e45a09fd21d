"""Which remedy to try for a task that was hurt: a table of rules, each with its evidence.

A rule reads the evidence about one task and answers a remedy or nothing. None of them trains, and
none promises: a remedy is what the measurements speak for, to be tried at equal budget.
"""

import math
from collections.abc import Callable

from madrigal.evaluation.cosine import LEAST_STEPS
from madrigal.report import fights, numbers
from madrigal.report.evidence import Evidence
from madrigal.report.numbers import Interval
from madrigal.report.scoreboard import label
from madrigal.report.trends import Remedy, overfitted, unfinished

_TINY = 0.5  # of an equal share of the examples
_FEW = 0.1  # of the examples of the largest task
_UNLIKE = 4.0  # times: magnitude similarity below one half
_NOISY = 4.0  # times the examples of a step


Rule = Callable[[Evidence], Remedy | None]


def remedies(known: Evidence) -> tuple[Remedy, ...]:
    """Every remedy that the evidence speaks for, the surest cause first; never nothing at all."""
    found = [remedy for rule in RULES if (remedy := rule(known)) is not None]
    if _forgot_only(known):
        found = [remedy for remedy in found if remedy.name == "forgetting"]
    return tuple(found) or (_unexplained(known),)


def conflict(known: Evidence) -> Remedy | None:
    """Hurt, and in conflict with a task of its stage: keep the two apart."""
    if not known.conflicts or known.found is None:
        return None
    pair = known.conflicts[0]
    other = known.other(pair)
    told = [fights.fight(each, known.found) for each in known.conflicts[:2]]
    given = known.given_by(other)
    if (
        given
        and given.share is not None
        and given.effect.high is not None
        and given.effect.high < 0
    ):
        told.append(
            f"a step on {other} takes back {numbers.percent(abs(given.share), 0)} of what an equal "
            f"step on {known.task} gives it"
        )
    attempt = (
        f"keep {known.task} and {other} apart: private parts "
        "(`adapter: {kind: lora, private: 4}`), separate runs for tasks that agree, or a balancer "
        "that gives way (`balance: upgrad`)"
    )
    return Remedy("conflict", attempt, "; ".join(told))


def forgetting(known: Evidence) -> Remedy | None:
    """Better right after its own stage than at the end: a later stage took it away."""
    if known.later is None or not _parted(known.own_score, known.final, known.lower_is_better):
        return None
    assert known.own_score is not None
    assert known.final is not None
    unit = numbers.unit(known.metric)
    before, after = (
        numbers.plain(score.value, known.metric) + unit for score in (known.own_score, known.final)
    )
    stage = label(known.later)
    return Remedy(
        "forgetting",
        f"replay {known.task} in stage {stage} (`retain: {{kind: replay, share: 0.1}}`)",
        f"{before} after stage {label(known.own)}, which trained it, and {after} after {stage}",
    )


def imbalance(known: Evidence) -> Remedy | None:
    """Hurt without conflict, and it has few examples or gets few of each step."""
    if known.conflicts:
        return None
    told = []
    equal = 1 / (1 + len(known.others))
    if known.share is not None and known.share < _TINY * equal:
        told.append(
            f"{numbers.percent(known.share)} of the stage's examples were its own; an equal share "
            f"is {numbers.percent(equal)}"
        )
    few = known.examples is not None and known.largest is not None
    if few and known.examples < _FEW * known.largest[1]:  # type: ignore[operator, index]
        name, most = known.largest  # type: ignore[misc]
        have = numbers.counted(known.examples or 0, "example")
        told.append(f"it has {have} to train on, {name} has {most:,}")
    if not told:
        return None
    attempt = (
        "a larger share or weight: `mixture: {kind: temperature, temperature: 5}` in the stage, or "
        f"`weight: 2` in {known.task}"
    )
    return Remedy("imbalance", attempt, "; ".join(told))


def overpowered(known: Evidence) -> Remedy | None:
    """Its part in the update is small beside another's: balance by scale."""
    own = known.gradient
    others = [known.found.of(name) for name in known.others] if known.found else []
    pulls = [other for other in others if other is not None and other.pull]
    if own is None or not own.pull or not pulls:
        return None
    strongest = max(pulls, key=lambda other: other.pull or 0.0)
    ratio = (strongest.pull or 0.0) / own.pull
    if ratio < _UNLIKE:
        return None
    return Remedy(
        "overpowered",
        "a balancer that minds no scale: `balance: scale_invariant` or `balance: imtl_g`",
        f"its weighted gradient is {numbers.percent(own.pull, 0)} of what pulls in a step, that of "
        f"{strongest.task} {numbers.percent(strongest.pull or 0.0, 0)}",
    )


def noisy(known: Evidence) -> Remedy | None:
    """Its gradients are mostly noise at so many examples a step."""
    own = known.gradient
    if own is None or own.noise_scale is None or not own.examples:
        return None
    low = own.noise_scale.low
    if low is None:
        low = math.inf if math.isinf(own.noise_scale.value) else 0.0
    if low <= _NOISY * own.examples:
        return None
    scale = fights.examples(own.noise_scale.value)
    return Remedy(
        "noise",
        f"more examples of {known.task} a step: larger `batch` or a larger share",
        f"noise and direction are equal at {scale} examples a step; it gets "
        f"{fights.examples(own.examples)}",
    )


RULES: tuple[Rule, ...] = (
    forgetting,
    conflict,
    imbalance,
    overpowered,
    noisy,
    overfitted,
    unfinished,
)


def _unexplained(known: Evidence) -> Remedy:
    measured = "" if known.found else "; its gradients were not measured"
    if known.found and known.found.measured < LEAST_STEPS:
        measured = f"; {fights.too_few(known.found)}"
    return Remedy(
        "unexplained",
        "the same recipe with another seed, to see whether the loss stays",
        f"no conflict, imbalance, noise or trend was found that would explain it{measured}",
    )


def _forgot_only(known: Evidence) -> bool:
    """Whether the task stood no lower than its single-task model before a later stage came."""
    if forgetting(known) is None or known.own_score is None or known.single is None:
        return False
    gain = known.own_score.value - known.single.value
    return (gain <= 0) if known.lower_is_better else (gain >= 0)


def _parted(before: Interval | None, after: Interval | None, lower_is_better: bool) -> bool:
    """Whether the score got worse so far that the two intervals do not touch."""
    if before is None or after is None:
        return False
    if lower_is_better:
        before, after = after, before
    return before.low is not None and after.high is not None and after.high < before.low
