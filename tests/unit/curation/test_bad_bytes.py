"""Files that no one should have to read: how long it takes, how much memory, and what is said."""

import gzip
import json
import resource
import subprocess
import sys
import time

import pytest

from madrigal.curation import curate, of_files
from madrigal.errors import DataError

MEASURE = """
import resource, sys
from pathlib import Path
from madrigal.curation import curate, of_files
out = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = curate(of_files([sys.argv[2]], out), out / "out")
for one in found.read():
    if one.check == "unreadable":
        print(f"{one.where}: {one.evidence}")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def told(folder, name: str, content: bytes) -> list[str]:
    (folder / name).write_bytes(content)
    found = curate(of_files([name], folder), folder / "out")
    return [f"{one.where}: {one.evidence}" for one in found.read() if one.check == "unreadable"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in other units elsewhere")
def test_a_line_of_200_megabytes_is_one_finding_in_bounded_memory(tmp_path):
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(b'{"text": "before", "label": "a"}\n{"text": "')
        for _ in range(200):
            file.write(b"x" * (1 << 20))
        file.write(b'", "label": "a"}\n{"text": "after", "label": "b"}\n')
    command = [sys.executable, "-c", MEASURE, str(tmp_path), "a.jsonl"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    *said, more = ran.stdout.splitlines()
    assert said == ["a.jsonl:2: a line of more than 64 MiB, which is the limit; cut it"]
    assert int(more) < 300  # MiB: the limit, twice while it grows, and what reading takes by itself


def test_a_bomb_is_left_at_the_limit(tmp_path):
    """Two gigabytes and more of blanks in two megabytes: read to the limit and refused."""
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=9) as file:
        file.write(b'{"text": "a", "label": "b"}\n')
        for _ in range(33):
            file.write(b" " * (1 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("madrigal.curation.stream.UNPACKED_LIMIT", 1 << 24)
        with pytest.raises(Exception, match="unpacks to more than 16 MiB; unpack it yourself"):
            curate(of_files(["a.jsonl.gz"], tmp_path), tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 << 20  # KiB


def test_every_kind_of_line_end_parts_rows_and_stands_in_none(tmp_path):
    rows = [json.dumps({"text": f"row {i}", "label": "ab"[i % 2]}).encode() for i in range(4)]
    (tmp_path / "a.jsonl").write_bytes(
        rows[0] + b"\r\n" + rows[1] + b"\n\n\r\n" + rows[2] + b"\n" + rows[3]
    )
    found = curate(of_files(["a.jsonl"], tmp_path), tmp_path / "out")
    assert found.cards["a"]["records"]["train"] == 4
    assert "unreadable" not in found.cards["a"]["found"]
    assert [found.table.where(k) for k in range(4)] == [f"a.jsonl:{k}" for k in (1, 2, 5, 6)]


def test_a_lone_carriage_return_between_records_is_one_line_that_cannot_be_read(tmp_path):
    one = b'{"text": "a", "label": "b"}'
    (said,) = told(tmp_path, "a.jsonl", one + b"\n" + one + b"\r" + one + b"\n")
    assert said.startswith("a.jsonl:2: broken JSON at column 29")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_nesting_of_ten_thousand_is_refused_in_a_moment(tmp_path, name):
    deep = b"[" * 10_000 + b"]" * 10_000
    good = b'{"text": "a", "label": "b"}'
    content = {
        "a.jsonl": good + b'\n{"text": "a", "label": ' + deep + b"}\n",
        "a.json": b"[" + good + b', {"text": "a", "label": ' + deep + b"}]",
        "a.csv": b"text,label\na," + deep + b"\n",
    }[name]
    began = time.process_time()
    try:
        said = " ".join(told(tmp_path, name, content))
    except Exception as error:
        said = str(error)
    assert time.process_time() - began < 5
    if name != "a.csv":  # where it is a text like others
        assert "nested too deeply" in said


def test_nul_bytes_are_told_by_line(tmp_path):
    good = b'{"text": "a", "label": "b"}\n'
    said = told(tmp_path, "a.jsonl", good + b"\0" * 1000 + b"\n" + good + b'{"text": "\\u0000"}\n')
    assert said[0] == "a.jsonl:2: a NUL byte in column 1; this is no text"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_a_header_that_is_no_utf_8_is_refused(tmp_path, name):
    """Found by fuzzing: a cleaned copy of such a table could not be written."""
    mark = b"\t" if ".tsv" in name else b","
    content = mark.join([b"text", b"la\x97bel"]) + b"\n" + mark.join([b"a", b"b"]) + b"\n"
    packed = gzip.compress(content) if name.endswith("gz") else content
    with pytest.raises(DataError) as refused:
        told(tmp_path, name, packed)
    assert refused.value.mistakes == (f"{name}:1: byte 0x97 is not UTF-8; save the file as UTF-8",)


def test_a_field_s_name_with_line_breaks_is_told_in_one_line(tmp_path):
    content = b'"ad,b\na,b\x0b\nd",b\na,b\n'
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        curate(of_files(["a.csv"], tmp_path), tmp_path / "out")
    (line,) = caught.value.mistakes
    assert len(line.splitlines()) == 1
    assert "no known format has the fields 'ad,b a,b  d', 'b'; rename them" in line
