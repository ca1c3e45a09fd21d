"""Lengths, languages, licences and labels that stand out from a task's others."""

import pytest

from curated import curated, told, write
from madrigal.curation import curate, of_files


def asked(number: int, answer: str = "", **more) -> dict[str, str]:
    said = answer or "word " * (6 + number % 5) + f"and {number * 7919}."
    return {"question": f"What of {number * 104729}?", "answer": said, **more}


def test_an_answer_far_longer_or_shorter_than_the_others_is_told(tmp_path):
    rows = [asked(k) for k in range(60)]
    rows[7]["answer"], rows[20]["answer"] = "word " * 400, "so"
    rows[30]["answer"] = "word " * 25  # three times as long: nothing odd
    found = told(curated(tmp_path, rows), "length")
    assert set(found) == {"train.jsonl:8", "train.jsonl:21"}
    assert found["train.jsonl:8"][1].startswith("answer of 1,999 characters; half have fewer than")


def test_lengths_that_differ_much_anyway_make_no_outlier(tmp_path):
    """Eight times the median is far off where all are of one length, and not where none is."""
    rows = [asked(k, "w" * (4 * 2 ** (k % 8))) for k in range(64)]
    assert told(curated(tmp_path, rows), "length") == {}


def test_few_records_do_not_say_what_is_usual(tmp_path):
    rows = [*(asked(k) for k in range(28)), asked(28, "word " * 400)]
    assert told(curated(tmp_path / "a", rows), "length") == {}
    assert told(curated(tmp_path / "b", [*rows, asked(29)]), "length") != {}


@pytest.mark.parametrize(("cut", "long", "found"), [(10, 120, 10), (9, 120, 0), (10, 99, 0)])
def test_answers_that_end_at_one_length_which_is_the_most_were_cut(tmp_path, cut, long, found):
    words = ("river ", "tower ", "mill ")
    rows = [asked(k, f"{words[k % 3] * 40}{k}"[:long]) for k in range(cut)]
    rows += [asked(k, f"{words[k % 3] * (3 + k % 7)}{k}") for k in range(100, 180)]
    said = told(curated(tmp_path, rows), "truncated_answer")
    assert len([one for _, one in said.values() if "of exactly" in one]) == found


SAID = {
    "en": "The dog that we saw was not ours, and he ran home to the others at number {}.",
    "de": "Der Hund, den wir gesehen haben, war nicht unser Hund und ist in Nummer {}.",
}


@pytest.mark.parametrize(("english", "found"), [(32, 8), (31, 0)])
def test_a_language_is_usual_from_four_fifths_on(tmp_path, english, found):
    rows = [asked(k, SAID["en" if k < english else "de"].format(k)) for k in range(40)]
    assert len(told(curated(tmp_path, rows), "language")) == found


@pytest.mark.parametrize(("licence", "severity", "said"), [
    ("CC-BY-NC-4.0", "warning", "not for every use: 'CC-BY-NC-4.0' (9)"),
    ("unknown", "note", "9 of 9 records state no licence"),
    ("CC-BY-4.0", "", ""),
])  # fmt: skip
def test_a_licence_that_forbids_and_none_are_told(tmp_path, licence, severity, said):
    found = curated(tmp_path, [asked(k, license=licence) for k in range(9)])
    named = [(one.severity, one.evidence) for one in found.read() if one.check == "licence"]
    assert named == ([(severity, said)] if said else [])


def labelled(counts: dict[str, int], start: int = 0) -> list[dict[str, str]]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [{"text": f"number {(start + k) * 7919} it is", "label": label}
            for k, label in enumerate(labels)]  # fmt: skip


@pytest.mark.parametrize(("counts", "said"), [
    ({"x": 60, "y": 6}, "warning: 'x' 60 times, 'y' 6 times"),
    ({"x": 59, "y": 6}, ""),
    ({"x": 20, "y": 5}, ""),
    ({"x": 20, "y": 4}, "note: fewer than 5 records: 'y'"),
])  # fmt: skip
def test_uneven_labels_are_told_from_ten_times_on_and_rare_ones_below_five(tmp_path, counts, said):
    found = curated(tmp_path, labelled(counts), labelled({"x": 1, "y": 30}, 500))
    named = [f"{one.severity}: {one.evidence}" for one in found.read() if one.check == "imbalance"]
    assert named == ([said] if said else [])


def test_of_a_contradiction_the_rarer_label_is_the_more_suspicious(tmp_path):
    rows = [{"text": "the same", "label": label} for label in ("good", "good", "bad", "good")]
    rows += labelled({"good": 2, "bad": 2})
    found = [one for one in curated(tmp_path, rows).read() if one.check == "contradiction"]
    assert [(one.where[-1], one.other[-1], one.score) for one in found] == [
        ("1", "3", 0.25), ("2", "3", 0.25), ("3", "1", 0.75), ("4", "3", 0.25),
    ]  # fmt: skip
    assert found[0].evidence == "'good' 3×, 'bad' 1×: the same"


def test_two_tasks_may_say_different_things_of_one_prompt(tmp_path):
    for name, label in (("a", "x"), ("b", "y")):
        rows = [{"text": "the same", "label": label}, *labelled({"x": 2, "y": 2})]
        write(tmp_path / name / "train.jsonl", rows)
    found = curate(of_files(["a", "b"], tmp_path), tmp_path / "out")
    assert not [one for one in found.read() if one.check == "contradiction"]
