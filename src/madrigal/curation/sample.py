"""One example as the checks see it: its own words apart from those of its task's template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from madrigal.curation.balance import COPY_OF
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.formats.base import Draft
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.template import UnknownFieldError, field_names, fill

# What formats add to the fields of a row, and what no prompt is about.
_NOT_CONTENT = {"definition", "cautions", "examples", "label"}
_NOT_GIVEN = {*_NOT_CONTENT, "license", "licence", "id", COPY_OF}
_SHORTEST = 3  # a field of fewer characters may stand in a prompt by chance


@dataclass(frozen=True, slots=True)
class Sample:
    """One example of a row. Raw text stands in `text`, and nothing else is filled.

    `prompt` is what the model will read, `content` the part of it that the row brought: what the
    task's template adds stands in every prompt and says nothing about this one.
    """

    where: str
    prompt: str = ""
    content: str = ""
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    text: str = ""
    labelled: bool = False  # the answer is one of a set that all rows share
    judged: bool = False  # the answers were judged, and not all of them are good
    languages: tuple[str, str] = ("", "")  # declared for prompt and answer, as the data name them
    licence: str | None = None  # as the row or its file says; None: nothing says it
    copied: bool = False  # a copy of another, made on purpose and marked
    # Fields of the row that neither prompt nor answer shows.
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> str:
        """The row's own words before the answer, or the raw text."""
        return self.text or self.content or " ".join(self.answers)

    @property
    def free(self) -> bool:
        """Whether the answer is written and not chosen."""
        return bool(self.answers) and not self.labelled and not self.choices


@dataclass(frozen=True, slots=True)
class Told:
    """What the header of a file says about all its rows."""

    languages: tuple[str, str] = ("", "")
    licence: str | None = None
    fields: frozenset[str] = field(default_factory=frozenset)


def sample_of(draft: Draft, settings: TaskSettings, told: Told) -> Sample:
    """A draft with the task's templates filled. UnknownFieldError where one names no field."""
    licence = told.licence or _licence(draft.fields)
    copied = bool(draft.fields.get(COPY_OF))
    if draft.text:
        given = given_of(draft.fields, draft.text, ())
        return Sample(
            draft.where,
            text=draft.text,
            languages=told.languages,
            licence=licence,
            copied=copied,
            given=given,
        )
    turns = _turns(draft, settings)
    answers = draft.answers if draft.feedback is None else draft.feedback.answers
    content = content_of(draft.fields, turns, settings)
    return Sample(
        draft.where,
        prompt="\n".join(turn.text for turn in turns),
        content=content,
        answers=answers,
        choices=draft.choices,
        labelled=draft.labelled or settings.labels is not None,
        judged=draft.feedback is not None,
        languages=told.languages,
        licence=licence,
        copied=copied,
        given=given_of(draft.fields, content, answers),
    )


def sample_of_record(record: Record, settings: TaskSettings, labelled: bool) -> Sample:
    """A record that is loaded, its templates filled; `labelled` as in `Sample`."""
    licence = _licence(record.fields)
    copied = bool(record.fields.get(COPY_OF))
    if record.text:
        given = given_of(record.fields, record.text, ())
        return Sample(record.where, text=record.text, licence=licence, copied=copied, given=given)
    content = content_of(record.fields, record.turns, settings)
    return Sample(
        record.where,
        prompt=record.prompt,
        content=content,
        answers=record.said,
        choices=() if labelled else record.choices,
        labelled=labelled,
        judged=record.feedback is not None,
        licence=licence,
        copied=copied,
        given=given_of(record.fields, content, record.said),
    )


def record_of(sample: Sample) -> Record:
    """As much of a record as its fingerprint needs."""
    return Record(
        sample.where,
        turns=() if sample.text else (Turn("user", sample.prompt),),
        answers=sample.answers,
        text=sample.text,
    )


def _turns(draft: Draft, settings: TaskSettings) -> Sequence[Turn]:
    turns: Sequence[Turn] = draft.turns
    if settings.prompt is None:
        return turns
    names = ", ".join(_labels(settings))
    return (*turns[:-1], Turn("user", fill(settings.prompt, {"labels": names, **draft.fields})))


def _labels(settings: TaskSettings) -> Sequence[str]:
    labels = settings.labels
    return tuple(labels.values()) if isinstance(labels, dict) else tuple(labels or ())


def content_of(fields: Mapping[str, str], turns: Sequence[Turn], settings: TaskSettings) -> str:
    """The values of the fields that the prompt shows, in its order; without any, all of it."""
    asked = "\n".join(turn.text for turn in turns if turn.role != "system")
    named = field_names(settings.prompt) if settings.prompt is not None else tuple(fields)
    values = {fields[n].strip() for n in named if n in fields and n not in _NOT_CONTENT}
    found: list[tuple[int, int]] = []
    for value in sorted(values, key=lambda text: (-len(text), text)):
        start = asked.find(value) if len(value) >= _SHORTEST else -1
        end = start + len(value)
        if start >= 0 and not any(a < end and start < b for a, b in found):
            found.append((start, end))
    return "\n".join(asked[a:b] for a, b in sorted(found)) if found else asked


def given_of(fields: Mapping[str, str], content: str, answers: Sequence[str]) -> dict[str, str]:
    """The fields that the row brought beside its prompt and answer."""
    shown = {*content.split("\n"), content, *answers}
    return {
        name: value
        for name, said in fields.items()
        if name not in _NOT_GIVEN and (value := said.strip()) and value not in shown
    }


def _licence(fields: Mapping[str, str]) -> str | None:
    return next((fields[n] for n in ("license", "licence") if n in fields), None)


__all__ = [
    "Sample",
    "Told",
    "UnknownFieldError",
    "content_of",
    "record_of",
    "sample_of",
    "sample_of_record",
]
