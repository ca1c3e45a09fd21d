"""Judged rows that belong together as one record."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from madrigal.tasks.feedback import ALONE, Feedback, Judgement
from madrigal.tasks.record import Record

# An example is one batch row an answer, so a prompt with more answers becomes several records.
MOST_ANSWERS = 16


def joined(records: Sequence[Record]) -> list[Record]:
    """Records in the order of their first row, each with all that was said of its answers.

    Ratings and thumbs: all answers to one prompt, at most `MOST_ANSWERS` a record. Verdicts, and
    pairs whose annotators are known: all judgements of the same two answers to one prompt, in
    whichever order they stand. Everything else is a record by itself, as is each text that was
    judged without a prompt.
    """
    groups: list[list[Record]] = []
    growing: dict[object, tuple[list[Record], set[str]]] = {}  # with the answers that it has
    for number, record in enumerate(records):
        key = _group(record, number)
        answers = set() if record.feedback is None else set(record.feedback.answers)
        members, known = growing.get(key, ([], set()))
        if not members or len(known | answers) > MOST_ANSWERS:
            members, known = [], set()
            groups.append(members)
        members.append(record)
        growing[key] = members, known | answers
    return [_one(members) for members in groups]


def _group(record: Record, number: int) -> object:
    """Equal for records that become one."""
    said = record.feedback
    if said is None:
        return number
    if said.kind in ALONE:
        return said.kind, said.scale, record.turns, () if record.turns else said.answers
    named = all(judgement.annotator for judgement in said.judgements)
    if said.kind == "verdict" or (said.kind == "pair" and named):
        return said.kind, said.margin, record.turns, frozenset(said.answers)
    return number


def _answers(records: Sequence[Record]) -> tuple[str, ...]:
    """Each answer once, in the order of first appearance."""
    said = (record.feedback for record in records)
    return tuple(dict.fromkeys(text for one in said if one is not None for text in one.answers))


def _one(members: Sequence[Record]) -> Record:
    first = members[0]
    if first.feedback is None:
        return first
    answers = _answers(members)
    if len(members) == 1 and answers == first.feedback.answers:
        return first
    place = {text: number for number, text in enumerate(answers)}
    judgements = [
        spread
        for record in members
        if record.feedback is not None
        for judgement in record.feedback.judgements
        for spread in _spread(judgement, record.feedback, place)
    ]
    feedback = replace(first.feedback, answers=answers, judgements=tuple(_by_person(judgements)))
    return replace(first, feedback=feedback, fields=_shared(members))


def _spread(judgement: Judgement, said: Feedback, place: Mapping[str, int]) -> list[Judgement]:
    """A judgement with a value for each answer of the joined record.

    It becomes several where one text stands several times among the answers.
    """
    at = [place[text] for text in said.answers]
    rounds: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for number, value in zip(at, judgement.values, strict=True):
        turn = 0
        while number in rounds[turn]:
            turn += 1
        if value is not None:
            rounds[turn][number] = value
    shown = tuple(dict.fromkeys(at[number] for number in judgement.shown))
    return [
        replace(judgement, values=tuple(values.get(n) for n in range(len(place))), shown=shown)
        for values in rounds.values()
        if values
    ]


def _by_person(judgements: Sequence[Judgement]) -> list[Judgement]:
    """What one person said of several answers in several rows, as one judgement."""
    found: list[Judgement] = []
    open_: dict[tuple[str, str], int] = {}
    for judgement in judgements:
        who = (judgement.annotator, judgement.aspect)
        at = open_.get(who)
        known = judgement.annotator and judgement.people == 1 and not judgement.shown
        if known and at is not None and not _overlap(found[at], judgement):
            values = zip(found[at].values, judgement.values, strict=True)
            both = tuple(one if other is None else other for one, other in values)
            found[at] = replace(found[at], values=both)
            continue
        if known:
            open_[who] = len(found)
        found.append(judgement)
    return found


def _overlap(one: Judgement, other: Judgement) -> bool:
    values = zip(one.values, other.values, strict=True)
    return any(a is not None and b is not None for a, b in values)


def _shared(members: Sequence[Record]) -> Mapping[str, str]:
    """The fields that all of them have with the same value."""
    first, *others = (record.fields for record in members)
    same = {k: v for k, v in first.items() if all(fields.get(k) == v for fields in others)}
    return MappingProxyType(same)
