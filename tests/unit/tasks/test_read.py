"""Rows of every kind of file, each with where it stands."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from madrigal.tasks.find import find_files
from madrigal.tasks.read import read_file
from tasks_made import loaded

ROWS = [{"text": 'fine, "really"', "label": "good"}, {"text": "line\nbreak", "label": "bad"}]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = 'text,label\n"fine, ""really""",good\n"line\nbreak",bad\n'


def read(root, pattern):
    return [row for found in find_files(pattern, root) for row in read_file(found)[0]]


def values(rows):
    return [dict(row.values) for row in rows]


@pytest.mark.parametrize(
    ("name", "content", "second"),
    [
        ("a.jsonl", JSONL, "a.jsonl:2"),
        ("a.ndjson", JSONL.replace("\n", "\r\n"), "a.ndjson:2"),
        ("a.jsonl", "\ufeff\n" + JSONL, "a.jsonl:3"),
        ("a.json", json.dumps(ROWS), "a.json item 2"),
        ("a.json", json.dumps({"data": ROWS, "version": 2}), "a.json item 2"),
        ("a.json", json.dumps({"anything": ROWS}), "a.json item 2"),
        ("a.json", json.dumps({"examples": {"1": ROWS[0], "2": ROWS[1]}}), "a.json item 2"),
        ("a.json", JSONL, "a.json:2"),
        ("a.csv", CSV, "a.csv:3"),
        ("a.csv", "\ufeff" + CSV, "a.csv:3"),
        ("a.csv", CSV.replace(",", ";").replace("fine;", "fine,"), "a.csv:3"),
        ("a.tsv", CSV.replace("text,", "text\t").replace('",', '"\t'), "a.tsv:3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_tables(name, content, second, packed, tmp_path):
    name = name + ".gz" * packed
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    rows = read(tmp_path, name)
    assert values(rows) == ROWS
    assert rows[1].where == second.replace(name.removesuffix(".gz"), name)


def test_the_other_keys_of_an_object_are_its_header(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"Definition": "d", "Instances": ROWS}))
    rows = read(tmp_path, "a.json")
    assert [row.header for row in rows] == [{"Definition": "d"}] * 2


def test_one_object_is_one_row(tmp_path):
    (tmp_path / "a.json").write_text('{"text": "x"}')
    assert values(read(tmp_path, "a.json")) == [{"text": "x"}]


def test_line_separators_inside_strings_end_no_line(tmp_path):
    row = {"text": "a\u2028b\u0085c"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert values(read(tmp_path, "a.jsonl")) == [row]


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    rows = read(tmp_path, "a.parquet")
    assert values(rows) == ROWS
    assert rows[1].where == "a.parquet row 2"


def test_texts(tmp_path):
    (tmp_path / "law" / "deep").mkdir(parents=True)
    (tmp_path / "law" / "b.txt").write_text("one\n\ntwo\n")
    (tmp_path / "law" / "deep" / "a.md").write_bytes(b"\xef\xbb\xbfthree\r\nfour\r\n")
    (tmp_path / "law" / ".hidden.txt").write_text("no")
    (tmp_path / "law" / "c.pdf").write_text("no")
    rows = read(tmp_path, "law")
    assert [(row.where, row.values["text"]) for row in rows] == [
        ("law/b.txt", "one\n\ntwo"),
        ("law/deep/a.md", "three\nfour"),
    ]
    assert read(tmp_path, "law/*.txt") == rows[:1]
    assert read(tmp_path, ("law/b.txt", "law/deep/a.md")) == rows


def test_end_of_text_separates_documents(tmp_path):
    (tmp_path / "a.txt").write_text("one\nmore\n<|endoftext|>\ntwo<|endoftext|>\n")
    rows = read(tmp_path, "a.txt")
    assert [(row.where, row.values["text"]) for row in rows] == [
        ("a.txt document 1", "one\nmore"),
        ("a.txt document 2", "two"),
    ]


def test_a_variable_names_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MADRIGAL_DATA", str(tmp_path))
    (tmp_path / "a.txt").write_text("x")
    (row,) = read(tmp_path / "elsewhere", "$MADRIGAL_DATA/a.txt")
    assert row.where == "$MADRIGAL_DATA/a.txt"


def test_files_are_described_for_the_manifest(tmp_path):
    (tmp_path / "a.jsonl").write_text(JSONL)
    task = loaded({"test": "a.jsonl"}, tmp_path)
    (file,) = task.files
    assert (file.path, file.bytes, file.records) == ("a.jsonl", len(JSONL), 2)
    import hashlib

    assert file.sha256 == hashlib.sha256(JSONL.encode()).hexdigest()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred), ("a.tgz", tarred)]
)
def test_archives(name, pack, tmp_path):
    members = {"d/b.jsonl": JSONL, "d/a.jsonl": '{"text": "x"}\n', "d/readme.pdf": "no"}
    (tmp_path / name).write_bytes(pack(members))
    rows = read(tmp_path, name)
    assert [row.where for row in rows] == [
        f"{name}/d/a.jsonl:1", f"{name}/d/b.jsonl:1", f"{name}/d/b.jsonl:2",
    ]  # fmt: skip
    assert values(read(tmp_path, f"{name}/d/b.jsonl")) == ROWS
