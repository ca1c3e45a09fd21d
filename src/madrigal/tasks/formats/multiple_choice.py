"""Multiple choice: a question, its choices, and which is right, by index, letter or text.

Besides `question, choices, answer` the shapes of published sets are known: ARC and CommonsenseQA
(`choices: {text, label}, answerKey`), COPA (`premise, choice1, choice2, label`), HellaSwag (`ctx,
endings, label`), PIQA (`goal, sol1, sol2, label`), WinoGrande (`sentence, option1, option2,
answer`), BBQ (`context, question, ans0, ans1, ans2, label`), MMLU tables (`question, A, B, C, D,
answer`).

The default prompt lists the choices; the answer is the text of the right one. To answer by letter
instead, write `answer: "{letter}"`.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, first_of, has, need, scalar, scalars, user
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.template import unknown_field

_CHOICES = ("choices", "options", "endings")
_ANSWERS = ("answer", "answerKey", "label", "answer_index", "correct", "gold")
_CONTEXTS = ("passage", "context", "article", "support", "story")
_QUESTIONS = ("question", "ctx", "goal", "sentence", "query", "stem", "premise")
_NUMBERED = (("choice1", "choice2"), ("sol1", "sol2"), ("option1", "option2"), ("ans0", "ans1"))
_LETTERED = ("A", "B", "C", "D", "E", "F")

# COPA says only which of two questions is meant.
_COPA = {"cause": "What was the cause?", "effect": "What happened as a result?"}


@dataclass(frozen=True, slots=True)
class _Choices:
    """What is chosen from; `names` are the marks that the data itself gives them."""

    texts: tuple[str, ...]
    names: tuple[str, ...] = ()


def letters(count: int) -> tuple[str, ...]:
    """A, B, C, ...; numbers beyond Z."""
    return tuple(string.ascii_uppercase[i] if i < 26 else str(i + 1) for i in range(count))


def lettered(choices: Sequence[str]) -> str:
    """The choices one a line, `A. first`."""
    marks = letters(len(choices))
    return "\n".join(f"{mark}. {text}" for mark, text in zip(marks, choices, strict=True))


def _matches(row: Row) -> bool:
    asked = isinstance(row.values.get("question"), dict) or first_of(row, _QUESTIONS)
    return bool(asked and _reader(row) and first_of(row, _ANSWERS))


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    if isinstance(row.values.get("question"), dict):  # the AI2 files: {stem, choices} inside
        row = Row(row.file, row.where, {**row.values, **row.values["question"], "question": None})
        row = Row(row.file, row.where, {k: v for k, v in row.values.items() if k != "question"})
    reader = _reader(row)
    if reader is None:
        raise DataError(f"{row.where}: {unknown_field('choices', row.values)}")
    choices = reader(row)
    if len(choices.texts) < 2:
        raise DataError(f"{row.where}: one choice leaves nothing to choose")
    if len(set(choices.texts)) < len(choices.texts):
        raise DataError(f"{row.where}: the same choice stands twice")
    answer = _answer(row, choices)
    listed = lettered(choices.texts)
    question = _question(row)
    prompt = f"{question}\n{listed}\nAnswer:"
    fields = {**scalars(row.values), "question": question, "choices": listed, "answer": answer}
    return [Draft(row.where, user(prompt), (answer,), choices.texts, fields=fields)]


def _question(row: Row) -> str:
    name = first_of(row, _QUESTIONS)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('question', row.values)}")
    if has(row, "premise") and row.values.get("question") in _COPA:
        return f"{need(row, 'premise')}\n{_COPA[str(row.values['question'])]}"
    context = first_of(row, _CONTEXTS)
    before = f"{need(row, context)}\n" if context is not None and row.values[context] else ""
    return before + need(row, name)


def _reader(row: Row) -> Callable[[Row], _Choices] | None:
    if first_of(row, _CHOICES) or isinstance(row.values.get("question"), dict):
        return _listed
    if any(has(row, *pair) for pair in _NUMBERED):
        return _numbered
    return _columns if has(row, "A", "B") else None


def _listed(row: Row) -> _Choices:
    name = first_of(row, _CHOICES)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('choices', row.values)}")
    value = row.values[name]
    marks: Sequence[Any] = ()
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value, marks = value["text"], value.get("label", ())
    elif isinstance(value, dict):
        value, marks = list(value.values()), list(value)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value, marks = ([i.get("text") for i in value], [i.get("label") for i in value])
    if not isinstance(value, list):
        raise DataError(f"{row.where}: field '{name}' must be a list of choices")
    return _Choices(_texts(value, row, name), tuple(scalar(mark) or "" for mark in marks))


def _numbered(row: Row) -> _Choices:
    stem = next(pair[0][:-1] for pair in _NUMBERED if has(row, *pair))
    names = [f"{stem}{i}" for i in range(10) if f"{stem}{i}" in row.values]
    # WinoGrande counts its options from 1, the others theirs from 0.
    marks = tuple(name[-1] for name in names) if stem == "option" else ()
    return _Choices(_texts([row.values[name] for name in names], row, stem), marks)


def _columns(row: Row) -> _Choices:
    names = [name for name in _LETTERED if row.values.get(name) not in (None, "")]
    return _Choices(_texts([row.values[name] for name in names], row, "A"), tuple(names))


def _texts(items: Sequence[Any], row: Row, name: str) -> tuple[str, ...]:
    found = tuple(scalar(item) or "" for item in items)
    if not all(text.strip() for text in found):
        raise DataError(f"{row.where}: field '{name}' holds an empty choice")
    return found


def _answer(row: Row, choices: _Choices) -> str:
    """The right choice's text, from its mark, its text, its letter or its index from 0."""
    name = first_of(row, _ANSWERS)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('answer', row.values)}")
    value = row.values[name]
    said = need(row, name).strip()
    texts = [text.strip() for text in choices.texts]
    keys: list[Sequence[str]] = [choices.names, texts, letters(len(texts)), _indices(texts)]
    if isinstance(value, int):  # a bare number is an index before it is a text
        keys = [_indices(texts), choices.names, texts]
    for key in keys:
        if said in key:
            return choices.texts[list(key).index(said)]
    raise DataError(
        f"{row.where}: the answer '{said}' is none of the choices {quoted(texts, 4)}, "
        f"no letter A to {letters(len(texts))[-1]} and no index 0 to {len(texts) - 1}"
    )


def _indices(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(index) for index in range(len(texts)))


MULTIPLE_CHOICE = Format(
    "multiple_choice",
    "question, choices, answer (index, letter or text)",
    _matches,
    _drafts,
    passages=_CONTEXTS,
)
