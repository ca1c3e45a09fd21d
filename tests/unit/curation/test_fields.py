"""What rows say of themselves: counted by split, merged over blocks, told, and made even."""

import json
from collections import Counter

from curated import curated
from madrigal.cli.app import main
from madrigal.cli.curate_view import cards_markdown
from madrigal.curation import curate, of_files
from madrigal.curation.fields import MOST, lines

REGIONS = ("north", "north", "north", "south", "south", "isle")


def rows(count, start=0):
    return [
        {"text": f"the record of number {k} is here", "label": "ab"[k % 2], "id": k % 3,
         "region": REGIONS[k % 6], "number": f"n{k}", "year": k % 5,
         "said": "the very same" if k % 2 else ""}
        for k in range(start, start + count)
    ]  # fmt: skip


def test_values_are_counted_by_split_and_what_tells_rows_apart_is_not(tmp_path):
    (tmp_path / "t").mkdir()
    train, test = rows(60), rows(12, 600)
    for name, some in (("train", train), ("test", test)):
        text = "".join(json.dumps(row) + "\n" for row in some)
        (tmp_path / "t" / f"{name}.jsonl").write_text(text)
    found = curate(of_files(["t"], tmp_path), tmp_path / "out")
    counted = found.cards["t"]["fields"]
    assert set(counted) == {"region", "year"}
    for split, some in (("train", train), ("test", test)):
        wanted = Counter(row["region"] for row in some)
        assert counted["region"][split] == dict(wanted)
    assert list(counted["region"]["train"]) == ["north", "south", "isle"]
    said = (
        "by field 'region', train (test): 'north' 50.0% (50.0%), 'south' 33.3% (33.3%), "
        "'isle' 16.7% (16.7%)"
    )
    assert said in list(lines(counted))
    assert said in cards_markdown(found)


def test_blocks_add_up_however_the_file_is_cut(tmp_path, monkeypatch):
    whole = curated(tmp_path / "a", rows(100)).cards["t"]["fields"]
    monkeypatch.setattr("madrigal.curation.block.SIZE", 7)
    monkeypatch.setattr("madrigal.curation.work.SIZE", 7)
    assert curated(tmp_path / "b", rows(100)).cards["t"]["fields"] == whole


def test_a_field_of_many_values_in_one_block_alone_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr("madrigal.curation.block.SIZE", 50)
    monkeypatch.setattr("madrigal.curation.work.SIZE", 50)
    few = [row | {"source": "x" if k < 200 else f"s{k}"} for k, row in enumerate(rows(250))]
    assert len({row["source"] for row in few}) > MOST
    assert "source" not in curated(tmp_path, few).cards["t"]["fields"]


def test_a_field_is_made_even_by_request(tmp_path, capsys):
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(60)))
    out = tmp_path / "out"
    orders = ["--clean", "--balance", "down", "--by", "region", "--keep", "near_duplicate"]
    assert main(["curate", str(tmp_path / "r.jsonl"), "--out", str(out), *orders]) == 0
    assert "by field 'region', train: 'north' 50.0%" in " ".join(capsys.readouterr().out.split())
    copy = next((out / "clean").rglob("*.jsonl"))
    kept = Counter(json.loads(line)["region"] for line in copy.read_text().splitlines())
    assert kept == {"north": 10, "south": 10, "isle": 10}
