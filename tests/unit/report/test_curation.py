"""Section 6: what curation found, readable, escaped, each pair once."""

import json
import shutil

import pytest

from fake_rows import HOSTILE as ALL
from madrigal.report import write_report
from madrigal.report.curation import found_in
from madrigal.report.folder import read_run

HOSTILE = " ".join(ALL)


def example(where: str, other: str = "", **more) -> dict:
    told = {"task": "sentiment", "where": where, "split": "train", "evidence": f"seen {HOSTILE}"}
    return told | {"record": 1, "pieces": [["in both ", False], [HOSTILE, True]]} | (
        {"other": other, "other_task": "titles", "other_split": "test",
         "beside": [[HOSTILE, True], [" and more", False]]} if other else {}
    ) | more  # fmt: skip


def card() -> dict:
    def kind(title: str, severity: str, records: int, *examples: dict) -> dict:
        return {
            "title": title, "records": records, "share": records / 200, "findings": records,
            "severities": {severity: records}, "splits": {"train": records},
            "harm": "scores on it are too good", "cure": "left out",
            "advice": "Read the `pairs` first.", "examples": list(examples),
        }  # fmt: skip

    return {
        "version": 1, "checked": ["leak", "contamination"], "looked_at": {"train": 200, "test": 0},
        "records": {"train": 900, "test": 0}, "languages": {},
        "groups": {"men": 50}, "fields": {HOSTILE: {"train": {HOSTILE: 150, "b": 50}}},
        "found": {
            "encoding": kind("text decoded wrongly", "error", 1, example("a.jsonl:4")),
            "contamination": kind(
                "held-out text in training", "error", 7,
                example("a.jsonl:1", "b.jsonl:2"), example("b.jsonl:2", "a.jsonl:1"),
                example("a.jsonl:3", "b.jsonl:9"),
            ),
        },
    }  # fmt: skip


@pytest.fixture
def folder(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    path = next((tmp_path / "run" / "data").glob("*.json"))
    said = json.loads(path.read_text("utf-8"))
    said["curation"] = card()
    said["cleaned"] = [
        {"original": HOSTILE, "before": 1200, "after": 900, "ledger": "curated/ledger.jsonl",
         "changed_since": True,
         "rows": {"dropped": {"all": 301, "exact_duplicate": 300, "leak": 1},
                  "added": {"all": 1, "balance": 1}},
         "examples": [{"where": HOSTILE, "action": "changed",
                       "why": [{"check": "encoding"}], "before": {"text": HOSTILE},
                       "after": {"text": "mended"}}]}
    ]  # fmt: skip
    path.write_text(json.dumps(said), "utf-8")
    return tmp_path / "run"


def test_matched_texts_stand_side_by_side_and_nothing_of_them_is_markup(folder):
    page = write_report(folder).read_text("utf-8")
    data = page[page.index('<section id="data">') : page.index('<section id="reproduce"')]
    assert "<mark>&lt;script&gt;alert(1)" in data
    assert not any(one in data for one in ALL[:4])
    assert "200 of 900 records were looked at with 2 checks, of each larger split" in page
    assert page.count('<div class="record">') == 1 + 2 * 2 + 2
    assert "b.jsonl:2 (titles, test)" in page
    assert "Read the <code>pairs</code> first." in page
    assert "Not looked for: wrong labels" in page
    assert page.index("held-out text in training") < page.index("text decoded wrongly")


def test_a_cleaned_copy_tells_what_became_of_its_rows(folder):
    page = write_report(folder).read_text("utf-8")
    assert "1,200 rows became 900: 301 left out (300 exact duplicate, 1 leak); 1 added" in page
    assert "The copy was changed after it was made." in page


def test_a_pair_that_stands_there_the_other_way_round_is_shown_once(folder):
    found = next(found_in(one, 3) for one in read_run(folder).cards.values() if "curation" in one)
    assert [len(kind.examples) for kind in found] == [2, 1]
    assert found[0].title == "held-out text in training"


def test_a_card_of_any_shape_is_no_traceback(folder):
    path = next(p for p in (folder / "data").glob("*.json") if "curation" in p.read_text("utf-8"))
    said = json.loads(path.read_text("utf-8"))
    for broken in (
        [],
        {"found": {"leak": 3}},
        {"found": {"leak": {"examples": [1, {"pieces": 4}]}}},
    ):
        path.write_text(json.dumps(said | {"curation": broken, "cleaned": [broken]}), "utf-8")
        assert "</html>" in write_report(folder).read_text("utf-8")
