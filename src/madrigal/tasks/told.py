"""Judged answers in words and numbers, for people."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from madrigal.tasks.encoded import Judged
from madrigal.tasks.record import Record


def told(judged: Judged) -> str:
    """What was said of one answer: `answer 1 of 2, better than answer 2 for 67 %; margin 2`."""
    parts = [f"answer {judged.place + 1} of {len(judged.wins)}"]
    compared = [
        f"answer {other + 1} for {share:.0%}"
        for other, share in enumerate(judged.wins)
        if not math.isnan(share)
    ]
    if compared:
        parts.append(f"better than {', '.join(compared)}")
    if not math.isnan(judged.value):
        parts.append(f"rated {judged.value:.2f} of 1")
    said = ", ".join(parts)
    return f"{said}; margin {judged.margin:g}" if judged.margin else said


def feedback_facts(records: Sequence[Record]) -> dict[str, Any]:
    """How much was judged, by how many people, of the records that have judged answers."""
    said = [record.feedback for record in records if record.feedback is not None]
    judgements = [judgement for one in said for judgement in one.judgements]
    people = {judgement.annotator for judgement in judgements if judgement.annotator}
    scales = sorted({one.scale for one in said if one.scale is not None})
    return {
        "kinds": dict(Counter(one.kind for one in said)),
        "answers": {
            str(count): records
            for count, records in sorted(Counter(len(one.answers) for one in said).items())
        },
        "judgements": sum(judgement.people for judgement in judgements),
        "annotators": len(people),
        "ties": sum(_is_tie(judgement.values) for judgement in judgements),
        "aspects": sorted({judgement.aspect for judgement in judgements if judgement.aspect}),
        "scale": list(scales[0]) if scales else None,
    }


def _is_tie(values: Sequence[float | None]) -> bool:
    """Whether all answers that were compared are alike."""
    there = [value for value in values if value is not None]
    return len(there) > 1 and len(set(there)) == 1
