"""What is kept of each sample to compare it with all others: numbers, never the sample itself."""

import re
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from madrigal.curation.checks.language import KNOWN, language
from madrigal.curation.sample import Sample
from madrigal.curation.shingles import bands, normalised

# Of a longer text the beginning is compared.
COMPARED = 20_000  # characters
_LONGEST_LABEL = 60
_WORD = re.compile(r"\w+")
SPLITS = ("train", "validation", "test")
CODES = ("", *KNOWN)

# Columns of one number a sample, and how they are stored.
COLUMNS: dict[str, str] = {
    "record": "u4",  # its row, counted in the file from 0
    "part": "u2",  # of several examples in one row
    "side": "u1",  # place in SPLITS
    "filled": "u2",  # fields that say something: the fullest copy of several is kept
    "prompt": "u8",  # hash of the normalised prompt, or of raw text
    "content": "u8",  # hash of what the row brought of it
    "answer": "u8",  # hash of the normalised answers
    "label": "i4",  # place of the label in the block's list; -1 for answers that are written
    "kind": "u1",  # 0 raw text, 1 written answer, 2 label or choice, 3 judged
    "prompt_length": "u4",  # characters
    "answer_length": "u4",
    "prompt_language": "u1",  # place in CODES
    "answer_language": "u1",
    "copied": "u1",  # 1 for a copy of another that is marked as one
}


@dataclass(slots=True)
class Ragged:
    """Thirty-two bits of every word of some texts, one text after another, and where each ends."""

    hashes: array = field(default_factory=lambda: array("I"))
    ends: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Words are without case; what is no letter or digit parts them."""
        self.hashes.extend(map(word_hash, words_of(text)))
        self.ends.append(len(self.hashes))


@dataclass(slots=True)
class Marks:
    """The marks of some samples, in their order."""

    rows: list[tuple[int, ...]] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    words: Ragged = field(default_factory=Ragged)
    answer_words: Ragged = field(default_factory=Ragged)
    texts: list[bytes] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, sample: Sample, record: int, part: int, side: int, filled: int) -> None:
        """One more sample."""
        own = normalised(sample.own[:COMPARED])
        said = "\x1f".join(normalised(answer[:COMPARED]) for answer in sample.answers)
        asked = sample.text or sample.prompt
        whole = normalised(asked) if asked else own
        self.rows.append(
            (
                record,
                min(part, 65535),
                side,
                filled,
                digest(whole),
                digest(own if len(sample.own) <= COMPARED else whole),
                digest(said),
                self._label(sample),
                _kind(sample),
                len(sample.own),
                max(map(len, sample.answers), default=0),
                CODES.index(language(sample.own)),
                CODES.index(language(sample.answers[0]) if sample.free else ""),
                sample.copied,
            )
        )
        self.own.append(own)
        everything = own if len(sample.own) <= COMPARED else normalised(sample.own)
        self.words.add(everything)
        self.answer_words.add("\n".join(sample.answers))
        self.texts.append(f"{own}\x1e{said}".encode("utf-8", "surrogatepass"))

    def _label(self, sample: Sample) -> int:
        if not (sample.labelled or sample.choices) or not sample.answers:
            return -1
        return self.labels.setdefault(sample.answers[0].strip()[:_LONGEST_LABEL], len(self.labels))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays, ready to be stored."""
        columns = zip(*self.rows, strict=True) if self.rows else ([] for _ in COLUMNS)
        stored = {
            name: np.array(column, dtype=COLUMNS[name])
            for name, column in zip(COLUMNS, columns, strict=True)
        }
        # Half of the bits tell as much: what meets in two bands by chance is compared and let go.
        stored["bands"] = (bands(self.own) >> np.uint64(32)).astype("u4")
        for name, ragged in (("words", self.words), ("answer_words", self.answer_words)):
            stored[name] = np.array(ragged.hashes, dtype="u4")
            stored[f"{name}_end"] = np.array(ragged.ends, dtype="u8")
        stored["texts"] = np.frombuffer(b"".join(self.texts), dtype="u1")
        stored["texts_end"] = np.cumsum([len(one) for one in self.texts], dtype="u8")
        return stored


def digest(text: str) -> int:
    """Sixty-four bits of a text."""
    found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "little")


def words_of(text: str) -> Sequence[str]:
    """The words as they are compared."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1 << 16)
def word_hash(word: str) -> int:
    """Thirty-two bits of a word of `words_of`."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def _kind(sample: Sample) -> int:
    if sample.text:
        return 0
    if sample.judged:
        return 3
    return 1 if sample.free else 2
