"""Pairs: two answers to one prompt, of which people took one.

Known shapes: `chosen` and `rejected` as whole dialogues with `Human:` and `Assistant:` turns (HH),
as texts beside a `prompt`, or as lists of messages with the prompt inside or beside them; and two
answers (`response_1` and `response_2`, `answer_a` and `answer_b`, ...) with which is better in
`label`, `winner` or `preference` (1, 2, a, b; 0 or tie where they are alike) or, of several people,
in `votes` (a list, or a mapping from annotator to vote). `margin` and `annotator` may stand beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from madrigal.errors import DataError
from madrigal.recipe.task import FeedbackSettings, InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked, prompted, untrained
from madrigal.tasks.formats.base import Draft, Format, first_of, has
from madrigal.tasks.formats.judged import annotator_of, answer_of, draft, margin_of
from madrigal.tasks.formats.transcript import is_transcript, repeats, transcript
from madrigal.tasks.formats.turns import turns_of
from madrigal.tasks.formats.two_answers import Two, shown, two_of, values
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_SIDES = ("chosen", "rejected")
_VERDICTS = ("label", "winner", "preference", "preferred")
REPEATED = "dialogues have two turns of one speaker in a row, which are read as one"

_SHOWN = 40  # characters of a turn in a message


def pairs(settings: FeedbackSettings) -> Format:
    """The format with these settings."""
    shape = "chosen, rejected; or response_1, response_2 + label, winner or votes"
    return Format("pairs", shape, _matches, partial(_drafts, settings))


def _matches(row: Row) -> bool:
    if "completion" in row.values:
        return False
    judged = first_of(row, ("votes", *_VERDICTS)) is not None
    return has(row, *_SIDES) or (judged and two_of(row) is not None)


def _drafts(settings: FeedbackSettings, row: Row, _: InstructionSettings) -> list[Draft]:
    two = two_of(row)
    if two is None or has(row, *_SIDES):
        return [_chosen(row)]
    turns, problem = asked(row)
    feedback = Feedback(
        "pair",
        tuple(answer_of(row, name) for name in two.names),
        tuple(_judgements(row, two, settings)),
        margin=margin_of(row),
    )
    return [draft(row, turns, feedback, two.names, problem)]


def _judgements(row: Row, two: Two, settings: FeedbackSettings) -> list[Judgement]:
    order = shown(row, two)
    if row.values.get("votes") is None:
        name = first_of(row, _VERDICTS)
        if name is None:
            raise DataError(f"{row.where}: {unknown_field('label', row.values)}")
        better = values(row.values[name], two, row.where, name)
        return [Judgement(better, annotator_of(row), shown=order)]
    votes = row.values["votes"]
    if isinstance(votes, list):
        named = {str(i): vote for i, vote in enumerate(votes, 1)}
    elif isinstance(votes, Mapping):
        named = {str(person): vote for person, vote in votes.items()}
    else:
        raise DataError(f"{row.where}: field 'votes' must be a list, or name each person's vote")
    if not named:
        raise DataError(f"{row.where}: field 'votes' holds no vote{CURE}")
    known = settings.in_order or not isinstance(votes, list)
    return [
        Judgement(values(vote, two, row.where, "votes"), person if known else "", shown=order)
        for person, vote in named.items()
    ]


def _chosen(row: Row) -> Draft:
    missing = next((name for name in _SIDES if name not in row.values), None)
    if missing is not None:
        raise DataError(f"{row.where}: {unknown_field(missing, row.values)}")
    dialogues = [_dialogue(row, name) for name in _SIDES]
    chosen, rejected = dialogues
    if chosen is not None and rejected is not None:
        turns, problem = _shared(row, chosen, rejected), ""
        answers = (chosen[-1].text, rejected[-1].text)
    else:
        turns, problem = asked(row)
        answers = (answer_of(row, "chosen"), answer_of(row, "rejected"))
    judgement = Judgement((1.0, 0.0), annotator_of(row))
    feedback = Feedback("pair", answers, (judgement,), margin=margin_of(row))
    made = draft(row, turns, feedback, _SIDES, problem)
    texts = [text for name in _SIDES if isinstance(text := row.values[name], str)]
    return replace(made, note=REPEATED) if any(map(repeats, texts)) else made


def _dialogue(row: Row, name: str) -> list[Turn] | None:
    """A side that brings its prompt along; None for an answer alone."""
    value = row.values[name]
    if isinstance(value, list):
        turns = turns_of(value, f"{row.where}: '{name}'")
        if len(turns) == 1 and turns[0].role == "assistant":
            return None
    elif isinstance(value, str) and is_transcript(value):
        turns = transcript(value, row.where, name)
    else:
        return None
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise DataError(f"{row.where}: '{name}' does not end with an answer to judge{CURE}")
    return turns


def _shared(row: Row, chosen: Sequence[Turn], rejected: Sequence[Turn]) -> tuple[Turn, ...]:
    """The prompt of both dialogues, which may differ in the last answer only."""
    one, other = (_said(turns[:-1]) for turns in (chosen, rejected))
    if one != other:
        at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
        how = (
            f"one has {len(chosen)} turns and the other {len(rejected)}"
            if at is None
            else f"turn {at + 1} is {_short(one[at][1])} in one and {_short(other[at][1])} in the "
            "other"
        )
        raise DataError(
            f"{row.where}: 'chosen' and 'rejected' answer different prompts: {how}; only the last "
            f"turn may differ{CURE}"
        )
    turns = untrained(chosen[:-1], row.where)
    _check_beside(row, turns)
    return turns


def _check_beside(row: Row, turns: tuple[Turn, ...]) -> None:
    """A prompt that stands beside the dialogues must be theirs."""
    if not prompted(row) or "prompt" not in row.values:
        return
    beside = asked(row)[0]
    theirs = [turn.text.strip() for turn in turns]
    if beside != turns and not (len(beside) == 1 and beside[0].text.strip() in theirs):
        raise DataError(
            f"{row.where}: field 'prompt' is not the prompt of 'chosen' and 'rejected'; leave it "
            "out, or give the answers alone in both"
        )


def _said(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in turns]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}...'"


PAIRS = pairs(FeedbackSettings())
