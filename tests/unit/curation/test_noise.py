"""Planted wrong labels are ranked first; confident learning by a second, naive way."""

import numpy as np
import pytest

from curated import curated, told, write
from madrigal.curation import curate, of_files
from madrigal.curation.noise import suspicions

GOOD, BAD = ["fine", "bright", "warm", "witty", "kind"], ["dull", "cold", "loud", "bleak", "cruel"]
OTHER = ["film", "plot", "cast", "scene", "light", "song", "chase", "joke", "frame", "part"]


def reviews(count: int, flipped: set[int], seed: int = 0) -> list[dict[str, str]]:
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        label = i % 2
        words = [*random.choice((BAD, GOOD)[label], 2), *random.choice(OTHER, 5), str(i)]
        said = label ^ (i in flipped)
        rows.append({"text": " ".join(words), "label": ("bad", "good")[said]})
    return rows


def test_flipped_labels_are_found_and_the_others_left_alone(tmp_path):
    flipped = set(range(7, 300, 30))
    found = told(curated(tmp_path, reviews(300, flipped), deep=True), "label_noise")
    places = {int(where.split(":")[1]) - 1 for where in found}
    assert places <= flipped
    assert len(places) >= 6
    evidence = next(iter(found.values()))[1]
    assert evidence.startswith(("labelled 'bad'", "labelled 'good'"))


def test_nothing_is_said_where_words_tell_nothing(tmp_path):
    random = np.random.default_rng(0)
    rows = [
        {"text": " ".join([*random.choice(OTHER, 6), str(i)]), "label": "ab"[i % 2]}
        for i in range(200)
    ]
    assert told(curated(tmp_path, rows, deep=True), "label_noise") == {}


def test_few_records_are_not_judged(tmp_path):
    assert told(curated(tmp_path, reviews(40, {3}), deep=True), "label_noise") == {}


@pytest.mark.parametrize("seed", range(5))
def test_suspicions_are_those_of_a_naive_count(seed):
    random = np.random.default_rng(seed)
    given = random.integers(0, 3, 60)
    chances = random.dirichlet(np.ones(3), 60)
    chances[np.arange(60), given] += 0.8
    chances /= chances.sum(axis=1, keepdims=True)
    found = suspicions(chances, given)
    limits = [
        np.mean([c[j] for c, g in zip(chances, given, strict=True) if g == j]) for j in range(3)
    ]
    joint = np.zeros((3, 3))
    for i, (chance, label) in enumerate(zip(chances, given, strict=True)):
        sure = [j for j in range(3) if chance[j] >= limits[j]]
        best = max(sure, key=lambda j: chance[j]) if sure else None
        assert found.suspicious[i] == (best is not None and best != label)
        if best is not None:
            joint[label, best] += 1
    counts = np.bincount(given, minlength=3)
    scaled = joint / joint.sum(axis=1, keepdims=True) * counts[:, None]
    assert found.rate == pytest.approx(1 - np.trace(scaled) / scaled.sum())


def test_a_model_is_heard_beside_the_words_and_reads_the_text_as_it_stands(tmp_path):
    """Words that tell nothing, and states that know the truth: only with them is anything said."""
    random = np.random.default_rng(0)
    flipped = set(range(4, 200, 9))
    rows = [{"text": f"The film N{i}", "label": "ab"[(i % 2) ^ (i in flipped)]} for i in range(200)]
    write(tmp_path / "a.jsonl", rows)

    def states(texts):
        assert texts == [row["text"] for row in rows]
        right = np.array([int(text.split("N")[1]) % 2 for text in texts])
        return np.stack([right + random.normal(0, 0.1, 200), random.normal(0, 1, 200)], axis=1)

    sources = of_files(["a.jsonl"], tmp_path)
    found = curate(sources, tmp_path / "out", deep=["label_noise"], states=states)
    said = {one.where: one for one in found.read() if one.check == "label_noise"}
    assert set(said) <= {f"a.jsonl:{i + 1}" for i in flipped}
    assert len(said) >= 6
    first = next(iter(said.values()))
    assert f"words and the model say {first.instead!r}" in first.evidence
    assert "the model 0." in first.evidence
    quiet = curate(sources, tmp_path / "other", deep=["label_noise"])
    assert not [one for one in quiet.read() if one.check == "label_noise"]
