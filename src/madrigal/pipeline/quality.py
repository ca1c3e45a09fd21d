"""How far the judged answers of a task can be trusted, for its data card."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from madrigal.feedback.findings import QUESTIONS
from madrigal.feedback.inspect import inspect
from madrigal.feedback.sentences import missing, told
from madrigal.tasks.record import Record

# With more records, similar texts are looked for by the command alone: a run should start soon.
_MANY = 10_000


def quality(records: Sequence[Record]) -> dict[str, Any]:
    """The findings as JSON, with what they say in words and what could not be measured."""
    many = len(records) > _MANY
    findings = inspect(records, [q for q in QUESTIONS if not many or q != "contradictions"])
    gaps = missing(findings)
    if many:
        gaps.append("Not measured: contradictions; `madrigal feedback inspect` looks for them.")
    said = [asdict(sentence) for sentence in told(findings)]
    return findings.as_json() | {"said": said, "gaps": gaps}
