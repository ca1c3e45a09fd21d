"""Who trains and who is held out, decided by content.

A record's side follows from a hash of its prompt (or raw text) and a seed, never from its place
in a file: equal prompts stand on one side, and adding or shuffling records moves nobody else. Where
several records are about one passage, its hash decides instead, so that no passage is trained and
tested on.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from madrigal.tasks.record import Record
from madrigal.tasks.task import Split

# With fewer documents than this, raw text is split by passage instead of by document.
FEW_DOCUMENTS = 40

Sides = dict[Split, tuple[Record, ...]]


def fingerprint(record: Record) -> str:
    """Hash of the normalised prompt: case, spacing and Unicode form do not count.

    Of a text that was judged without a prompt, of the text itself.
    """
    if record.feedback is not None and not record.turns:
        return _digest(record.feedback.answers[0])
    return _digest(record.text or record.prompt)


def _digest(text: str) -> str:
    # For ASCII both steps come to this, and it is ten times faster.
    plain = text.isascii()
    text = text.lower() if plain else unicodedata.normalize("NFKC", text).casefold()
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def position(seed: int, purpose: str, key: str) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def hold_out(
    records: Sequence[Record], validation: float, test: float, seed: int, passage: str | None = None
) -> Sides:
    """Cut held-out shares from records, by content: by the prompt, or by the field `passage`.

    A side with a share above 0 gets at least one prompt, so long as one is left to train on.
    """
    keys = [_key(record, passage) for record in records]
    places = {key: position(seed, "split", key) for key in keys}
    ordered = sorted(places, key=places.__getitem__)
    # Of few prompts one goes to test first, one stays for training, and one is for validation.
    spare = 2 if validation and len(ordered) > 2 else 1
    tests = _lowest(ordered, places, test, len(ordered) - spare)
    rest = ordered[len(tests) :]
    validations = _lowest(rest, places, test + validation if validation else 0.0, len(rest) - 1)
    sides: dict[Split, list[Record]] = {"train": [], "validation": [], "test": []}
    for key, record in zip(keys, records, strict=True):
        side: Split = "test" if key in tests else "validation" if key in validations else "train"
        sides[side].append(record)
    return {side: tuple(members) for side, members in sides.items()}


def _key(record: Record, passage: str | None) -> str:
    """What must not stand on two sides: the passage, where the record has one, else the prompt."""
    text = record.fields.get(passage, "") if passage else ""
    return _digest(text) if text.strip() else fingerprint(record)


def _lowest(ordered: Sequence[str], places: dict[str, float], limit: float, most: int) -> set[str]:
    """The keys placed below the limit: at least one of them, at most `most`."""
    if limit <= 0:
        return set()
    below = [key for key in ordered if places[key] < limit]
    return set((below or ordered[:1])[: max(0, most)])


def without(records: Sequence[Record], held_out: Sequence[Record]) -> tuple[Record, ...]:
    """The records whose prompt does not occur among the held-out ones."""
    taken = {fingerprint(record) for record in held_out}
    if not taken:
        return tuple(records)
    return tuple(record for record in records if fingerprint(record) not in taken)


def draw(records: Sequence[Record], limit: int | None, seed: int) -> tuple[Record, ...]:
    """At most `limit` records, drawn by seed and content; their order stays."""
    if limit is None or len(records) <= limit:
        return tuple(records)
    copies: Counter[str] = Counter()
    places = []
    for key in (record.key for record in records):
        places.append(position(seed, "draw", f"{key}:{copies[key]}"))
        copies[key] += 1
    chosen = sorted(range(len(records)), key=places.__getitem__)[:limit]
    return tuple(records[i] for i in sorted(chosen))


def passages(record: Record, size: int | None = None) -> list[Record]:
    """A document cut at paragraphs, lines or spaces into pieces that together are the document.

    Of `size` characters and up to as many more; left out: so that there are about twenty.
    """
    text = record.text
    size = max(500, min(4000, len(text) // 20)) if size is None else size
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = _boundary(text, start + size, size)
        pieces.append(text[start:end])
        start = end
    return [replace(record, text=piece) for piece in pieces]


def _boundary(text: str, at: int, reach: int) -> int:
    if at >= len(text):
        return len(text)
    for pattern in (r"\n\s*\n", r"\n", r"\s"):
        match = re.compile(pattern).search(text, at, at + reach)
        if match:
            return match.end()
    return min(len(text), at + reach)


def hold_out_text(records: Sequence[Record], validation: float, test: float, seed: int) -> Sides:
    """As `hold_out`; few documents are cut into passages, and neighbours joined again after."""
    if len(records) >= FEW_DOCUMENTS:
        return hold_out(records, validation, test, seed)
    pieces = [piece for record in records for piece in passages(record) if piece.text.strip()]
    sides = hold_out(pieces, validation, test, seed)
    side_of: dict[int, Split] = {
        id(piece): side for side, members in sides.items() for piece in members
    }
    joined: dict[Split, list[Record]] = {"train": [], "validation": [], "test": []}
    last: tuple[Split, str] | None = None
    for piece in pieces:
        side = side_of[id(piece)]
        if last == (side, piece.where):
            before = joined[side][-1]
            joined[side][-1] = replace(before, text=before.text + piece.text)
        else:
            joined[side].append(piece)
        last = (side, piece.where)
    return {side: tuple(members) for side, members in joined.items()}
