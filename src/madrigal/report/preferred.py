"""What preference stages did to the answers that people preferred, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.differences import interval_of
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import Interval, mapping, number
from madrigal.report.scoreboard import Scoreboard, label

REWARD = "reward"  # trains a head, and not what the model says
_GROWN, _LONGER = 1.1, 1.0  # times as long, and tokens more, to be worth a sentence


@dataclass(frozen=True, slots=True)
class Side:
    """A mean over examples before and after a stage, and its paired change; nats an answer."""

    before: float
    after: float
    change: Interval

    @property
    def fell(self) -> bool:
        """Surely less than before."""
        return self.change.high is not None and self.change.high < 0


@dataclass(frozen=True, slots=True)
class Preferred:
    """One task of judged answers in one stage that learnt to say what people preferred."""

    stage: str  # a row of the matrix
    task: str
    before: str  # the row it is compared with
    objective: Json
    n: int
    tokens: float
    chosen: Side
    rejected: Side
    margin: Side
    kl: Interval | None  # to the reference, which is the model as the stage began
    kl_to_base: Interval | None
    written: Json  # after the stage
    earlier: Json  # written before it


def preferred(run: RunFolder, board: Scoreboard) -> tuple[Preferred, ...]:
    """Every preference stage and task, in order; empty where nothing was learnt from judgements.

    A task whose reward head was trained is left out: that says nothing of what the model says. So
    is one that learnt from what its own answers were worth: of the answers that people judged it
    learnt nothing, and that they become less likely is no fault.
    """
    summary = board.summary
    stored = mapping(summary.get("preferences"))
    objectives = _objectives(run)
    found = []
    for stage in board.stages:
        for task, body in mapping(stored.get(stage)).items():
            objective = objectives.get((label(stage), str(task)), {})
            one = _one(summary, stage, str(task), mapping(body), objective)
            if one is not None and objective.get("kind") != REWARD and "reward" not in objective:
                found.append(one)
    return tuple(found)


def _objectives(run: RunFolder) -> Mapping[tuple[str, str], Json]:
    stages = run.recipe.get("stages")
    held = [mapping(stage) for stage in stages] if isinstance(stages, list) else []
    return {
        (str(stage.get("name")), str(task)): mapping(one) or {"kind": one}
        for stage in held
        for task, one in mapping(stage.get("objective")).items()
    }


def _one(summary: Json, stage: str, task: str, body: Json, objective: Json) -> Preferred | None:
    sides = [_side(body.get(name)) for name in ("chosen", "rejected", "margin")]
    n, before = number(body.get("n")), str(body.get("from", ""))
    chosen, rejected, margin = sides
    if n is None or chosen is None or rejected is None or margin is None:
        return None
    written = mapping(summary.get("written"))
    return Preferred(
        stage=stage,
        task=task,
        before=before,
        objective=objective,
        n=int(n),
        tokens=number(body.get("tokens")) or 0.0,
        chosen=chosen,
        rejected=rejected,
        margin=margin,
        kl=interval_of(mapping(mapping(summary.get("kl_to_reference")).get(stage)).get(task)),
        kl_to_base=interval_of(mapping(mapping(summary.get("kl_to_base")).get(stage)).get(task)),
        written=mapping(mapping(written.get(stage)).get(task)),
        earlier=mapping(mapping(written.get(before)).get(task)),
    )


def _side(value: object) -> Side | None:
    parts = mapping(value)
    before, after = (number(parts.get(name)) for name in ("before", "after"))
    change = interval_of(parts)
    if before is None or after is None or change is None:
        return None
    return Side(before, after, change)


def falls(found: Sequence[Preferred]) -> tuple[Preferred, ...]:
    """Where preferred answers surely became less likely."""
    return tuple(one for one in found if one.chosen.fell)


def fell(one: Preferred) -> str:
    """`liked: the preferred answers became less likely in stage prefer, by 3.2 nats an answer
    (2.5 to 4.0); the others fell by 9.1, so the margin grew by 5.9`."""
    change = one.chosen.change
    assert change.low is not None
    assert change.high is not None
    other, margin = one.rejected.change, one.margin.change
    moved = f"{'fell' if other.value < 0 else 'rose'} by {nats(abs(other.value))}"
    grew = f"{'grew' if margin.value > 0 else 'shrank'} by {nats(abs(margin.value))}"
    joint = "and" if (other.value < 0) != (margin.value > 0) else "so"
    if not _sure(margin):
        joint, grew = "and", f"is not surely another, {signed(margin)}"
    return (
        f"The preferred answers of {one.task} became less likely in stage {label(one.stage)}: by "
        f"{nats(-change.value)} nats an answer ({nats(-change.high)} to {nats(-change.low)}), of "
        f"{one.tokens:.0f} tokens; the others {moved}, {joint} the margin {grew}."
    )


def what_helps(one: Preferred) -> str:
    """What to try against a falling likelihood, by what the stage did already."""
    weight = number(one.objective.get("likelihood")) or 0.0
    found = []
    if one.objective.get("kind") == "dpo":
        more = f"likelihood: {2 * weight:g}" if weight else "likelihood: 0.2"
        found.append(f"{'more' if weight else 'some'} likelihood (`{more}` in the objective)")
        if not number(one.objective.get("dpop")):
            found.append("DPOP (`dpop: 5`)")
        if one.objective.get("normalise") != "tokens":
            found.append("log-ratios by token (`normalise: tokens`, with a beta of about 5)")
    elif one.objective.get("kind") == "correction":
        found.append(f"more `likelihood` than {weight or 1.0:g}")
    else:
        found.append("`dpo` with `likelihood: 0.2`")
    return f"What helps: {', '.join(found)}, fewer steps, or a smaller learning rate."


def held(one: Preferred) -> str:
    """The same where it did not fall."""
    change = one.chosen.change
    sure = change.low is not None and change.low > 0
    moved = "became more likely" if sure else "did not surely become less likely"
    margin = one.margin.change
    return (
        f"The preferred answers of {one.task} {moved} in stage {label(one.stage)}: "
        f"{signed(change)} nats an answer; their margin over the others {signed(margin)}."
    )


def wrote(one: Preferred) -> str:
    """What is surely different in the answers that the model writes by itself; or nothing."""
    changes, told = mapping(one.written.get("changes")), []
    length, circles = (interval_of(changes.get(name)) for name in ("tokens", "repeated"))
    then, now = (interval_of(mapping(w.get("tokens"))) for w in (one.earlier, one.written))
    if length and then and now and _sure(length) and abs(length.value) >= _LONGER:
        ratio = max(now.value, 1e-9) / max(then.value, 1e-9)
        if max(ratio, 1 / ratio) >= _GROWN:
            longer = "longer" if length.value > 0 else "shorter"
            levels = f"{nats(then.value)} to {nats(now.value)} tokens"
            told.append(f"became {longer}, {levels}, {signed(length)}")
    if circles and _sure(circles) and circles.value > 0:
        more = numbers.difference(circles, "")
        told.append(f"repeat themselves more, {more} of their 4-grams")
    before, after = (interval_of(w.get("ended")) for w in (one.earlier, one.written))
    if before and after and _below(after, before):
        shares = " to ".join(numbers.percent(x.value, 0) for x in (before, after))
        told.append(f"end by themselves less often, {shares}")
    if not told:
        return ""
    return f"Its own answers to prompts of {one.task} {'; they '.join(told)}."


def _below(after: Interval, before: Interval) -> bool:
    """Whether two intervals do not touch."""
    return after.high is not None and before.low is not None and after.high < before.low


def _sure(change: Interval) -> bool:
    low, high = change.low, change.high
    return low is not None and high is not None and not low <= 0 <= high


def nats(value: float) -> str:
    """Three digits at most: 0.31, 4.2, 127."""
    digits = 2 if abs(value) < 1 else 1 if abs(value) < 100 else 0
    text = f"{value:,.{digits}f}"
    return (
        text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", numbers.MINUS)
    )


def signed(value: Interval) -> str:
    """`+1.2 (+0.4 to +2.0)`."""
    around = signed_range(value)
    return f"{plus(value.value)} ({around})" if around else plus(value.value)


def signed_range(value: Interval) -> str:
    """`+0.4 to +2.0`, or nothing."""
    if value.low is None or value.high is None:
        return ""
    return f"{plus(value.low)} to {plus(value.high)}"


def plus(value: float) -> str:
    """A change with its sign; what rounds to nothing has none."""
    text = nats(value)
    return f"+{text}" if value > 0 and text.strip("0.") else text
