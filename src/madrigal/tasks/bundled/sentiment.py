"""Sentiment of a short review, where the words alone do not tell.

In half of the patterns a word of the other side stands in the review too: as what was expected, as
a weak point, or denied ("not dull at all"). Counting words is right only where no such word stands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from madrigal.tasks.bundled.grammar import render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import NAMES, WEEKDAYS, BySplit, by_split
from madrigal.tasks.task import Split

Label = Literal["negative", "positive"]
LABELS: tuple[Label, Label] = ("negative", "positive")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reviewed: things of one sort, their parts, and words that suit both."""

    topics: BySplit[str]
    parts: BySplit[str]
    words: Mapping[Label, tuple[str, ...]]
    new_words: Mapping[Label, tuple[str, ...]]  # in the test only


SUBJECTS = (
    Subject(
        by_split(("film", "novel", "comedy", "play", "story"), ("musical", "opera", "cartoon")),
        by_split(("plot", "ending", "dialogue"), ("opening", "last part")),
        {
            "negative": ("dull", "slow", "confusing", "silly", "boring"),
            "positive": ("gripping", "funny", "moving", "clever", "charming"),
        },
        {"negative": ("tedious",), "positive": ("thrilling",)},
    ),
    Subject(
        by_split(("hotel", "cottage", "cabin", "guesthouse", "flat"), ("inn", "villa", "lodge")),
        by_split(("bedroom", "bathroom", "lounge"), ("kitchen", "dining room")),
        {
            "negative": ("dirty", "gloomy", "shabby", "cramped", "smelly"),
            "positive": ("pleasant", "cosy", "spotless", "bright", "tidy"),
        },
        {"negative": ("filthy",), "positive": ("airy",)},
    ),
    Subject(
        by_split(("meal", "lunch", "dinner", "picnic", "supper"), ("buffet", "feast", "banquet")),
        by_split(("soup", "bread", "salad"), ("pie", "fish")),
        {
            "negative": ("bland", "stale", "greasy", "soggy", "tasteless"),
            "positive": ("tasty", "delicious", "fresh", "perfect", "satisfying"),
        },
        {"negative": ("rotten",), "positive": ("splendid",)},
    ),
    Subject(
        by_split(("lamp", "kettle", "clock", "radio", "heater"), ("toaster", "fan", "printer")),
        by_split(("switch", "design", "plug"), ("button", "stand")),
        {
            "negative": ("flimsy", "faulty", "useless", "ugly", "clumsy"),
            "positive": ("sturdy", "reliable", "handy", "neat", "solid"),
        },
        {"negative": ("shaky",), "positive": ("practical",)},
    ),
)
GENERAL: Mapping[Label, tuple[str, ...]] = {
    "negative": ("awful", "terrible", "dreadful", "bad", "horrible", "disappointing"),
    "positive": ("wonderful", "excellent", "lovely", "superb", "great", "delightful"),
}

# {same} is a word of the label's side, {other} one of the other side.
PATTERNS: Mapping[str, BySplit[str]] = {
    "agreeing": by_split(
        (
            "The {topic} was {same}, and the {part} was {same2}.",
            "What a/an {same} {topic}! The {part} was {same2}.",
            "I found the {topic} {same} and the {part} {same2}.",
            "The {part} was {same2}. All in all, a/an {same} {topic}.",
            "{name} called the {topic} {same}, and so do I. The {part} was {same2}.",
            "On {day} we got a/an {same} {topic}, and even the {part} was {same2}.",
            "First the {part}, which was {same2}, and then the whole {topic}: {same}.",
            "{name} and I agree on this {topic}: {same}, and {same2} as well.",
        ),
        (
            "We thought the {topic} {same} and the {part} {same2}.",
            "A/an {same} {topic}, and the {part} was just as {same2}.",
            "On {day} I tried the {topic}. It was {same}, like the {part}.",
            "{name} says that the {topic} is {same} and the {part} {same2}.",
        ),
    ),
    "opposed": by_split(
        (
            "I expected a/an {other} {topic}, but it was {same}.",
            "{name} had called the {topic} {other}. To me it was {same}.",
            "The {topic} was {same}, although {name} had expected something {other}.",
            "The {part} was {other}, but the {topic} as a whole was {same}.",
            "The {topic} was not {other} at all, and the {part} was {same}.",
            "There was nothing {other} about this {topic}.",
            "This {topic} was {same} from first to last and never {other}.",
            "They promised us a/an {other} {topic}. What we got on {day} was {same}.",
        ),
        (
            "{name} told us to expect a/an {other} {topic}, but it was {same}.",
            "Even though the {part} was {other}, the {topic} was {same}.",
            "The {part} was not {other}, and the {topic} was {same}.",
            "Some call this {topic} {other}. On {day} we found it {same}.",
        ),
    ),
}


def _words(rng: Random, split: Split, subject: Subject, label: Label) -> tuple[str, str]:
    """Two different words of a side; the first of them is always one of training."""
    first, second = rng.sample(subject.words[label] + GENERAL[label], 2)
    if split == "test" and rng.random() < 0.3:
        second = rng.choice(subject.new_words[label])
    return first, second


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:
    label, opposite = LABELS[group % 2], LABELS[1 - group % 2]
    kind, patterns = list(PATTERNS.items())[group // 2 % 2]
    index = rng.randrange(len(patterns[split]))
    subject = rng.choice(SUBJECTS)
    topic = rng.choice(subject.topics[split])
    same, same2 = _words(rng, split, subject, label)
    other, _ = _words(rng, split, subject, opposite)
    text = render(
        patterns[split][index],
        topic=topic,
        part=rng.choice(subject.parts[split]),
        same=same,
        same2=same2,
        other=other,
        name=rng.choice(NAMES[split]),
        day=rng.choice(WEEKDAYS),
    )
    yield {"text": text, "label": label, "topic": topic, "pattern": f"{kind}-{index + 1}"}


def task() -> BundledTask:
    """Reviews of films, lodgings, meals and devices: negative or positive."""
    return BundledTask(
        name="sentiment",
        about="Is a short review negative or positive?",
        held_out="sentence patterns, reviewed things and their parts, names, some words that judge",
        rows=make_rows("sentiment", _make, ("text",)),
        settings={
            "prompt": "Review: {text}\nSentiment:",
            "labels": list(LABELS),
            "metric": "accuracy",
        },
    )
