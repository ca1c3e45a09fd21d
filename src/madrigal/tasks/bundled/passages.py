"""Questions about a short passage; the answer is a word copied out of it.

A passage tells of an event: who, by trade what, did what to which thing of which colour, and where.
A question asks for one of these. In a fifth of the passages a second person does something else, so
that a wrong answer of the right kind stands beside the right one.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Literal

from madrigal.tasks.bundled.grammar import article, render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import NAMES, TOWNS, WEEKDAYS, BySplit, by_split
from madrigal.tasks.task import Split

Kind = Literal["name", "thing", "town", "colour", "job"]
KINDS: tuple[Kind, ...] = ("name", "thing", "town", "colour", "job")

# Few words of a kind, each of them often: a small model learns to copy word by word.
WORDS: Mapping[Kind, BySplit[str]] = {
    "name": by_split(NAMES["train"][:14], NAMES["test"]),
    "thing": by_split(
        (
            "kite", "drum", "lantern", "basket", "violin", "bicycle", "blanket", "hammer", "piano",
            "sword", "ladder", "mirror",
        ),
        ("trumpet", "saddle", "candle", "wagon", "flute", "clock", "barrel", "shovel"),
    ),
    "town": by_split(TOWNS["train"][:10], TOWNS["test"]),
    "colour": by_split(
        ("red", "blue", "green", "yellow", "black", "white", "brown", "pink"),
        ("purple", "golden", "silver", "grey"),
    ),
    "job": by_split(
        (
            "baker", "teacher", "doctor", "farmer", "sailor", "painter", "driver", "singer",
            "hunter", "tailor",
        ),
        ("nurse", "judge", "miner", "dancer"),
    ),
}  # fmt: skip

# Past, participle, infinitive.
DEEDS = (
    ("bought", "bought", "buy"),
    ("sold", "sold", "sell"),
    ("found", "found", "find"),
    ("lost", "lost", "lose"),
    ("painted", "painted", "paint"),
    ("hid", "hidden", "hide"),
    ("stole", "stolen", "steal"),
    ("broke", "broken", "break"),
)
EVENTS = by_split(
    (
        "{name} the {job} {past} a/an {colour} {thing} in {town}.",
        "On {day} {name} {past} a/an {colour} {thing} in {town}. {name} is a/an {job}.",
        "In {town} {name}, a/an {job}, {past} a/an {colour} {thing}.",
        "{name} is a/an {job} and {past} a/an {colour} {thing} in {town}.",
        "In {town} a/an {job} called {name} {past} a/an {colour} {thing}.",
        "{name} has a new job as a/an {job}. In {town} {name} {past} a/an {colour} {thing}.",
        "The {colour} {thing} that {name}, a/an {job}, {past} in {town} is very old.",
    ),
    (
        "{name}, who works as a/an {job}, {past} a/an {colour} {thing} in {town}.",
        "A/an {colour} {thing} was {participle} in {town} by {name} the {job}.",
        "On {day}, in {town}, the {job} {name} {past} a/an {colour} {thing}.",
    ),
)
QUESTIONS: Mapping[Kind, BySplit[str]] = {
    "name": by_split(
        ("Who {past} the {thing}?", "Which person {past} the {thing}?"),
        ("Who was it that {past} the {thing}?",),
    ),
    "thing": by_split(
        ("What did {name} {verb}?", "Which thing did {name} {verb}?"),
        ("What was it that {name} {past}?",),
    ),
    "town": by_split(
        ("Where did {name} {verb} the {thing}?", "In which town was the {thing} {participle}?"),
        ("Where was the {thing} {participle}?",),
    ),
    "colour": by_split(
        ("What colour is the {thing}?", "What is the colour of the {thing}?"),
        ("Which colour does the {thing} have?",),
    ),
    "job": by_split(
        ("What is the job of {name}?", "What does {name} work as?"),
        ("Which job does {name} have?",),
    ),
}


def _event(rng: Random, split: Split, asked: tuple[Kind, ...], count: int) -> list[dict[str, str]]:
    """Slots of so many events without a word in common; in the test no answer is a new word."""
    drawn = {
        kind: rng.sample(words["train" if kind in asked else split], count)
        for kind, words in WORDS.items()
    }
    days = rng.sample(WEEKDAYS, count)
    deeds = rng.sample(DEEDS, count)
    return [
        {kind: drawn[kind][i] for kind in KINDS}
        | {"day": days[i]}
        | dict(zip(("past", "participle", "verb"), deeds[i], strict=True))
        for i in range(count)
    ]


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:
    asked = (KINDS[group % 5], KINDS[(group + 1 + group // 5 % 4) % 5])
    events = _event(rng, split, asked, 2 if group // 5 % 5 == 0 else 1)
    index = rng.randrange(len(EVENTS[split]))
    told = [render(EVENTS[split][index], **events[0])]
    told += [render(rng.choice(EVENTS[split]), **event) for event in events[1:]]
    rng.shuffle(told)
    for kind in asked:
        answer = events[0][kind]
        with_article = [f"the {answer}", f"{article(answer)} {answer}"]
        yield {
            "question": render(rng.choice(QUESTIONS[kind][split]), **events[0]),
            "context": " ".join(told),
            "answers": [answer, *(with_article if kind in ("thing", "job") else [])],
            "asked": kind,
            "events": "one" if len(events) == 1 else "two",
            "pattern": f"{kind}-{index + 1}",
        }


def task() -> BundledTask:
    """Who did what to which thing, where; of which colour is it, and what is the person's trade?"""
    return BundledTask(
        name="passages",
        about="Answer a question about a short passage with a word out of it.",
        held_out=(
            "sentence patterns of passages and questions, and the words that are not asked for; "
            "answers are words of training"
        ),
        rows=make_rows("passages", _make, ("question", "context")),
        settings={
            "prompt": "{context}\nQuestion: {question}\nAnswer:",
            "metric": "exact_match",
            "cluster": "context",
            "max_new_tokens": 12,
        },
    )
