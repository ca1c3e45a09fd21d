"""What stands in training is found; what is template is not called so."""

import numpy as np
import pytest

from curated import curated, told
from madrigal.curation.contamination import hashed, longest
from madrigal.curation.marks import Ragged
from madrigal.curation.template_words import cover

WORDS = [f"w{i}" for i in range(3000)]


def text(start: int, words: int = 20) -> str:
    return " ".join(WORDS[start : start + words])


def asked(body: str, answer: str = "yes") -> dict[str, str]:
    return {"prompt": body, "completion": answer}


def test_a_leaked_record_is_found_with_the_matched_text_on_both_sides(tmp_path):
    train = [asked(text(40 * i)) for i in range(20)]
    train[7] = asked(f"as somebody wrote, {text(2000)}, and went on")
    found = curated(tmp_path, train, [asked(text(2000)), asked(text(2500))], deep=True)
    held = told(found, "contamination", "test")
    assert list(held) == ["test.jsonl:1"]
    other, evidence = held["test.jsonl:1"]
    assert other == "train.jsonl:8"
    assert evidence == f"100% of its words in training: {text(2000)}"
    assert list(told(found, "contamination", "train")) == ["train.jsonl:8"]


def test_an_answer_in_training_counts_too(tmp_path):
    train = [asked("say it", text(2000)), *(asked(text(40 * i)) for i in range(9))]
    found = curated(tmp_path, train, [asked(text(2000))], deep=True)
    assert list(told(found, "contamination", "train")) == ["train.jsonl:1"]


def test_template_text_is_no_contamination(tmp_path):
    """The instruction is most of every prompt, in training and in test."""
    rule = "Read the following text with care and say in one word whether it is good or bad: "
    train = [asked(rule + text(40 * i, 6)) for i in range(30)]
    test = [asked(rule + text(40 * i, 6)) for i in range(40, 50)]
    found = curated(tmp_path, train, test, deep=True)
    assert told(found, "contamination") == {}
    # And a record under the template is still found, by its own words.
    train[3] = asked(rule + text(1600, 12))
    test[0] = asked(rule + text(1600, 12))
    found = curated(tmp_path / "b", train, test, deep=True)
    assert "test.jsonl:1" in told(found, "contamination", "test")
    assert len(told(found, "contamination", "test")) == 1


def choice(kind: int, start: int) -> str:
    """An instruction of 6 words and another of 7 around words of a record's own, some of which
    other records of its kind have in the same places."""
    own = f"w{2800 + kind} w{2820 + kind} {text(start, 6)} w{2840 + kind}"
    first = text(start + 6, 4)
    return f"Which sentence is the cause of {own} Choose one between A and B. A: {first}"


def test_templates_shorter_than_a_run_make_nobody_contaminated(tmp_path):
    train = [asked(choice(i % 12, 20 * i)) for i in range(36)]
    test = [asked(choice(i, 1000 + 20 * i)) for i in range(12)]
    found = curated(tmp_path, train, test, deep=True)
    assert told(found, "contamination") == {}
    # And what leaks under them is found, and told without them.
    test[0] = asked(f"{choice(2, 40)} w2998")
    found = curated(tmp_path / "b", train, test, deep=True)
    assert list(told(found, "contamination", "test")) == ["test.jsonl:1"]
    _, evidence = told(found, "contamination", "test")["test.jsonl:1"]
    own = f"w2802 w2822 {text(40, 6)} w2842 {text(46, 4)}"
    assert evidence == f"93% of its words in training: {own}"


def test_a_template_of_training_is_told_by_how_many_records_have_it(tmp_path):
    """A test set of one task, of which training has a hundred with the same instruction."""
    rule = "Read the following text with care and say in one word whether it is good or bad: "
    train = [asked(rule + text(20 * i, 6)) for i in range(100)]
    found = curated(tmp_path, train, [asked(rule + text(2500, 6))], deep=True)
    assert told(found, "contamination") == {}


def test_a_long_quotation_is_told_and_a_short_one_is_not(tmp_path):
    train = [asked(text(0, 30)), asked(text(100, 30))]
    test = [asked(f"{text(1000, 40)} {text(0, 13)}"), asked(f"{text(1200, 40)} {text(100, 12)}")]
    found = curated(tmp_path, train, test, deep=True)
    assert list(told(found, "contamination")) == ["test.jsonl:1"]


def test_short_sentences_of_one_kind_share_runs_and_are_no_contamination(tmp_path):
    """Eleven words of twelve stand in training; twelve of twelve are another matter."""
    train = [asked(f"{text(0, 11)} w2500"), asked(f"she said: {text(100, 12)}")]
    test = [asked(f"{text(0, 11)} w2600"), asked(text(100, 12)), asked(f"{text(0, 11)} w2700 w1")]
    found = curated(tmp_path, train, test, deep=True)
    assert list(told(found, "contamination", "test")) == ["test.jsonl:2"]


def test_short_records_are_compared_as_a_whole(tmp_path):
    train = [asked("Please: book a table for two!"), asked("book a table for two people today")]
    test = [asked("book a table for two"), asked("yes")]
    found = curated(tmp_path, train, test, deep=True)
    assert told(found, "contamination") == {}
    train.append(asked("Book a Table, for two."))
    found = curated(tmp_path / "b", train, test, deep=True)
    assert list(told(found, "contamination", "test")) == ["test.jsonl:1"]


def test_copies_of_a_leak_do_not_hide_it_as_template(tmp_path):
    train = [asked(text(40 * i)) for i in range(20)] + [asked(text(2000))] * 200
    found = curated(tmp_path, train, [asked(f"{text(2000)} so")], deep=True)
    assert list(told(found, "contamination", "test")) == ["test.jsonl:1"]


@pytest.mark.parametrize("seed", range(20))
def test_cover_and_hashes_agree_with_a_naive_count(seed):
    random = np.random.default_rng(seed)
    one = random.integers(0, 3, 40).astype("u4")
    other = random.integers(0, 3, 60).astype("u4")
    length = 8
    there = {tuple(other[i : i + length].tolist()) for i in range(len(other) - length + 1)}
    naive = np.zeros(len(one), dtype=bool)
    for i in range(len(one) - length + 1):
        if tuple(one[i : i + length].tolist()) in there:
            naive[i : i + length] = True
    found = cover(np.isin(hashed(one), hashed(other)), len(one))
    assert (found == naive).all()


def test_longest_is_the_first_of_the_longest():
    assert longest(np.array([0, 1, 1, 0, 1, 1, 0], dtype=bool)) == (1, 3)
    assert longest(np.zeros(3, dtype=bool)) == (0, 0)


def test_words_are_compared_without_case_and_marks():
    words = Ragged()
    words.add("The cat; sat.")
    words.add("the CAT sat")
    assert words.ends == [3, 6]
    assert words.hashes[:3] == words.hashes[3:]


def test_held_out_records_too_short_to_be_compared_are_left_alone(tmp_path):
    train = [{"text": f"number {k} of all the many", "label": "xy"[k % 2]} for k in range(5)]
    test = [{"text": f"short {k}", "label": "x"} for k in range(3)]
    assert not told(curated(tmp_path, train, test, deep=True), "contamination")
