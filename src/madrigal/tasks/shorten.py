"""What may go where a prompt does not fit the context, the most dispensable first."""

from collections.abc import Iterator
from dataclasses import replace

from madrigal.tasks.record import Record, Turn
from madrigal.tasks.rendering import Piece, Rendered


def shorter(record: Record) -> Iterator[tuple[Turn, ...]]:
    """The record's turns with less and less in them: each step leaves out one whole part more.

    First the parts of the prompt that the record calls droppable, then the oldest turns up to an
    answer of the model. The system message and what is asked last always stay.
    """
    turns = record.turns
    for part in record.droppable:
        fewer = tuple(replace(turn, text=_without(turn.text, part)) for turn in turns)
        if fewer != turns:
            turns = fewer
            yield turns
    start = 1 if turns and turns[0].role == "system" else 0
    answered = [i for i, turn in enumerate(turns[:-1]) if turn.role == "assistant"]
    for place in answered:
        yield (*turns[:start], *turns[place + 1 :])


def _without(text: str, part: str) -> str:
    """The text without the first occurrence of a part and one of the empty lines beside it."""
    for piece in (f"{part}\n\n", f"\n\n{part}", part):
        if piece in text:
            return text.replace(piece, "", 1)
    return text


def split_body(
    rendered: Rendered, body: str
) -> tuple[tuple[Piece, ...], tuple[Piece, ...], tuple[Piece, ...]]:
    """The pieces before the text that may be cut, this text, and the pieces behind it.

    The text is `body` where it stands in the last thing asked, else all of the last thing asked.
    """
    number, start, end = rendered.asked
    piece = rendered.pieces[number]
    at = piece.text.rfind(body, start, end) if body else -1
    if at >= 0:
        start, end = at, at + len(body)
    # Tokens hold the space before a word, so it goes with the word.
    start = len(piece.text[:start].rstrip(" "))
    before, inner, after = (
        (Piece(text, special=piece.special),) if text else ()
        for text in (piece.text[:start], piece.text[start:end], piece.text[end:])
    )
    return (*rendered.pieces[:number], *before), inner, (*after, *rendered.pieces[number + 1 :])
