"""Files of any bytes, one row after another."""

import gzip
import json

import pytest

from madrigal.curation import stream
from madrigal.curation.reading import raw_row
from madrigal.curation.stream import items
from madrigal.errors import DataError
from madrigal.tasks.find import find_files


def read(path, content: bytes) -> list:
    path.write_bytes(content)
    (found,) = find_files(path.name, path.parent)
    return list(items(found))


def problems(path, content: bytes) -> list[str]:
    told = []
    for item in read(path, content):
        try:
            raw_row(item, path.name)
        except DataError as error:
            told += error.mistakes
    return told


def test_lines_are_read_with_their_numbers_and_blank_ones_are_passed_over(tmp_path):
    found = read(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text": "b"}')
    assert [item.where for item in found] == ["a.jsonl:1", "a.jsonl:4"]
    assert [raw_row(item, "a.jsonl").values["text"] for item in found] == ["a", "b"]


def test_packed_lines_are_read_like_plain_ones(tmp_path):
    found = read(tmp_path / "a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 3, mtime=0))
    assert [item.where for item in found][-1] == "a.jsonl.gz:3"


def test_a_table_keeps_the_line_where_a_row_begins(tmp_path):
    found = read(tmp_path / "a.csv", b'text,label\n"two\nlines",x\nb,y\n')
    assert [(item.where, item.values["label"]) for item in found] == [
        ("a.csv:2", "x"),
        ("a.csv:4", "y"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n',
         ["a.jsonl:2: broken JSON at column 10: Expecting value"]),
        ("a.jsonl", b'{"text": "caf\xe9"}\n',
         ["a.jsonl:1: byte 0xe9 in column 14 is not UTF-8; save the file as UTF-8"]),
        ("a.jsonl", b'{"text": "a\x00b"}\n',
         ["a.jsonl:1: a NUL byte in column 12; this is no text"]),
        ("a.jsonl", b"[" * 10_000 + b"]" * 10_000, ["a.jsonl:1: JSON nested too deeply"]),
        ("a.csv", b"text,label\na\n", ["a.csv:2: 1 cells; the header has 2"]),
        ("a.csv", b"text,label\ncaf\xe9,x\n",
         ["a.csv:2: byte 0xe9 is not UTF-8; save the file as UTF-8"]),
        ("a.csv", b'text,label\n"a,x\n',
         ["a.csv:2: broken CSV: unexpected end of data; what follows was not read"]),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_read_says_why_and_the_others_are_read(tmp_path, name, content, says):
    assert problems(tmp_path / name, content) == says


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"", "a.jsonl: the file is empty"),
        ("a.csv", b"\n", "a.csv: the file is empty"),
        ("a.jsonl", b"\xff\xfe{\x00",
         "a.jsonl: this is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"),
        ("a.jsonl.gz", b"{}",
         "a.jsonl.gz: not a gzip file, or a damaged one (Not a gzipped file (b'{}')); "
         "pack it again"),
        ("a.jsonl.gz", gzip.compress(b"{}\n" * 99, mtime=0)[:-12],
         "a.jsonl.gz: the gzip file ends early; copy it again"),
        ("a.csv", b"a,a\n1,2\n", "a.csv:1: column 'a' stands twice in the header"),
        ("a.parquet", b"no", "a.parquet: not a Parquet file, or a damaged one"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, says):
    with pytest.raises(DataError) as told:
        read(tmp_path / name, content)
    assert told.value.mistakes == (says,)


def test_a_line_past_the_limit_is_passed_over_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "LINE_LIMIT", 100)
    monkeypatch.setattr(stream, "_PIECE", 64)
    content = b'{"text": "a"}\n' + b"x" * 1000 + b'\n{"text": "b"}\n'
    assert problems(tmp_path / "a.jsonl", content) == [
        "a.jsonl:2: a line of more than 0 MiB, which is the limit; cut it"
    ]
    assert [item.where for item in read(tmp_path / "a.jsonl", content)][-1] == "a.jsonl:3"


def test_a_packed_file_may_not_unpack_to_more_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "UNPACKED_LIMIT", 2**20)
    with pytest.raises(DataError) as told:
        read(tmp_path / "a.jsonl.gz", gzip.compress(b" " * 3_000_000, mtime=0))
    said = "a.jsonl.gz: unpacks to more than 1 MiB; unpack it yourself"
    assert told.value.mistakes == (said,)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' * 9)
    (found,) = find_files("a.jsonl", tmp_path)
    reading = items(found)
    next(reading)
    path.write_text(json.dumps({"text": "b"}) + "\n")
    with pytest.raises(DataError) as told:
        list(reading)
    assert told.value.mistakes == (
        "a.jsonl: changed while it was read; wait until nothing writes to it, then curate again",
    )
