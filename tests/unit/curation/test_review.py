"""Decisions that are kept line by line, and the order in which records are asked about."""

import json

import pytest

from curated import curated, write
from madrigal.curation import of_files
from madrigal.curation.finding import Finding
from madrigal.curation.queue import cases
from madrigal.curation.review import DECISIONS, Decisions, Reviewed, digest_of
from madrigal.curation.stream import Item
from madrigal.errors import DataError


def said(record: int, action: str = "keep", **more) -> Reviewed:
    return Reviewed("a.jsonl", record, f"a.jsonl:{record + 1}", action, "d", "leak", **more)


def actions(made: Decisions) -> dict[int, str]:
    return {place[1]: one.action for place, one in made.now().items()}


def test_the_last_word_counts_and_undoing_brings_the_one_before_back(tmp_path):
    made = Decisions(tmp_path)
    for one in (said(1), said(2), said(1, "drop"), said(1, "fix", values={"text": "new"})):
        made.decide(one)
    for folder in (made, Decisions(tmp_path)):
        assert actions(folder) == {1: "fix", 2: "keep"}
        assert len(folder) == 2
        assert folder.now()["a.jsonl", 1].values == {"text": "new"}
    undone, left = [], []
    for _ in range(4):
        undone.append(made.undo())
        left.append(actions(made))
        assert actions(Decisions(tmp_path)) == left[-1]  # as somebody finds it who goes on
    assert undone == [("a.jsonl", 1), ("a.jsonl", 1), ("a.jsonl", 2), ("a.jsonl", 1)]
    assert left == [{1: "drop", 2: "keep"}, {1: "keep", 2: "keep"}, {1: "keep"}, {}]
    assert made.undo() is None
    assert ("a.jsonl", 1) not in made


def test_a_line_cut_off_and_lines_of_others_count_for_nothing_and_are_counted(tmp_path):
    Decisions(tmp_path).decide(said(1))
    with (tmp_path / DECISIONS).open("ab") as file:
        file.write(b'[]\n{"file": "a", "record": 0, "action": "burn", "digest": "d"}\n{"file": "a')
    made = Decisions(tmp_path)
    assert (actions(made), made.unread) == ({1: "keep"}, 3)
    made.decide(said(2, "drop"))
    again = Decisions(tmp_path)
    assert (actions(again), again.unread) == ({1: "keep", 2: "drop"}, 3)


def test_a_row_that_was_changed_is_not_the_one_that_was_seen():
    line, values = Item("a:1", line=b'{"text": "a"}'), Item("a:1", values={"text": "a", "n": 1})
    for item in (line, values):
        one = Reviewed("a", 0, "a:1", "keep", digest_of(item))
        one.check_same(item)
        for other in (Item("a:1", line=b'{"text": "b"}'), Item("a:1", values={"text": "b"})):
            with pytest.raises(DataError, match="a:1: another row than the one that was reviewed"):
                one.check_same(other)
    assert digest_of(values) == digest_of(Item("b:9", values={"n": 1, "text": "a"}))


def finding(record: int, check, severity, score=0.0, split="train", file="a.jsonl", **more):
    return Finding("a", split, file, record, f"{file}:{record + 1}", check, severity, "seen",
                   score=score, **more)  # fmt: skip


@pytest.fixture
def sources(tmp_path):
    write(tmp_path / "a.jsonl", [{"text": f"row {k}", "label": "xy"[k % 2]} for k in range(9)])
    return of_files(["a.jsonl"], tmp_path)


def test_errors_are_asked_about_first_then_the_worst_and_what_rules_put_right_not_at_all(sources):
    found = [
        finding(0, "refusal", "note"),
        finding(1, "label_noise", "warning", 0.6),
        finding(2, "label_noise", "warning", 0.9, other="a.jsonl:9", instead="x"),
        finding(3, "contradiction", "error", 0.25),
        finding(4, "leak", "error"),  # which a cleaned copy drops
        finding(5, "contradiction", "error", 0.75),
        finding(6, "refusal", "warning", split="test"),
        finding(1, "personal_data", "error"),
        finding(7, "encoding", "error"),
    ]
    asked = cases(sources, found)
    assert [case.place[1] for case in asked] == [5, 3, 2, 1, 0]
    assert [one.check for one in asked[3].findings] == ["label_noise", "personal_data"]
    assert asked[2].instead is found[2]
    assert json.loads(asked[2].others["a.jsonl:9"].line)["text"] == "row 8"
    assert json.loads(asked[2].item.line)["text"] == "row 2"
    only = cases(sources, found, ("leak", "personal_data"))
    assert [case.place[1] for case in only] == [1, 4]
    assert only[0].findings[0].check == "personal_data"


def test_what_is_held_out_is_never_asked_about(tmp_path):
    rows = [{"text": "the same", "label": label} for label in "xy"]
    found = curated(tmp_path, [{"text": "one", "label": "x"}], rows)
    assert [one.split for one in found.read() if one.check == "contradiction"] == ["test", "test"]
    assert cases(found.table.sources, found.read()) == []
