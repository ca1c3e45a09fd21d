"""From what a format understood to a record: the user's templates, system message and labels."""

from collections.abc import Mapping
from types import MappingProxyType

from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.formats.base import Draft
from madrigal.tasks.formats.multiple_choice import letters
from madrigal.tasks.labels import Labels
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.template import UnknownFieldError, fill


def prepare(draft: Draft, settings: TaskSettings, labels: Labels | None) -> Record:
    """One record. DataError with where for an unknown field, a blank prompt, a foreign label."""
    fields = MappingProxyType(dict(draft.fields))
    if draft.text:
        return Record(draft.where, text=draft.text, fields=fields)
    if draft.feedback is not None:
        return _judged(draft, settings, fields)
    known = {**fields, "labels": ", ".join(labels.choices)} if labels else fields
    try:
        turns = _turns(draft, settings, known)
        answers, choices = _answers(draft, settings, labels, known)
    except UnknownFieldError as error:
        raise DataError(f"{draft.where}: {error.args[0]}") from error
    if not any(turn.text.strip() for turn in turns if turn.role != "system"):
        raise DataError(f"{draft.where}: the prompt is empty")
    if not all(answer.strip() for answer in answers):
        raise DataError(f"{draft.where}: the answer is empty")
    return Record(
        draft.where,
        turns,
        answers,
        choices,
        droppable=draft.droppable,
        cuttable=draft.cuttable,
        fields=fields,
    )


def _judged(draft: Draft, settings: TaskSettings, fields: Mapping[str, str]) -> Record:
    """A record of judged answers; only texts that were judged without a prompt may have none."""
    try:
        turns = _turns(draft, settings, fields)
    except UnknownFieldError as error:
        raise DataError(f"{draft.where}: {error.args[0]}") from error
    asked = any(turn.text.strip() for turn in turns if turn.role != "system")
    if turns and not asked:
        raise DataError(f"{draft.where}: the prompt is empty")
    return Record(draft.where, turns, feedback=draft.feedback, fields=fields)


def _turns(draft: Draft, settings: TaskSettings, fields: Mapping[str, str]) -> tuple[Turn, ...]:
    turns = draft.turns
    if settings.prompt is not None:
        # The template stands for the last thing said before the answer; what came before stays.
        turns = (*turns[:-1], Turn("user", fill(settings.prompt, fields)))
    elif draft.problem:
        raise DataError(draft.problem)
    if settings.system is not None:
        spoken = tuple(turn for turn in turns if turn.role != "system")
        turns = (Turn("system", fill(settings.system, fields)), *spoken)
    return turns


def _answers(
    draft: Draft, settings: TaskSettings, labels: Labels | None, fields: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    answers, choices = draft.answers, draft.choices
    if labels is not None:
        answers = tuple(labels.word(raw, draft.where) for raw in answers)
        choices = labels.choices
    if settings.answer is not None and not draft.templated:
        marks = dict(zip(choices, letters(len(choices)), strict=True))
        answers, choices = (
            tuple(
                fill(
                    settings.answer,
                    {**fields, "answer": word, "label": word, "letter": marks.get(word, "")},
                )
                for word in words
            )
            for words in (answers, choices)
        )
        choices = tuple(dict.fromkeys(choices))
    answers = tuple(dict.fromkeys(answers))
    if choices and len(choices) < 2:
        raise DataError(f"{draft.where}: one choice leaves nothing to choose")
    return answers, choices
