"""What each task says that its test has and training has not."""

import re

import pytest

from bundled_made import rows
from madrigal.tasks.bundled import clock, inference, passages, sentiment, titles, translation
from madrigal.tasks.bundled.words import NAMES, TOWNS

FIELDS = ("text", "premise", "hypothesis", "context", "question", "input")


def words(name: str, *splits: str) -> set[str]:
    return {
        word
        for row in rows(name, *splits)
        for field in FIELDS
        for word in re.findall(r"[\w-]+", row.get(field, ""))
    }


def assert_new(name: str, new: set[str]) -> None:
    """The words stand in the test (a few may not come up), and nowhere else."""
    assert len(new & words(name, "test")) > 0.8 * len(new)
    assert not new & words(name, "train", "validation")


@pytest.mark.parametrize("name", ["sentiment", "inference", "passages", "titles", "clock"])
def test_names_of_people(name):
    assert_new(name, set(NAMES["test"]))


@pytest.mark.parametrize("name", ["inference", "passages", "titles", "clock"])
def test_names_of_towns(name):
    assert_new(name, set(TOWNS["test"]))


PATTERNS = {
    "sentiment": list(sentiment.PATTERNS.values()),
    "inference": [inference.ONE, inference.TWO],
    "passages": [passages.EVENTS, *passages.QUESTIONS.values()],
    "titles": [news.texts for news in titles.NEWS],
    "translation": [translation.PATTERNS],
    "clock": [clock.PATTERNS],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_sentence_patterns(name):
    for patterns in PATTERNS[name]:
        assert not set(patterns["train"]) & set(patterns["test"])
        assert patterns["validation"] == patterns["train"]
    used = {split: {row["pattern"] for row in rows(name, split)} for split in ("train", "test")}
    assert len(used["train"]) >= 8
    assert len(used["test"]) >= 5


def test_sentiment():
    new_words = {w for s in sentiment.SUBJECTS for ws in s.new_words.values() for w in ws}
    topics = {topic for s in sentiment.SUBJECTS for topic in s.topics["test"]}
    assert_new("sentiment", new_words | topics)
    test = rows("sentiment", "test")
    old = {w for s in sentiment.SUBJECTS for ws in s.words.values() for w in ws} | {
        w for ws in sentiment.GENERAL.values() for w in ws
    }
    assert all(old & set(re.findall(r"\w+", row["text"].lower())) for row in test)
    share = sum(bool(new_words & set(re.findall(r"\w+", row["text"]))) for row in test) / len(test)
    assert 0.08 < share < 0.25


def test_inference():
    actions = inference.ACTIONS
    assert_new("inference", {thing.split()[-1] for _, _, thing in actions["test"]})
    assert not {past for _, past, _ in actions["test"]} & {past for _, past, _ in actions["train"]}


def test_passages():
    for kind, known in passages.WORDS.items():
        assert not set(known["test"]) & set(known["train"])
        if kind != "name":
            assert_new("passages", set(known["test"]))
    trained = {answer for row in rows("passages", "train") for answer in row["answers"]}
    assert all(set(row["answers"]) <= trained for row in rows("passages", "test"))


def test_titles():
    titled = {row["output"] for row in rows("titles", "train", "validation")}
    assert not titled & {row["output"] for row in rows("titles", "test")}
    known = {word for title in titled for word in title.lower().split()}
    assert {w for row in rows("titles", "test") for w in row["output"].lower().split()} <= known


def test_translation():
    known = {word for row in rows("translation", "train") for word in row["output"].split()}
    assert {w for row in rows("translation", "test") for w in row["output"].split()} <= known
    assert words("translation", "test") <= words("translation", "train")
    stems = {form: one for one, many, _ in translation.NOUNS for form in (one, many)}
    described = {
        split: {
            (adjective, stems[noun])
            for row in rows("translation", split)
            for adjective, noun in re.findall(r"(\w+) (?=(\w+))", row["input"].lower())
            if adjective in dict(translation.ADJECTIVES)
        }
        for split in ("train", "validation", "test")
    }
    assert len(described["train"]) == 80
    assert len(described["test"]) == 16
    assert not described["test"] & (described["train"] | described["validation"])


def test_clock():
    times = {split: {row["output"] for row in rows("clock", split)} for split in ("train", "test")}
    assert not times["train"] & times["test"]
    assert len(times["train"] | times["test"]) == 18 * 12
    for part in (slice(0, 2), slice(3, 5)):  # every hour and every minute is known by itself
        assert {t[part] for t in times["test"]} <= {t[part] for t in times["train"]}
    assert_new("clock", set(clock.THINGS["test"]))
