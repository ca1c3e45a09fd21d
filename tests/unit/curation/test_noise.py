"""Planted wrong labels are ranked first; confident learning by a second, naive way."""

import numpy as np
import pytest

from curated import curated, told, write
from madrigal.curation import curate, of_files
from madrigal.curation.chances import out_of_fold
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


@pytest.mark.parametrize(("count", "most"), [(49, 0), (50, 5)])
def test_few_records_are_not_judged(tmp_path, count, most):
    found = told(curated(tmp_path, reviews(count, {3, 8}), deep=["label_noise"]), "label_noise")
    assert len(found) <= most
    assert bool(found) == bool(most)


def test_the_least_likely_come_first_each_with_the_label_in_its_place(tmp_path):
    rows = reviews(300, set(range(7, 300, 29)))
    for place, label in enumerate(("odd", "rare", "odd", "rare")):
        rows[50 + place]["label"] = label  # of fewer than five records nobody learns
    found = [one for one in curated(tmp_path, rows, deep=["label_noise"]).read()
             if one.check == "label_noise"]  # fmt: skip
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.5 < one.score < 1 for one in found)
    assert {(one.given, one.instead) for one in found} == {("bad", "good"), ("good", "bad")}
    assert all(one.severity == "warning" and one.chance > 0.5 for one in found)


@pytest.mark.parametrize(("wrong", "severities"), [
    (37, {"warning"}), (38, {"note"}), (42, {"note"}), (43, set()),
])  # fmt: skip
def test_the_less_words_tell_the_less_is_said(tmp_path, monkeypatch, wrong, severities):
    """Of a hundred labels so many are contradicted: 0.26, 0.24, 0.16 and 0.14 of what is left by
    always saying the most frequent one are told."""

    def chances(table, mine, given):
        said = np.where(np.arange(100) < wrong, 1 - given, given)
        return np.eye(2)[said] * 0.8 + 0.1

    monkeypatch.setattr("madrigal.curation.noise.chances_by_words", chances)
    found = curated(tmp_path, reviews(100, set()), deep=["label_noise"]).read()
    assert {one.severity for one in found if one.check == "label_noise"} == severities


def test_of_many_records_every_so_many_th_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr("madrigal.curation.noise.MOST", 100)
    found = told(
        curated(tmp_path, reviews(300, set(range(0, 300, 17))), deep=["label_noise"]), "label_noise"
    )
    assert found
    assert all((int(where.split(":")[1]) - 1) % 3 == 0 for where in found)


def test_a_prompt_is_judged_by_models_that_saw_it_nowhere():
    """Each prompt stands four times with a label that nothing but the prompt tells."""
    random = np.random.default_rng(0)
    prompt = np.repeat(np.arange(60, dtype=np.uint64), 4)
    given = np.repeat(random.permutation(np.arange(60) % 2), 4)
    told_ = out_of_fold(np.eye(60)[prompt.astype(int)], given, prompt, 10.0)
    assert (told_.argmax(axis=1) == given).mean() < 0.6


def test_chances_stay_with_their_label_where_a_fold_teaches_not_all():
    """All records of label 0 have one prompt, so nothing is known of it when they are judged."""
    random = np.random.default_rng(0)
    given = np.concatenate([np.zeros(10, int), 1 + np.arange(90) % 2])
    prompt = np.concatenate([np.zeros(10), np.arange(1, 91)]).astype(np.uint64)
    features = np.eye(3)[given] + random.normal(0, 0.1, (100, 3))
    told_ = out_of_fold(features, given, prompt, 10.0)
    assert (told_[:10, 0] == 0).all()
    assert (told_[10:].argmax(axis=1) == given[10:]).all()
    np.testing.assert_allclose(told_.sum(axis=1), 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_suspicions_are_those_of_a_naive_count(seed):
    random = np.random.default_rng(seed)
    given = random.integers(0, 3, 60)
    chances = random.dirichlet(np.ones(3), 60)
    chances[np.arange(60), given] += 0.1 + 0.02 * seed
    chances /= chances.sum(axis=1, keepdims=True)
    found = suspicions(chances, given)
    limits = [
        np.mean([c[j] for c, g in zip(chances, given, strict=True) if g == j]) for j in range(3)
    ]
    wrong = 0
    for chance, label in zip(chances, given, strict=True):
        sure = [j for j in range(3) if chance[j] >= limits[j]]
        best = max(sure, key=lambda j: chance[j]) if sure else label
        wrong += best != label and max(range(3), key=lambda j: chance[j]) != label
    other = [i for i in range(60) if chances[i].argmax() != given[i]]
    worst = sorted(other, key=lambda i: chances[i, given[i]])[:wrong]
    assert 0 < wrong <= len(other)
    assert np.flatnonzero(found.suspicious).tolist() == sorted(worst)
    assert found.instead.tolist() == [int(chance.argmax()) for chance in chances]
    assert found.own.tolist() == [chance[label] for chance, label in zip(chances, given,
                                                                         strict=True)]  # fmt: skip
    assert found.right == pytest.approx(1 - len(other) / 60)


def test_a_chance_of_just_the_threshold_is_sure_and_the_least_likely_label_is_named():
    """Of label 0 all are sure of themselves at 0.6, and of two records of label 1 one is not."""
    given = np.array([0, 0, 1, 1, 1])
    chances = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.05, 0.95], [0.55, 0.45]])
    found = suspicions(chances, given)
    assert found.suspicious.tolist() == [False, False, True, False, False]


def test_what_is_evidence_of_how_many_need_not_be_what_is_named():
    """Of three labels: one record is surely another, and of one nothing is said so surely, but
    its own label least of all."""
    given = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    chances = np.full((9, 3), 0.05)
    chances[np.arange(9), given] = 0.9
    chances[2] = [0.08, 0.92, 0.0]
    chances[5] = [0.5, 0.02, 0.48]
    found = suspicions(chances, given)
    assert np.flatnonzero(found.suspicious).tolist() == [5]
    assert found.instead[5] == 0


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
