"""Where each limit of contamination lies, whom it names, and how gravely."""

import pytest

from curated import curated, told, write
from madrigal.curation import contamination, curate, of_files, template_words

WORDS = [f"w{i}" for i in range(6000)]


def text(start: int, words: int = 20) -> str:
    return " ".join(WORDS[start : start + words])


def asked(body: str) -> dict[str, str]:
    return {"prompt": body, "completion": "yes"}


def apart(count: int) -> list[dict[str, str]]:
    """Records that share no run with any other."""
    return [asked(text(3000 + 20 * k)) for k in range(count)]


def grave(found) -> dict[str, str]:
    return {one.where.removeprefix("t/"): one.severity for one in found.read()
            if one.check == "contamination"}  # fmt: skip


def test_what_is_held_out_for_validation_is_compared_as_well(tmp_path):
    write(tmp_path / "t" / "train.jsonl", [*apart(5), asked(f"so: {text(0)}")])
    write(tmp_path / "t" / "validation.jsonl", [asked(text(0)), asked(text(500))])
    found = curate(of_files(["t"], tmp_path), tmp_path / "out", deep=["contamination"])
    assert list(told(found, "contamination", "validation")) == ["validation.jsonl:1"]
    assert list(told(found, "contamination", "train")) == ["train.jsonl:6"]


def test_from_one_half_on_it_is_an_error_and_below_a_note_without_a_culprit(tmp_path):
    train = [*apart(5), asked(text(0)), asked(text(100))]
    test = [asked(f"{text(0)} {text(1000)}"), asked(f"{text(100)} {text(1100, 21)}")]
    found = curated(tmp_path, train, test, deep=["contamination"])
    assert grave(found) == {
        "test.jsonl:1": "error", "train.jsonl:6": "error", "test.jsonl:2": "note",
    }  # fmt: skip
    assert told(found, "contamination")["test.jsonl:2"][0] == "train.jsonl:7"


def test_four_words_are_compared_as_a_whole_and_three_are_not(tmp_path):
    train = [*apart(5), asked("Sing it once more!"), asked("Once more, please")]
    test = [asked("sing it once more"), asked("once more please")]
    found = curated(tmp_path, train, test, deep=["contamination"])
    assert list(told(found, "contamination", "test")) == ["test.jsonl:1"]


@pytest.mark.parametrize(("held", "found"), [(3, 3), (4, 0)])
def test_what_more_than_three_held_out_records_have_is_template(tmp_path, held, found):
    test = [asked(f"{text(0, 15)} {text(1000 + 20 * k, 4)}") for k in range(held)]
    train = [*apart(5), asked(text(0, 15))]
    told_ = told(curated(tmp_path, train, test, deep=["contamination"]), "contamination", "test")
    assert len(told_) == found


def test_of_a_large_set_one_in_a_hundred_may_have_it(tmp_path, monkeypatch):
    """Here one in five of thirty: six records have it, and it is no template yet."""
    test = [asked(f"{text(0, 15)} {text(1000 + 20 * k, 4)}") for k in range(6)]
    test += [asked(text(1500 + 20 * k)) for k in range(24)]
    train = [*apart(5), asked(text(0, 15))]
    assert not told(curated(tmp_path / "a", train, test, deep=["contamination"]), "contamination")
    monkeypatch.setattr(contamination, "_HELD_SHARE", 0.2)
    monkeypatch.setattr(template_words, "_SHARE", 0.3)
    found = curated(tmp_path / "b", train, test, deep=["contamination"])
    assert len(told(found, "contamination", "test")) == 6


@pytest.mark.parametrize(("count", "share", "found"), [(5, 0.01, 1), (6, 0.01, 0), (6, 0.3, 1)])
def test_what_more_training_records_than_the_limit_have_is_template(
    tmp_path, monkeypatch, count, share, found
):
    monkeypatch.setattr(contamination, "TRAIN_TEMPLATE", 5)
    monkeypatch.setattr(contamination, "_TRAIN_SHARE", share)  # of twenty records
    train = [*apart(20 - count), *(asked(f"{text(0, 15)} w{5000 + k}") for k in range(count))]
    told_ = told(
        curated(tmp_path, train, [asked(text(0, 15))], deep=["contamination"]),
        "contamination", "test",
    )  # fmt: skip
    assert len(told_) == found


def test_a_template_is_one_of_a_task_and_copies_of_a_record_make_none(tmp_path):
    """Twice in each of two tasks is in no task more often than three times."""
    for name, first in (("a", 1000), ("b", 1200)):
        held = [asked(f"{text(0, 15)} {text(first + 20 * k, 4)}") for k in range(2)]
        write(tmp_path / name / "test.jsonl", [*held, held[0], held[0], held[1]])
        write(tmp_path / name / "train.jsonl", [*apart(5), asked(text(0, 15))])
    found = curate(of_files(["a", "b"], tmp_path), tmp_path / "out", deep=["contamination"])
    assert len(told(found, "contamination", "test")) == 10


def test_the_record_with_most_of_it_is_named_first_and_those_with_much_less_are_not(tmp_path):
    held = text(0, 40)  # 33 runs
    train = [asked(text(5, 10)), asked(text(0, 30)), asked(f"{held} w5000"), *apart(5)]
    test = [asked(held), asked(f"{text(0, 20)} {text(2000, 20)}")]
    found = curated(tmp_path, train, test, deep=["contamination"])
    assert told(found, "contamination")["test.jsonl:1"][0] == "train.jsonl:3"
    # Once each, though both give the second one away, too.
    named = [one.where for one in found.read() if one.check == "contamination"]
    assert sorted(named) == [
        "t/test.jsonl:1", "t/test.jsonl:2", "t/train.jsonl:2", "t/train.jsonl:3",
    ]  # fmt: skip
