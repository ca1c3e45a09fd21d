"""Everything that can be measured about some feedback, and why the rest cannot."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure
from madrigal.feedback.agreement import Metric, agreement, krippendorff
from madrigal.feedback.annotators import annotators, why_not
from madrigal.feedback.bag_of_words import LEAST, at_most
from madrigal.feedback.ceiling import ceiling, correlation_ceiling
from madrigal.feedback.consistency import order_swaps, self_disagreement
from madrigal.feedback.contradictions import contradictions
from madrigal.feedback.cycles import cycles
from madrigal.feedback.findings import QUESTIONS, Findings, Part, Question
from madrigal.feedback.flips import Flips, implied_flip_rate, repeated_flip_rate
from madrigal.feedback.look import Look, looks
from madrigal.feedback.shortcuts import (
    file_order,
    length_bias,
    length_correlation,
    position_bias,
)
from madrigal.tasks.feedback import ALONE
from madrigal.tasks.record import Record

# Fields of a part, or the reason why there are none.
_Answer = Mapping[str, Any] | str

_ONCE = "no item has two votes"
_NO_SIDES = "a rating has no opposite"
_ALONE = "the answers were judged one by one, not against each other"


def inspect(
    records: Sequence[Record],
    questions: Collection[Question] = QUESTIONS,
    resampling: Resampling = DRAWS,
) -> Findings:
    """What the feedback of some records says about its own quality.

    Records of one kind and votes about one aspect are looked at together. Records without feedback
    are passed over.
    """
    return Findings(tuple(_part(look, questions) for look in looks(records, resampling)))


def _part(look: Look, questions: Collection[Question]) -> Part:
    found: dict[str, Any] = {}
    missing: dict[Question, str] = {}
    for question, ask in _ASKED.items():
        if question in questions:
            answer = ask(look, found)
            if isinstance(answer, str):
                missing[question] = answer
            else:
                found |= answer
    return Part(**look.head, **found, missing=missing)


def _agreement(look: Look, _: Mapping[str, Any]) -> _Answer:
    metrics: tuple[Metric, ...] = ("nominal",)
    if look.kind == "rating":
        metrics = ("ordinal", "interval")
    elif look.head["ties"]:
        metrics = ("nominal", "ordinal")
    alphas = {metric: krippendorff(look.votes, metric, look.resampling) for metric in metrics}
    known = {metric: value for metric, value in alphas.items() if value is not None}
    same = agreement(look.votes, look.resampling)
    if same is None:
        return _ONCE
    return {"alpha": known, "agreement": same}


def _ceiling(look: Look, _: Mapping[str, Any]) -> _Answer:
    if look.sided is None:
        found = correlation_ceiling(look.votes, look.resampling)
        return {"correlation_ceiling": found} if found else _ONCE
    bounds = ceiling(look.sided, look.resampling)
    return {"ceiling": bounds} if bounds else _ONCE


def _annotators(look: Look, _: Mapping[str, Any]) -> _Answer:
    votes = look.sided or look.votes
    return why_not(votes) or {"by_annotator": annotators(votes, look.resampling)}


def _self_disagreement(look: Look, _: Mapping[str, Any]) -> _Answer:
    if not look.votes.names:
        return "no vote names its annotator"
    found = self_disagreement(look.votes, look.resampling)
    return {"self_disagreement": found} if found else "no annotator judged the same thing twice"


def _flips(look: Look, found: Mapping[str, Any]) -> _Answer:
    if look.sided is None:
        return _NO_SIDES
    own = found.get("self_disagreement")
    fitted = found.get("by_annotator")
    repeated = repeated_flip_rate(look.sided, look.resampling)
    words = None
    if repeated is None and look.pairs is not None and look.kind not in ALONE:
        words = at_most(look.pairs, look.resampling)
    flips = Flips(
        repeated,
        fitted.flip_rate if fitted else None,
        own.through(implied_flip_rate) if own else None,
        words.through(lambda a: 1 - a) if words else None,
    )
    if flips == Flips():
        return f"{_ONCE}, and it takes {LEAST} comparisons to learn what words tell"
    return {"flips": flips}


def _cycles(look: Look, _: Mapping[str, Any]) -> _Answer:
    if look.pairs is None or look.kind in ALONE:
        return _ALONE
    flips = repeated_flip_rate(look.pairs, look.resampling)
    found = cycles(look.pairs, flips.value if flips else None, look.resampling)
    if found is None:
        return "no three answers to a prompt were compared in turn, each pair by itself"
    return {"cycles": found}


def _order_swaps(look: Look, _: Mapping[str, Any]) -> _Answer:
    if look.pairs is None or look.kind in ALONE:
        return _ALONE
    if not look.pairs.shown.any():
        return "the order in which answers were shown is not known"
    found = order_swaps(look.pairs, look.resampling)
    return {"order_swaps": found} if found else "nobody judged a pair in both orders"


def _length(look: Look, _: Mapping[str, Any]) -> _Answer:
    found: dict[str, Measure | None] = {}
    if look.pairs is not None:
        found["length"] = length_bias(look.pairs, look.resampling)
    if look.kind in ALONE:
        found["length_correlation"] = length_correlation(look.votes, look.resampling)
    if not any(found.values()):
        return "all lengths or all verdicts are the same"
    return found


def _position(look: Look, _: Mapping[str, Any]) -> _Answer:
    if look.pairs is None or look.kind in ALONE:
        return _ALONE
    found = position_bias(look.pairs, look.resampling)
    if found is not None:
        return {"position": found}
    stands = file_order(look.pairs, look.resampling)
    if stands is not None and stands.value in (0.0, 1.0):
        order = "best" if stands.value else "worst"
        return f"the file has the {order} answer first, and the order shown is not known"
    return "the order in which answers were shown is not known"


def _contradictions(look: Look, _: Mapping[str, Any]) -> _Answer:
    return {"contradictions": contradictions(look.votes, look.span, look.resampling)}


# In an order in which each finds what it builds on.
_ASKED: Mapping[Question, Callable[[Look, Mapping[str, Any]], _Answer]] = {
    "agreement": _agreement,
    "ceiling": _ceiling,
    "annotators": _annotators,
    "self_disagreement": _self_disagreement,
    "flips": _flips,
    "cycles": _cycles,
    "order_swaps": _order_swaps,
    "length": _length,
    "position": _position,
    "contradictions": _contradictions,
}
