"""Copies that say so are no duplicates of what they were made of, and share its fate."""

import json

import pytest

from curated import curated, told
from madrigal.cli.app import main
from madrigal.curation.clean import clean

LONG = "the river runs past the old mill and under the stone bridge to the harbour of the town"


def row(text: str, label: str = "x", of: str = "") -> dict[str, str]:
    return {"text": text, "label": label} | ({"copy_of": of} if of else {})


def test_marked_copies_are_no_duplicates_and_unmarked_ones_are(tmp_path):
    rows = [row("one", of="a:1"), row("one"), row("one", of="a:1"), row("one"), row("two")]
    found = curated(tmp_path, rows)
    assert told(found, "exact_duplicate") == {"train.jsonl:4": ("train.jsonl:2", "one")}
    assert told(found, "near_duplicate") == {}


def test_copies_whose_record_is_gone_are_no_duplicates_either(tmp_path):
    found = curated(tmp_path, [row("one", of="a:1"), row("one", of="a:1"), row("two")])
    assert told(found, "exact_duplicate") == {}


def test_an_empty_mark_marks_nothing(tmp_path):
    """As in a table, whose other rows have the column too."""
    found = curated(tmp_path, [row("one") | {"copy_of": ""}, row("one") | {"copy_of": ""}])
    assert set(told(found, "exact_duplicate")) == {"train.jsonl:2"}


def test_what_nearly_leaks_goes_with_all_its_copies(tmp_path):
    made = [row(f"{LONG} now", of="a:1"), row(f"{LONG} now"), row(f"{LONG} now", of="a:1")]
    found = curated(tmp_path, [*made, row("another")], [row(f"{LONG} too")])
    assert set(told(found, "near_leak")) == {f"train.jsonl:{k}" for k in (1, 2, 3)}
    copy = clean(found, tmp_path / "out").copies["t/train.jsonl"]
    assert [json.loads(line) for line in copy.read_text().splitlines()] == [row("another")]


def test_a_near_duplicate_goes_with_all_its_copies(tmp_path):
    rows = [row(f"{LONG} now"), row(f"{LONG} too"), row(f"{LONG} too", of="a:2"), row("another")]
    found = curated(tmp_path, rows)
    assert set(told(found, "near_duplicate")) == {"train.jsonl:2", "train.jsonl:3"}


def test_what_gives_held_out_text_away_goes_with_all_its_copies(tmp_path):
    said = f"As was said by many before: {LONG} and nobody knew why that was so or cared to ask"
    rows = [row(said), *[row(said, of="a:1")] * 5, row("another one of them")]
    found = curated(tmp_path, rows, [row(LONG), row("a first"), row("a second")],
                    deep=["contamination"])  # fmt: skip
    named = {where for where in told(found, "contamination") if where.startswith("train")}
    assert named == {f"train.jsonl:{k}" for k in range(1, 7)}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_a_copy_made_even_is_whole_when_it_is_curated_and_cleaned_again(
    tmp_path, monkeypatch, capsys, name
):
    monkeypatch.chdir(tmp_path)
    texts = [f"{['river', 'tower', 'chapel'][k % 3]} {k * 37} and {k * 911}" for k in range(24)]
    rows = [{"text": text, "label": "xy"[k % 4 == 3]} for k, text in enumerate(texts)]
    content = {
        "a.jsonl": "".join(json.dumps(one) + "\n" for one in rows),
        "a.csv": "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows),
        "a.json": json.dumps(rows),
    }[name]
    (tmp_path / name).write_text(content)
    assert main(["curate", name, "--out", "one", "--clean", "--balance", "up"]) == 0
    made = tmp_path / "one" / "clean" / "a" / name
    capsys.readouterr()
    assert main(["curate", str(made), "--out", "two", "--clean"]) == 0
    said = capsys.readouterr().out
    assert "duplicate" not in said
    assert "12 marked copies" in said
    assert (tmp_path / "two" / "clean" / "a" / name).read_bytes() == made.read_bytes()
    assert json.loads((tmp_path / "two" / "cards" / "a.json").read_text())["copies"] == 12
