"""Looking at all blocks: stopped anywhere it goes on, and what is told of it adds up."""

import csv
import gzip
import io
import json

import pytest

from madrigal.curation import curate, of_files
from madrigal.curation.work import Shard, look_at_all

ROWS = [{"text": f"number {k * 7919} of them", "label": "ab"[k % 3 == 0]} for k in range(60)]


def lines() -> bytes:
    return b"\n".join(json.dumps(row).encode() + b"\n" * (k % 3) for k, row in enumerate(ROWS))


def table() -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, ["text", "label"])
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue().encode()


def columns() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


FILES = {
    "a.jsonl": lines,
    "a.jsonl.gz": lambda: gzip.compress(lines(), mtime=0),
    "a.csv": table,
    "a.csv.gz": lambda: gzip.compress(table(), mtime=0),
    "a.json": lambda: json.dumps(ROWS).encode(),
    "a.parquet": columns,
    "a.txt": lambda: b"one text\n<|endoftext|>\nanother\n<|endoftext|>\nand the last\n",
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("madrigal.curation.block.SIZE", 7)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_bytes_that_are_told_add_up_to_those_of_the_files(tmp_path, name, parts):
    """So a progress bar ends when the last record was looked at, and not before."""
    (tmp_path / name).write_bytes(FILES[name]())
    (tmp_path / "b.jsonl").write_bytes(lines())
    sources = of_files([name, "b.jsonl"], tmp_path)
    whole = sum(path.stat().st_size for path in tmp_path.iterdir())
    for number in range(1, parts + 1):
        told: list[int] = []
        look_at_all(sources, tmp_path / "work", shard=Shard(number, parts), tell=told.append)
        assert sum(told) == whole
        assert min(told) >= 0
    again: list[int] = []
    look_at_all(sources, tmp_path / "work", tell=again.append)
    assert sum(again) == whole


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.parquet"])
def test_half_of_the_bytes_are_told_when_half_of_the_rows_were_looked_at(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name]())
    told: list[int] = []
    look_at_all(of_files([name], tmp_path), tmp_path / "work", tell=told.append)
    assert sum(told[:4]) == pytest.approx(sum(told) * 28 / 60, rel=0.15)


@pytest.mark.parametrize("after", [1, 4, 9])
def test_stopped_anywhere_the_same_call_goes_on_and_looks_at_no_block_twice(
    tmp_path, monkeypatch, after
):
    (tmp_path / "a.jsonl").write_bytes(lines())
    sources = of_files(["a.jsonl"], tmp_path)
    never = curate(sources, tmp_path / "one")
    told: list[int] = []

    def stopped(size: int) -> None:
        told.append(size)
        if len(told) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        curate(sources, tmp_path / "two", tell=stopped)
    assert not (tmp_path / "two" / "findings.jsonl").exists()
    looked_at: list[int] = []
    from madrigal.curation import work

    look = work._look
    monkeypatch.setattr(
        work, "_look", lambda path, block, source: (looked_at.append(block.number),
                                                    look(path, block, source))
    )  # fmt: skip
    went_on = curate(sources, tmp_path / "two")
    assert looked_at == [*range(after, 9)]
    assert went_on.cards == never.cards
    assert went_on.findings.read_bytes() == never.findings.read_bytes()


def test_a_block_that_was_half_written_is_looked_at_again(tmp_path):
    """Its words are written last: numbers without words are no block."""
    (tmp_path / "a.jsonl").write_bytes(lines())
    sources = of_files(["a.jsonl"], tmp_path)
    never = curate(sources, tmp_path / "one")
    curate(sources, tmp_path / "two")
    (block,) = (tmp_path / "two" / "work").rglob("0000-000003.npz")
    block.write_bytes(block.read_bytes()[:100])
    block.with_suffix(".json").unlink()
    again = curate(sources, tmp_path / "two")
    assert again.findings.read_bytes() == never.findings.read_bytes()


def test_blocks_of_a_file_that_changed_or_is_read_otherwise_are_not_taken(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines())
    curate(of_files(["a.jsonl"], tmp_path), tmp_path / "out")
    rows = [row | {"text": row["text"] + "\u200b"} for row in ROWS]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    found = curate(of_files(["a.jsonl"], tmp_path), tmp_path / "out")
    assert found.cards["a"]["found"]["control_characters"]["records"] == 60
