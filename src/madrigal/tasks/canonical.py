"""A record as one row that reads back as the same record."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.transcript import is_transcript
from madrigal.tasks.record import Record, Turn

_RESERVED = {"prompt", "completion", "answers", "choices", "system", "history"}

# Fields that would be taken for a part of a judged row.
_JUDGED = _RESERVED | {
    "conversation", "messages", "feedback", "judgements", "chosen", "rejected", "label", "thumb",
    "thumbs", "thumbs_up", "liked", "original", "corrected", "correction", "comment", "margin",
    "scale", "annotator", "annotator_id", "rater", "worker", "worker_id", "judge",
}  # fmt: skip


def canonical(record: Record, plain: bool = False) -> dict[str, Any]:
    """One record as `text`, as `prompt` and `completion` with `answers` and `choices`, or as
    `prompt`, `answers` and `judgements`.

    Reading it back gives a record of the same content (`Record.key`). The scalar fields of the
    source row stay beside it, where their names are free. With `plain`, judged answers that
    `is_plain` take the shape that other trainers read.
    """
    if record.text:
        return {"text": record.text}
    prompt: dict[str, Any] = {"prompt": _prompt(record)} if record.turns else {}
    if record.feedback is not None:
        said = _plain(record.feedback) if plain else _judged(record.feedback)
        # Texts that stand in the row already, under their own names, are not said twice.
        told = {*record.feedback.answers, *(turn.text for turn in record.turns)}
        others = {k: v for k, v in record.fields.items() if k not in _JUDGED and v not in told}
        return prompt | said | {k: v for k, v in others.items() if k not in said}
    row = prompt | {"completion": record.answers[0]}
    if len(record.answers) > 1:
        row["answers"] = list(record.answers)
    if record.choices:
        row["choices"] = list(record.choices)
    others = {name: value for name, value in record.fields.items() if name not in _RESERVED}
    return row | others


def _prompt(record: Record) -> Any:
    turns = record.turns
    # A judged prompt that reads like a dialogue would be taken apart as one.
    dialogue = record.feedback is not None and is_transcript(turns[0].text)
    if len(turns) == 1 and turns[0].role == "user" and not dialogue:
        return turns[0].text
    # Before judged answers nothing is trained, which need not be said of each.
    return [_message(turn, weighted=record.feedback is None) for turn in turns]


def _message(turn: Turn, weighted: bool) -> dict[str, Any]:
    message = {"role": turn.role, "content": turn.text}
    return message if turn.trained or not weighted else message | {"weight": 0}


def is_plain(records: Sequence[Record]) -> bool:
    """Whether all judged answers fit the shape that other trainers read, and nothing is lost.

    That is `chosen` and `rejected`; a `completion` with a `label`; `original` and `corrected`.
    """
    said = [record.feedback for record in records]
    known = [one for one in said if one is not None and _is_plain(one)]
    kinds = {one.kind for one in known}
    asked = all(record.turns for record in records) or kinds == {"correction"}
    return len(known) == len(said) and len(kinds) == 1 and asked


def _is_plain(said: Feedback) -> bool:
    if len(said.judgements) != 1 or said.scale is not None or any(map(is_transcript, said.answers)):
        return False
    (judgement,) = said.judgements
    if judgement != Judgement(judgement.values, judgement.annotator):
        return False
    values = judgement.values
    return {
        "pair": values == (1.0, 0.0) and not said.comment,
        "thumb": len(values) == 1 and values[0] in (0.0, 1.0) and said.margin is None,
        "correction": values == (0.0, 1.0) and said.margin is None,
    }.get(said.kind, False)


def _plain(said: Feedback) -> dict[str, Any]:
    judgement = said.judgements[0]
    if said.kind == "pair":
        row: dict[str, Any] = {"chosen": said.answers[0], "rejected": said.answers[1]}
    elif said.kind == "thumb":
        row = {"completion": said.answers[0], "label": judgement.values[0] == 1.0}
    else:
        row = {"original": said.answers[0], "corrected": said.answers[1]}
    named = {"margin": said.margin, "comment": said.comment, "annotator": judgement.annotator}
    return row | {name: value for name, value in named.items() if value not in (None, "")}


def _judged(said: Feedback) -> dict[str, Any]:
    row = {"feedback": said.kind, "answers": list(said.answers)}
    judgements = [_changed(judgement) for judgement in said.judgements]
    more = {k: v for k, v in _changed(said).items() if k not in ("kind", "answers", "judgements")}
    return row | {"judgements": judgements} | more


def _changed(one: Feedback | Judgement) -> Mapping[str, Any]:
    """What differs from the defaults, tuples as lists."""
    found = {f.name: getattr(one, f.name) for f in fields(one)}
    defaults = {f.name: f.default for f in fields(one) if f.default is not MISSING}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in found.items()
        if name not in defaults or value != defaults[name]
    }
