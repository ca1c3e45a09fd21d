"""Reward models and preferences: how faithful the trained model is to people's judgements."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from madrigal.report import numbers, strip_figures
from madrigal.report.ceiling import ceiling_of, ceiling_words
from madrigal.report.differences import interval_of
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import Interval, mapping, number
from madrigal.report.reliability_figure import Point, reliability_figure
from madrigal.report.scoreboard import label
from madrigal.report.strip_figures import Dot

TITLES = {
    "reward": "its reward head",
    "likelihood": "log-likelihood by token",
    "log_ratio": "rise of the log-likelihood in the stage",
}
_STRENGTHS = {
    "margin": "by the margin in the data",
    "rating": "by the distance of the ratings",
    "places": "by the distance of the places",
    "votes": "by how far the votes are from a tie",
}
_LENGTHS = {
    "longer": "better answer is longer",
    "alike": "lengths alike",
    "shorter": "better answer is shorter",
}
_NEAR = 1.25  # a scale of scores within this factor of 1 is called right


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One line of the figure of slices."""

    name: str
    note: str
    figure: Markup
    value: str
    most: str


@dataclass(frozen=True, slots=True)
class OpinionView:
    """One opinion of one task's answers, ready for the page."""

    task: str
    stage: str
    title: str
    said: tuple[tuple[str, bool], ...]  # sentences, and which of them warn
    reliability: Markup
    slices: tuple[SliceRow, ...]
    axis: Markup
    strength: str


def judged_views(run: RunFolder, order: Sequence[str]) -> tuple[OpinionView, ...]:
    """Tasks with judged answers, in the order of the score table, as the last stage left them."""
    judged = mapping(mapping(run.scores.get("summary")).get("judged"))
    found = {task: told for task in order if (told := _latest(judged, task))}
    return tuple(_view(run, task, *one) for task, told in found.items() for one in told)


def _latest(judged: Json, task: str) -> list[tuple[str, Json]]:
    """Each opinion with the last stage that told it: the base only where no stage did."""
    found: dict[str, tuple[str, Json]] = {}
    for stage in judged:
        for one in mapping(judged[stage]).get(task) or ():
            found[str(mapping(one).get("opinion"))] = stage, mapping(one)
    if "reward" in found:  # what the head says counts; the trunk's likelihood is nobody's aim
        return [found["reward"]]
    return [found[name] for name in TITLES if name in found]


def _view(run: RunFolder, task: str, stage: str, told: Json) -> OpinionView:
    ceiling = ceiling_of(run, task)
    opinion = str(told.get("opinion"))
    title = TITLES.get(opinion, opinion)
    rows = [row for one in _list(told.get("slices")) if (row := _slice(mapping(one)))]
    whole = interval_of(told.get("accuracy"))
    if whole is not None:
        n = number(mapping(told.get("accuracy")).get("n")) or 0
        note = f"{numbers.count(n)} pairs"
        rows.insert(0, _row("all pairs", note, whole, number(told.get("most"))))
    return OpinionView(
        task=task,
        stage=label(stage),
        title=title,
        said=tuple(sentences(told, ceiling)),
        reliability=reliability_figure(
            tuple(_points(mapping(told.get("calibration")))), ceiling, name=f"Calibration of {task}"
        ),
        slices=tuple(rows),
        axis=strip_figures.strip_axis(0, 100),
        strength=_STRENGTHS.get(str(told.get("strength_of")), ""),
    )


def sentences(told: Json, ceiling: Interval | None) -> Iterator[tuple[str, bool]]:
    """What an opinion is worth, and which of it warns."""
    right, pairs = interval_of(told.get("accuracy")), number(told.get("pairs")) or 0
    ties = number(told.get("ties")) or 0
    if right is not None:
        no_better = right.low is not None and right.low <= 0.5
        yield (
            f"It prefers what people prefer in {numbers.score(right, 'agreement')} of "
            f"{numbers.count(pairs - ties)} pairs (chance 50{numbers.SPACE}%, "
            f"{ceiling_words(ceiling)})" + (": no better than chance." if no_better else "."),
            no_better,
        )
    if ties:
        yield (
            f"{numbers.counted(round(ties), 'pair')} more are ties and count in no accuracy.",
            False,
        )
    gap = interval_of(told.get("gap"))
    if gap is not None and told.get("opinion") == "log_ratio":
        yield (
            f"The better answer gained {_nats(gap)} nats of log-likelihood on the worse one.",
            gap.low is not None and gap.low <= 0,
        )
    yield from _calibrated(mapping(told.get("calibration")))
    yield from _by_length(told)


def _nats(value: Interval) -> str:
    ends = f" ({_two(value.low)} to {_two(value.high)})" if value.low is not None else ""
    return f"{_two(value.value)}{ends}"


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".replace("-", numbers.MINUS)


def _calibrated(told: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    error, floor, fit = (
        interval_of(told.get("error")),
        number(told.get("floor")),
        number(told.get("fit")),
    )
    if error is None or floor is None or fit is None:
        return
    text = f"Calibration error {numbers.score(error, 'agreement')}; chance alone would give "
    text += f"{numbers.percent(floor)} on so many pairs."
    if told.get("scaled") is True:
        yield f"{text} A unit of its own was fitted on one half and judged on the other.", False
        return
    off = error.low is not None and error.low > floor and not 1 / _NEAR <= fit <= _NEAR
    if off:
        after = interval_of(told.get("refitted"))
        how = "too sure" if fit < 1 else "not sure enough"
        text += f" It is {how}: scores times {fit:.2g} would fit best"
        text += f", and leave {numbers.percent(after.value)}." if after else "."
    yield text, off


def _by_length(told: Json) -> Iterator[tuple[str, bool]]:
    model, people = interval_of(told.get("model_longer")), interval_of(told.get("people_longer"))
    if model is None or people is None:
        return
    apart = _apart(model, people)
    correlation = interval_of(told.get("length_correlation"))
    beside = ""
    if correlation is not None:
        beside = f"; its correlation with log length within a prompt is {_nats(correlation)}"
    yield (
        f"It prefers the longer answer in {numbers.score(model, 'agreement')}, people in "
        f"{numbers.score(people, 'agreement')}{beside}.",
        apart,
    )


def _apart(one: Interval, other: Interval) -> bool:
    if None in (one.low, one.high, other.low, other.high):
        return False
    low, high = (one, other) if one.value < other.value else (other, one)
    return (low.high or 0.0) < (high.low or 0.0)


def _points(told: Mapping[str, Any]) -> Iterator[Point]:
    for one in _list(told.get("bins")):
        right = interval_of(mapping(one).get("right"))
        sure = number(mapping(one).get("confidence"))
        if right is not None and sure is not None:
            yield Point(
                sure, right, round(number(mapping(mapping(one).get("right")).get("n")) or 0)
            )


def _slice(told: Json) -> SliceRow | None:
    value = interval_of(told.get("accuracy"))
    if value is None:
        return None
    by, name = str(told.get("by")), str(told.get("name"))
    shown = {"strength": f"{name} preferences", "length": _LENGTHS.get(name, name)}.get(by, name)
    n = number(mapping(told.get("accuracy")).get("n")) or 0
    field = "" if by in ("strength", "length") else f"{by}, "
    return _row(shown, f"{field}{numbers.count(n)} pairs", value, number(told.get("most")))


def _row(name: str, note: str, value: Interval, most: float | None) -> SliceRow:
    text = numbers.score(value, "agreement")
    figure = strip_figures.dot_strip([Dot(name, "multi", value.scaled(100), text)], 0, 100)
    votes = "" if most is None or most >= 1 else f"at most {numbers.percent(most)}"
    return SliceRow(name, note, figure, text, votes)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
