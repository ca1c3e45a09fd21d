"""Word-by-word translation into Luma, an invented language with a small and regular grammar.

Luma has no articles. An adjective follows its noun; the noun of several takes the ending -ri; the
verb stands last, whoever does it; a place stands before the verb, its preposition after the noun.

    The small dog sees a bird.              kano pilu veta mira
    The dogs sleep behind the house.        kanori dom dopo sora
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from madrigal.tasks.bundled.grammar import render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import by_split
from madrigal.tasks.task import Split

# English singular, English plural, Luma.
NOUNS = (
    ("dog", "dogs", "kano"), ("cat", "cats", "mulo"), ("bird", "birds", "veta"),
    ("horse", "horses", "tarno"), ("king", "kings", "rego"), ("queen", "queens", "dama"),
    ("boy", "boys", "fimo"), ("girl", "girls", "sena"), ("farmer", "farmers", "grado"),
    ("child", "children", "pino"), ("wolf", "wolves", "lupa"), ("friend", "friends", "beno"),
)  # fmt: skip
PLACES = (("house", "dom"), ("tree", "bomu"), ("river", "riva"), ("garden", "hort"))
ADJECTIVES = (
    ("small", "pilu"), ("big", "gran"), ("old", "tasi"), ("young", "novi"), ("white", "alba"),
    ("black", "nero"), ("happy", "gaya"), ("tired", "fessa"),
)  # fmt: skip
# English with one subject, with several, Luma.
TRANSITIVE = (
    ("sees", "see", "mira"), ("loves", "love", "kera"), ("hears", "hear", "oda"),
    ("follows", "follow", "sega"), ("helps", "help", "yuda"), ("finds", "find", "trova"),
)  # fmt: skip
INTRANSITIVE = (
    ("sleeps", "sleep", "sora"), ("sings", "sing", "kanta"), ("waits", "wait", "pera"),
    ("dances", "dance", "bala"),
)  # fmt: skip
PREPOSITIONS = (("in", "en"), ("near", "lado"), ("behind", "dopo"))
ENDING = "ri"
AND = "e"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Parts of a sentence, each as `noun`, `adjective noun` or `noun and noun`; empty: none."""

    subject: str
    object: str = ""
    place: bool = False


_NOUN, _BOTH, _PAIR = "noun", "adjective noun", "noun and noun"
PATTERNS = by_split(
    (
        Pattern(_NOUN),
        Pattern(_BOTH),
        Pattern(_NOUN, place=True),
        Pattern(_NOUN, _NOUN),
        Pattern(_BOTH, _NOUN),
        Pattern(_NOUN, _BOTH),
        Pattern(_NOUN, _PAIR),
        Pattern(_NOUN, _NOUN, place=True),
        Pattern(_BOTH, _PAIR),
        Pattern(_PAIR, _NOUN),
    ),
    (
        Pattern(_BOTH, _BOTH),
        Pattern(_BOTH, place=True),
        Pattern(_PAIR, _BOTH),
        Pattern(_BOTH, _NOUN, place=True),
        Pattern(_NOUN, _BOTH, place=True),
    ),
)


def held_out(adjective: int, noun: int) -> bool:
    """Whether this adjective stands with this noun in the test only; a pair in six does."""
    return (adjective + noun) % 6 == 0


@dataclass(frozen=True, slots=True)
class _Phrase:
    english: str
    luma: str
    several: bool


def _noun(rng: Random, noun: tuple[str, str, str], adjective: tuple[str, str] | None) -> _Phrase:
    several = rng.random() < 0.3
    english = noun[1 if several else 0]
    luma = noun[2] + (ENDING if several else "")
    if adjective is not None:
        english, luma = f"{adjective[0]} {english}", f"{luma} {adjective[1]}"
    determiner = "the" if several else rng.choice(("the", "the", "a/an"))
    return _Phrase(f"{determiner} {english}", luma, several)


def _phrase(rng: Random, shape: str, nouns: Iterator[int], split: Split) -> _Phrase:
    noun = next(nouns)
    if shape == _NOUN:
        return _noun(rng, NOUNS[noun], None)
    if shape == _PAIR:
        one, two = _noun(rng, NOUNS[noun], None), _noun(rng, NOUNS[next(nouns)], None)
        return _Phrase(f"{one.english} and {two.english}", f"{one.luma} {AND} {two.luma}", True)
    fitting = [i for i in range(len(ADJECTIVES)) if held_out(i, noun) == (split == "test")]
    return _noun(rng, NOUNS[noun], ADJECTIVES[rng.choice(fitting)])


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:  # noqa: ARG001
    index = rng.randrange(len(PATTERNS[split]))
    pattern = PATTERNS[split][index]
    nouns = iter(rng.sample(range(len(NOUNS)), len(NOUNS)))
    subject = _phrase(rng, pattern.subject, nouns, split)
    verb = rng.choice(TRANSITIVE if pattern.object else INTRANSITIVE)
    english, luma = [subject.english, verb[1 if subject.several else 0]], [subject.luma]
    if pattern.object:
        thing = _phrase(rng, pattern.object, nouns, split)
        english.append(thing.english)
        luma.append(thing.luma)
    if pattern.place:
        preposition, place = rng.choice(PREPOSITIONS), rng.choice(PLACES)
        english.append(f"{preposition[0]} the {place[0]}")
        luma.append(f"{place[1]} {preposition[1]}")
    yield {
        "instruction": "Translate into Luma.",
        "input": render(" ".join(english) + "."),
        "output": " ".join([*luma, verb[2]]),
        "pattern": f"luma-{index + 1}",
    }


def task() -> BundledTask:
    """Short English sentences in an invented language."""
    return BundledTask(
        name="translation",
        about="Translate a short sentence into Luma, an invented language.",
        held_out="sentence patterns, which adjective stands with which noun; all words are known",
        rows=make_rows("translation", _make, ("input",)),
        settings={"prompt": "English: {input}\nLuma:", "metric": "chrf", "max_new_tokens": 32},
    )
