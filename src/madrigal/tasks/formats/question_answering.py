"""Question answering: a question, maybe a passage, and one or several accepted answers.

Known shapes: `{question, context, answers: {text: [...]}}` and the nested files of SQuAD,
`{question, answers: [...]}`, `{question, answer}` (GSM8K), TriviaQA's `answer: {value, aliases}`.
A question that SQuAD 2 marks as without answer is answered by the word `unanswerable`.
"""

from collections.abc import Iterator
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, first_of, has, need, scalars, texts, user
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

NO_ANSWER = "unanswerable"
NO_ANSWER_NOTE = f"questions have no answer; the answer '{NO_ANSWER}' is trained for them"

_CONTEXTS = ("context", "passage", "story", "document")
_ANSWERS = ("answers", "answer")


def _matches(row: Row) -> bool:
    answered = has(row, "question") and first_of(row, _ANSWERS) is not None
    return answered or isinstance(row.values.get("paragraphs"), list)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    if "paragraphs" in row.values:
        return [_draft(one) for one in _flattened(row)]
    return [_draft(row)]


def _draft(row: Row) -> Draft:
    question = need(row, "question")
    answers = _answers(row)
    context = first_of(row, _CONTEXTS)
    lines = [f"Question: {question}", "Answer:"]
    if context is not None and row.values[context]:
        lines.insert(0, f"Context: {need(row, context)}")
    return Draft(
        row.where,
        user("\n".join(lines)),
        answers or (NO_ANSWER,),
        note="" if answers else NO_ANSWER_NOTE,
        fields=scalars(row.values),
    )


def _answers(row: Row) -> tuple[str, ...]:
    name = first_of(row, _ANSWERS)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('answers', row.values)}")
    value = row.values[name]
    if row.values.get("is_impossible") is True:
        return ()
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = [item.get("text") for item in value]
    elif isinstance(value, dict) and "text" in value:
        if value["text"] == []:
            return ()
        value = value["text"]
    elif isinstance(value, dict) and "value" in value:
        value = [value["value"], *value.get("aliases", [])]
    elif isinstance(value, dict):
        raise DataError(f"{row.where}: field '{name}' is an object without 'text' or 'value'")
    found = texts(Row(row.file, row.where, {name: value}), name)
    return tuple(dict.fromkeys(text.strip() for text in found))


def _flattened(row: Row) -> Iterator[Row]:
    """One row a question of SQuAD's files: articles hold paragraphs, these hold `qas`."""
    title = {"title": row.values["title"]} if "title" in row.values else {}
    for number, paragraph in enumerate(_objects(row.values["paragraphs"], row.where), 1):
        where = f"{row.where} paragraph {number}"
        for question in _objects(paragraph.get("qas"), where):
            values = {**title, "context": paragraph.get("context"), **question}
            yield Row(row.file, f"{where} question {question.get('id', '')}".strip(), values)


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{where}: 'paragraphs' and their 'qas' must be lists of objects")
    return value


QUESTION_ANSWERING = Format(
    "question_answering",
    "question, answer or answers, maybe context",
    _matches,
    _drafts,
    passages=_CONTEXTS,
)
