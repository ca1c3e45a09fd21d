"""Which judged answers an objective can learn from, and in words why not the others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from madrigal.tasks.consensus import Consensus, consensus
from madrigal.tasks.encoded import Judged
from madrigal.tasks.feedback import Feedback
from madrigal.tasks.record import Record

# What an objective asks of a record:
#   pairs        two answers that were compared; a tie is a chance of one half
#   ranking      two or more answers, each compared with each
#   ratings      an answer of which a number says how good it is
#   rated_pairs  two answers with such numbers
#   thumbs       an answer that is good or bad
#   corrections  an answer and its correction
Need = Literal["pairs", "ranking", "ratings", "rated_pairs", "thumbs", "corrections"]

# Ratings above this share of their scale are thumbs up, below it thumbs down.
THRESHOLD = 0.5

_NO_NUMBER = "say which answer is better, and not how good each one is"
_NO_CORRECTION = "hold no correction"


@dataclass(frozen=True, slots=True)
class Usable:
    """The records that can be learnt from, and a sentence for each reason why others cannot."""

    kept: tuple[Record, ...]
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())  # what is made of those that are kept


def usable(
    records: Sequence[Record],
    need: Need,
    trust: Mapping[str, float] | None = None,
    threshold: float = THRESHOLD,
) -> Usable:
    """What an objective with this need can learn from some judged records.

    Pairs are made of ratings by their difference, thumbs of ratings by `threshold`, a share of the
    scale, and of comparisons by whether an answer is better than half of the others.
    """
    kept: list[Record] = []
    without: dict[str, list[Record]] = {}
    ties = 0
    for record in records:
        found = _found(record, trust or {})
        reason = "hold no judged answers" if found is None else _reason(*found, need, threshold)
        if reason:
            without.setdefault(reason, []).append(record)
            continue
        kept.append(record)
        ties += found is not None and _all_tied(found[1])
    reasons = (_sentence(reason, some, len(records)) for reason, some in without.items())
    return Usable(tuple(kept), tuple(reasons), _notes(kept, need, ties, threshold))


def thumb(judged: Judged, threshold: float = THRESHOLD) -> float:
    """1 if an answer is good, 0 if it is bad, nan where that is not known.

    By its rating or share of thumbs up against `threshold`; else by the share of the others that
    it is better than, against one half.
    """
    return _thumb(judged.value, judged.wins, threshold)


def _thumb(value: float, wins: Sequence[float], threshold: float) -> float:
    known = [chance for chance in wins if not math.isnan(chance)]
    if not math.isnan(value):
        good = value - threshold
    elif known:
        good = sum(known) / len(known) - 0.5
    else:
        return math.nan
    return math.nan if good == 0 else float(good > 0)


def _found(record: Record, trust: Mapping[str, float]) -> tuple[Feedback, Consensus] | None:
    if record.feedback is None:
        return None
    return record.feedback, consensus(record.feedback, lambda name: trust.get(name, 1.0))


def _reason(said: Feedback, found: Consensus, need: Need, threshold: float) -> str:
    """Why the record cannot be used; empty if it can."""
    compared = _compared(found)
    rated = sum(not math.isnan(value) for value in found.values)
    if need == "corrections":
        return "" if said.kind == "correction" else _NO_CORRECTION
    if need == "ratings":
        return "" if rated else _NO_NUMBER
    if need == "thumbs":
        thumbs = (_thumb(v, w, threshold) for v, w in zip(found.values, found.wins, strict=True))
        known = any(not math.isnan(one) for one in thumbs)
        return "" if known else "call no answer good or bad: all stand in the middle"
    if len(said.answers) < 2:
        return "have one answer only, and nothing to compare it with"
    if need == "rated_pairs":
        return "" if rated > 1 else "rate one answer only" if rated else _NO_NUMBER
    if not compared:
        return "compare no two answers"
    if need == "ranking" and len(compared) < math.comb(len(said.answers), 2):
        return "do not compare every answer with every other"
    return ""


def _compared(found: Consensus) -> list[float]:
    """The chances of the pairs that were compared, each pair once."""
    chances = [chance for i, row in enumerate(found.wins) for chance in row[i + 1 :]]
    return [chance for chance in chances if not math.isnan(chance)]


def _all_tied(found: Consensus) -> bool:
    compared = _compared(found)
    return bool(compared) and all(chance == 0.5 for chance in compared)


def _sentence(reason: str, records: Sequence[Record], count: int) -> str:
    """`12 of 2,460 records (the first is a.jsonl:7) cannot be used: they rate one answer only`."""
    return (
        f"{len(records):,} of {count:,} records (the first is {records[0].where}) cannot be used: "
        f"they {reason}"
    )


def _notes(kept: Sequence[Record], need: Need, ties: int, threshold: float) -> tuple[str, ...]:
    kinds = {record.feedback.kind for record in kept if record.feedback is not None}
    notes: list[str] = []
    if need in ("pairs", "ranking") and kinds & {"rating", "thumb"}:
        notes.append("the order of answers is made of their ratings")
    if need in ("pairs", "ranking") and ties:
        notes.append(f"{ties:,} records hold ties only, which are kept as a chance of one half")
    if need == "thumbs" and "rating" in kinds:
        notes.append(f"thumbs are made of ratings: up above {threshold:g} of the scale, else down")
    if need == "thumbs" and kinds - {"rating", "thumb"}:
        notes.append("thumbs are made of comparisons: up for better than half of the others")
    return tuple(notes)
