"""Copies within a split, between tasks and across splits."""

import itertools

import pytest

from curated import curated, told, write
from madrigal.curation import curate, of_files
from madrigal.curation.shingles import normalised, similarity

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
