"""Feedback of one kind about one aspect, laid out for every question about its quality."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.feedback.votes import Votes, comparisons, prompt_of, ratings
from madrigal.tasks.feedback import ALONE, FeedbackKind
from madrigal.tasks.record import Record


@dataclass(frozen=True, slots=True)
class Look:
    """`votes` are ratings of single answers, or comparisons. `sided` are those among which -1 and
    1 are opposites: comparisons, or thumbs. `pairs` are comparisons, also those that ratings of
    several answers to one prompt make; `span` is the width of the scale of ratings."""

    kind: FeedbackKind
    head: Mapping[str, Any]
    votes: Votes
    sided: Votes | None
    pairs: Votes | None
    span: float
    resampling: Resampling

    @staticmethod
    def at(
        records: Sequence[Record], kind: FeedbackKind, aspect: str, resampling: Resampling
    ) -> "Look":
        """The records must all have feedback of this kind."""
        compared = comparisons(records, aspect)
        pairs = compared if len(compared.item) else None
        votes = ratings(records, aspect) if kind in ALONE else compared
        sided = None if kind == "rating" else votes
        if kind == "thumb":
            sided = replace(votes, value=2 * votes.value - 1)
        head = {
            "kind": kind,
            "aspect": aspect,
            "records": len(records),
            "prompts": len({prompt_of(record) for record in records} - {""}),
            "items": len(votes.prompt),
            "votes": len(votes.item),
            "annotators": len(votes.names),
            "ties": 0.0 if kind in ALONE or not pairs else float(np.mean(votes.value == 0)),
        }
        return Look(kind, head, votes, sided, pairs, _span(records, votes), resampling)


def looks(records: Sequence[Record], resampling: Resampling) -> Iterator[Look]:
    """Records of each kind, and votes about each aspect, in the order in which they appear."""
    parts: dict[tuple[FeedbackKind, str], list[Record]] = {}
    for record in records:
        if record.feedback is not None:
            for aspect in dict.fromkeys(said.aspect for said in record.feedback.judgements):
                parts.setdefault((record.feedback.kind, aspect), []).append(record)
    for (kind, aspect), some in parts.items():
        yield Look.at(some, kind, aspect, resampling)


def _span(records: Sequence[Record], votes: Votes) -> float:
    scales = [record.feedback.scale for record in records if record.feedback is not None]
    known = [scale[1] - scale[0] for scale in scales if scale is not None]
    return max(known, default=float(np.ptp(votes.value)) if len(votes.value) else 0.0)
