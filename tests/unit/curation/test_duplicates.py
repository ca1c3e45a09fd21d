"""Copies within a split, between tasks and across splits."""

import itertools
import random

import numpy as np
import pytest

from curated import curated, told, write
from madrigal.curation import curate, of_files
from madrigal.curation.pairs import candidates
from madrigal.curation.shingles import bands, normalised, signature, similarity

LONG = (
    "the quick brown fox jumps over the lazy dog while the old man watches from his chair number "
)


def row(text: str, label: str = "a", **more) -> dict[str, object]:
    return {"text": text, "label": label, **more}


def others(count: int = 40) -> list[dict[str, object]]:
    return [row(f"{i * 7919} {chr(97 + i % 26) * 9} record {i}", "ab"[i % 2]) for i in range(count)]


def test_case_and_spaces_do_not_make_a_record_new(tmp_path):
    rows = [*others(), row("Hello  there, World"), row("hello there, world")]
    found = told(curated(tmp_path, rows), "exact_duplicate")
    assert found == {"train.jsonl:42": ("train.jsonl:41", "hello there, world")}


def test_the_fullest_copy_stays(tmp_path):
    rows = [*others(), row("hello there"), row("hello there", source="a book")]
    found = told(curated(tmp_path, rows), "exact_duplicate")
    assert found["train.jsonl:41"][0] == "train.jsonl:42"


def test_near_copies_are_found_with_the_one_that_stays(tmp_path):
    rows = [row(f"{LONG}one"), *others(), row(f"{LONG}two")]
    found = told(curated(tmp_path, rows), "near_duplicate")
    assert list(found) == ["train.jsonl:42"]
    assert found["train.jsonl:42"][0] == "train.jsonl:1"


def test_the_same_question_with_another_answer_is_no_duplicate(tmp_path):
    asked = [
        {"question": f"{LONG}{i}: how many?", "answer": f"{'abcdefgh'[i] * 12}"} for i in range(8)
    ]
    assert told(curated(tmp_path, asked), "near_duplicate") == {}


def test_a_near_copy_of_a_held_out_record_is_a_leak(tmp_path):
    found = curated(tmp_path, [*others(), row(f"{LONG}one")], [row(f"{LONG}two"), *others(45)[41:]])
    assert told(found, "near_leak")["train.jsonl:41"][0] == "test.jsonl:1"
    assert told(found, "leak") == {}


def test_the_same_record_in_two_tasks_is_told_once(tmp_path):
    write(tmp_path / "a" / "train.jsonl", others(10))
    write(tmp_path / "b" / "train.jsonl", [*others(11)[10:], *others(3)[:1]])
    found = curate(of_files(["a", "b"], tmp_path), tmp_path / "out")
    (one,) = [one for one in found.read() if one.check == "shared_with_task"]
    assert (one.where, one.other) == ("b/train.jsonl:2", "a/train.jsonl:1")


@pytest.mark.parametrize("seed", range(3))
def test_near_copies_are_those_of_comparing_all_with_all(tmp_path, seed):
    """Every pair of the naive way has a member that goes, and what goes has one like it."""
    base = [f"{LONG}{i * 31} and {chr(97 + i) * 14} {'xyz'[i % 3] * 20}" for i in range(20)]
    texts = [*base, *(t.replace("quick", f"qu{i % (2 + seed)}ck") for i, t in enumerate(base))]
    found = told(curated(tmp_path, [row(text) for text in texts]), "near_duplicate")
    gone = {int(where.split(":")[1]) - 1 for where in found}
    plain = [normalised(text) for text in texts]
    for a, b in itertools.combinations(range(len(texts)), 2):
        if similarity(plain[a], plain[b]) >= 0.8:
            assert {a, b} & gone
    for where, (other, _) in found.items():
        mine, kept = (int(one.split(":")[1]) - 1 for one in (where, other))
        assert similarity(plain[mine], plain[kept]) >= 0.8
        assert kept not in gone


def test_bands_of_many_texts_are_those_of_each():
    dice = random.Random(0)
    texts = ["".join(dice.choices("abc dé\U0001f600", k=dice.choice([0, 1, 4, 5, 6, 60, 40_000])))
             for _ in range(60)]  # fmt: skip
    together = bands(texts)
    for text, band in zip(texts, together, strict=True):
        assert (bands([text])[0] == band).all()
    # A band is four values of the signature: two texts agree in it where they agree in those.
    signs = np.array([signature(text).reshape(16, 4) for text in texts])
    for a, b in itertools.combinations(range(len(texts)), 2):
        same = (signs[a] == signs[b]).all(axis=1)
        assert ((together[a] == together[b]) == same).all()


@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_all_pairs_that_agree_in_two_bands(seed):
    """Also where so many meet in a band that they are compared by another one, too."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 12 + 90 * seed, (300, 16)).astype("u4")
    values[:250, 0] = 7
    one, other = candidates(values)
    agree = (values[:, None] == values[None]).sum(axis=2)
    wanted = {(a, b) for a, b in itertools.combinations(range(300), 2) if agree[a, b] >= 2}
    found = [*zip(one.tolist(), other.tolist(), strict=True)]
    assert found == sorted(found)
    assert set(found) == wanted


def test_a_crowd_that_agrees_in_every_band_is_compared_with_the_next_few():
    one, other = candidates(np.zeros((400, 16), dtype="u4"))
    assert set((other - one).tolist()) == set(range(1, 17))


def test_answers_that_are_nearly_the_same_do_not_make_a_record_new(tmp_path):
    said = "The river runs past the old mill and under the bridge to the harbour of the town"
    rows = [{"question": f"{LONG}{k}: where to?", "answer": f"{said}{end}"}
            for k, end in enumerate(("", "!", " " + "of stone and wood " * 4))]  # fmt: skip
    assert list(told(curated(tmp_path, rows), "near_duplicate")) == ["train.jsonl:2"]


def test_what_is_held_out_twice_is_no_leak(tmp_path):
    """Neither the same record for validation and test, nor one that is nearly the same."""
    write(tmp_path / "t" / "train.jsonl", others())
    held = [row(f"{LONG}one"), *others(45)[41:]]
    write(tmp_path / "t" / "validation.jsonl", held)
    write(tmp_path / "t" / "test.jsonl", [held[1], row(f"{LONG}two")])
    found = curate(of_files(["t"], tmp_path), tmp_path / "out")
    assert {one.check for one in found.read()} <= {"licence", "near_duplicate"}


def test_a_leak_is_told_as_one_and_a_near_one_once(tmp_path):
    far = "a boat went down the river in the night and came to the old mill at dawn, said the "
    train = [*others(), row(f"{LONG}one"), row(f"{far}man", "b")]
    test = [row(f"{LONG}one"), row(f"{far}boy"), row(f"{far}cat")]
    found = curated(tmp_path, train, test)
    assert list(told(found, "leak")) == ["train.jsonl:41"]
    named = [one.where for one in found.read() if one.check == "near_leak"]
    assert sorted(named) == ["t/train.jsonl:42"]


def test_tasks_that_train_on_nearly_or_hold_out_the_same_share_nothing(tmp_path):
    for name, end in (("a", "one"), ("b", "two")):
        write(tmp_path / name / "train.jsonl", [row(f"{LONG}{end}"), *others(9)[5:]][:1])
        write(tmp_path / name / "test.jsonl", others(4))
    found = curate(of_files(["a", "b"], tmp_path), tmp_path / "out")
    assert not {one.check for one in found.read()} & {"shared_with_task", "near_duplicate"}


@pytest.mark.parametrize(("common", "near"), [(8, True), (7, False)])
def test_the_limit_is_eight_shingles_of_ten(tmp_path, common, near):
    """Texts of ten shingles in all, so many of them in common: 0.8 is near, 0.7 is not."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    one = alphabet[: common + 4 + (10 - common) // 2]
    other = alphabet[: common + 4] + "zyxw"[: 10 - common - (10 - common) // 2]
    assert similarity(one, other) == common / 10
    found = curated(tmp_path, [row(one), row(other)])
    assert bool(told(found, "near_duplicate")) == near
