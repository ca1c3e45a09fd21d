"""The findings in plain words, each number with its interval."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from madrigal.evaluation.measure import Measure
from madrigal.feedback.findings import Findings, Part, Question
from madrigal.feedback.words import counted, decimal, listed, percent, share

# Krippendorff's own limits (Content Analysis, 2004, page 241).
RELIABLE, TENTATIVE = 0.8, 0.67

_NAMES: Mapping[Question, str] = {
    "agreement": "agreement",
    "ceiling": "the agreement ceiling",
    "annotators": "the reliability of annotators",
    "self_disagreement": "self-disagreement",
    "flips": "the flip rate",
    "cycles": "cycles",
    "order_swaps": "order-swap consistency",
    "length": "length bias",
    "position": "position bias",
    "contradictions": "contradictions",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was found; it `warns` of what harms training on this feedback."""

    text: str
    warns: bool = False


def sentences(findings: Findings) -> list[str]:
    """What was found and what could not be; with several parts each sentence names its own."""
    return [*(one.text for one in told(findings)), *missing(findings)]


def told(findings: Findings) -> list[Sentence]:
    """What was found; with several parts each sentence names its own."""
    several = len(findings.parts) > 1
    return [
        replace(one, text=f"{title(part)}: {one.text}") if several else one
        for part in findings.parts
        for one in (Sentence(amount(part)), *found(part))
    ]


def title(part: Part) -> str:
    """What a part is about: `pair`, or `rating of naturalness`."""
    return f"{part.kind} of {part.aspect}" if part.aspect else part.kind


def amount(part: Part) -> str:
    """How much there is."""
    items = (
        counted(part.items, "answer")
        if part.kind in ("rating", "thumb")
        else counted(part.items, "pair of answers", "pairs of answers")
    )
    ties = f" ({share(part.ties)} ties)" if part.ties else ""
    where = f"to {counted(part.prompts, 'prompt')}" if part.prompts else "without a prompt"
    who = counted(part.annotators, "annotator") if part.annotators else "people without names"
    return (
        f"{counted(part.records, 'record')} with {counted(part.votes, 'vote')}{ties} from {who} "
        f"about {items} {where}."
    )


def found(part: Part) -> list[Sentence]:
    """What was measured, a sentence or two a question."""
    every = (_agreement, _ceiling, _annotators, _flips, _again, _cycles, _shortcuts, _duplicates)
    return [sentence for some in every for sentence in some(part)]


def missing(findings: Findings) -> list[str]:
    """What could not be measured; questions, and parts, with one reason together."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for part in findings.parts:
        for question, reason in part.missing.items():
            reasons.setdefault(reason, {}).setdefault(_NAMES[question], []).append(title(part))
    told = []
    for reason, names in reasons.items():
        parts = list(dict.fromkeys(part for some in names.values() for part in some))
        of = f" ({listed(parts)})" if len(parts) < len(findings.parts) else ""
        told.append(f"Not measured{of}: {listed(list(names))}; {reason}.")
    return told


def _agreement(part: Part) -> Iterator[Sentence]:
    for metric, alpha in [*part.alpha.items()][:1]:
        level = "too low to trust single votes"
        if round(alpha.value, 2) >= RELIABLE:
            level = "reliable"
        elif round(alpha.value, 2) >= TENTATIVE:
            level = "good enough for tentative conclusions"
        yield Sentence(
            f"Krippendorff's alpha ({metric}) is {decimal(alpha)} on "
            f"{counted(alpha.n, 'item')} with several votes: {level}.",
            round(alpha.value, 2) < TENTATIVE,
        )
    if part.agreement is not None:
        yield Sentence(f"Two votes on one item are the same in {percent(part.agreement)} of cases.")


def _ceiling(part: Part) -> Iterator[Sentence]:
    if part.ceiling is not None:
        yield Sentence(
            f"The accuracy of a perfect model against single votes is between "
            f"{percent(part.ceiling.least)} and {percent(part.ceiling.most)}; against the majority "
            f"of each item's votes at most {percent(part.ceiling.majority)}."
        )
    if part.correlation_ceiling is not None:
        yield Sentence(
            "A perfect model correlates with one rater by at most "
            f"{decimal(part.correlation_ceiling)}."
        )


def _annotators(part: Part) -> Iterator[Sentence]:
    if part.by_annotator is None:
        return
    suspects = [one for one in part.by_annotator.each if one.verdict]
    for one in suspects:
        does = (
            "answers as if without looking"
            if one.verdict == "guesses"
            else "says the opposite of the others"
        )
        yield Sentence(
            f"Annotator {one.name} {does}: competence {decimal(one.competence)}, accuracy "
            f"{percent(one.accuracy)}, {counted(one.votes, 'vote')}.",
            warns=True,
        )
    if not suspects:
        least = min(part.by_annotator.each, key=lambda one: one.competence.value)
        yield Sentence(
            f"None of {counted(len(part.by_annotator.each), 'annotator')} answers as if without "
            f"looking; the least competent is {least.name} with {decimal(least.competence)}."
        )


def _flips(part: Part) -> Iterator[Sentence]:
    flips = part.flips
    if flips is None:
        return
    for rate, how in (
        (flips.repeated, "Votes on the same item"),
        (flips.dawid_skene, "Dawid and Skene's model of the annotators"),
    ):
        if rate is not None:
            gives = "give" if how.startswith("Votes") else "gives"
            yield Sentence(f"{how} {gives} a flip rate of {percent(rate)}.")
    if flips.at_most is not None:
        yield Sentence(
            f"The flip rate is at most {percent(flips.at_most)}: words alone predict the rest of "
            "the votes that they are surest of. How much less it is, single votes do not tell."
        )


def _again(part: Part) -> Iterator[Sentence]:
    again, swaps = part.self_disagreement, part.order_swaps
    if again is not None:
        yield Sentence(
            f"Annotators who judge the same again change their verdict in {percent(again)} of "
            f"{counted(again.n, 'case')}.",
            again.low > 0.1,
        )
    if swaps is not None:
        yield Sentence(
            f"Of {counted(swaps.consistent.n, 'pair')} judged in both orders, "
            f"{percent(swaps.consistent)} keep their verdict; the first place wins both times in "
            f"{percent(swaps.first)}, the second in {percent(swaps.second)}.",
            swaps.consistent.high < 0.9,
        )


def _cycles(part: Part) -> Iterator[Sentence]:
    cycles = part.cycles
    if cycles is None:
        return
    beside = "chance alone would make 25 %"
    more = False
    if cycles.expected is not None:
        more = cycles.rate.low > cycles.expected
        beside = f"noise explains {share(cycles.expected)}"
    yield Sentence(
        f"{counted(cycles.triples, 'cycle')} among {counted(cycles.rate.n, 'triple')} of answers, "
        f"{percent(cycles.rate)}, on {cycles.cyclic_prompts:,} of "
        f"{counted(cycles.prompts, 'prompt')}; {beside}.",
        more,
    )


def _shortcuts(part: Part) -> Iterator[Sentence]:
    if part.length is not None:
        yield _leaning("The longer answer is preferred in", part.length, percent, 0.5, 0.05)
    if part.length_correlation is not None:
        start = "The rank correlation of length and rating is"
        yield _leaning(start, part.length_correlation, decimal, 0.0, 0.2)
    if part.position is not None:
        yield _leaning("The answer shown first is preferred in", part.position, percent, 0.5, 0.05)


def _duplicates(part: Part) -> Iterator[Sentence]:
    twice = part.contradictions
    if twice is None:
        return
    if twice.near is None:
        yield Sentence("No two records judge the same or nearly the same answers.")
    else:
        found = round(twice.near.value * twice.near.n)
        yield Sentence(
            f"{found:,} of {counted(twice.near.n, 'group')} of records on the same or nearly the "
            f"same answers {'has' if found == 1 else 'have'} opposite verdicts, "
            f"{percent(twice.near)}.",
            found > 0,
        )
    if twice.alike:
        yield Sentence(
            f"{counted(twice.alike, 'pair of answers', 'pairs of answers')} hardly "
            f"{'differs' if twice.alike == 1 else 'differ'} in the text, so that the order says "
            "little."
        )


def _leaning(
    start: str, measure: Measure, shown: Callable[[Measure], str], neutral: float, much: float
) -> Sentence:
    """A measure whose distance from its neutral value is a shortcut that a model can learn."""
    if not measure.without(neutral):
        return Sentence(f"{start} {shown(measure)}: no bias to be seen.")
    size = "a clear" if abs(measure.value - neutral) >= much else "a slight"
    return Sentence(f"{start} {shown(measure)}: {size} bias that a model can learn.", warns=True)
