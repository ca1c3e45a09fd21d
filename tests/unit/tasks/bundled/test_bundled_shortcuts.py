"""No task is won by a part of its prompt, by counting words, or by length."""

import re
from collections import Counter, defaultdict

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bundled_made import rows
from madrigal.tasks.bundled import passages, translation

HELD_OUT = ("validation", "test")


def by_words(name, view, longest: int) -> list[float]:
    """Accuracy on validation and test of a logistic regression on counts of words or n-grams."""
    counts = CountVectorizer(ngram_range=(1, longest), token_pattern=r"\w+")
    train = rows(name, "train")
    model = LogisticRegression(max_iter=300)
    model.fit(counts.fit_transform(map(view, train)), [row["label"] for row in train])
    return [
        model.score(counts.transform(map(view, some)), [row["label"] for row in some])
        for some in (rows(name, split) for split in HELD_OUT)
    ]


def by_length(name, fields) -> list[float]:
    """The same on the lengths of fields, in characters and words."""

    def view(row):
        return [size for f in fields for size in (len(row[f]), len(row[f].split()))]

    train = rows(name, "train")
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit([view(row) for row in train], [row["label"] for row in train])
    return [
        model.score([view(row) for row in some], [row["label"] for row in some])
        for some in (rows(name, split) for split in HELD_OUT)
    ]


def test_sentiment_is_not_a_count_of_words():
    assert max(by_words("sentiment", lambda row: row["text"], longest=1)) < 0.82


def test_the_hypothesis_alone_tells_nothing():
    assert max(by_words("inference", lambda row: row["hypothesis"], longest=2)) < 0.42


def test_the_premise_alone_tells_part():
    # Where nothing but "hoped to" stands, the claim is unknown whatever it says.
    assert max(by_words("inference", lambda row: row["premise"], longest=2)) < 0.8


def test_length_tells_nothing():
    assert max(by_length("sentiment", ["text"])) < 0.58
    assert max(by_length("inference", ["hypothesis"])) < 0.4
    assert max(by_length("inference", ["premise", "hypothesis"])) < 0.45


@pytest.mark.parametrize(("name", "least"), [("sentiment", 0.4), ("inference", 0.2)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_no_pattern_tells_the_label(name, split, least):
    labels: dict[str, Counter] = defaultdict(Counter)
    for row in rows(name, split):
        labels[row["pattern"]][row["label"]] += 1
    for pattern, counts in labels.items():
        share = min(counts.values()) / sum(counts.values())
        # Thirty examples of a pattern scatter more than three hundred.
        assert share > least * (1 if split == "train" else 0.6), (pattern, counts)


def test_a_word_of_the_right_kind_is_not_enough():
    """Of two people in a passage, the first is asked about as often as the second."""
    two = [row for row in rows("passages", "train") if row["events"] == "two"]
    assert len(two) == 480
    first = 0
    for row in two:
        words = passages.WORDS[row["asked"]]["train"]
        first += (
            next(w for w in re.findall(r"\w+", row["context"]) if w in words) == (row["answers"][0])
        )
    assert 0.44 < first / len(two) < 0.56


def test_kinds_of_questions_are_equally_frequent():
    for split in ("train", "test"):
        counts = Counter(row["asked"] for row in rows("passages", split))
        assert max(counts.values()) - min(counts.values()) <= 2


def test_words_in_english_order_are_no_translation():
    gloss = {**dict(translation.ADJECTIVES), **dict(translation.PREPOSITIONS), "and": "e"}
    gloss |= dict(translation.PLACES) | {one: luma for one, _, luma in translation.NOUNS}
    gloss |= {many: luma + "ri" for _, many, luma in translation.NOUNS}
    for one, many, luma in translation.TRANSITIVE + translation.INTRANSITIVE:
        gloss |= {one: luma, many: luma}
    right = sum(
        " ".join(gloss[w] for w in re.findall(r"\w+", row["input"].lower()) if w in gloss)
        == row["output"]
        for row in rows("translation", "test")
    )
    assert right == 0
