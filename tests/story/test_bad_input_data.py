"""Every mistake in a user's data has its one clear line; the sentences are read here."""

import gzip
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from madrigal.tasks import archive, decode, labels
from tasks_made import mistakes_of

Content = bytes | str | list


@dataclass(frozen=True)
class Bad:
    """Files, the task that reads them, and all that is said about it."""

    says: str | list[str]
    files: dict[str, Content | Callable[[], Content]] = field(default_factory=dict)
    data: object = "a.jsonl"
    settings: dict[str, object] = field(default_factory=dict)


def rows(count: int = 4, **extra) -> list[dict[str, object]]:
    return [{"text": f"t{i}", "label": "ab"[i % 2], **extra} for i in range(count)]


def zipped(name: str, content: str = "x", mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        file.writestr(info, content)
    return buffer.getvalue()


def tarred(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = "/etc/passwd"
        file.addfile(info, io.BytesIO(b""))
    return buffer.getvalue()


CASES = {
    # The file itself.
    "a missing file, with a name near it": Bad(
        "trian.jsonl: no such file; did you mean 'train.jsonl'?",
        {"train.jsonl": rows()},
        "trian.jsonl",
    ),
    "a missing folder": Bad(
        "reviews/train.jsonl: no such file; there is no folder 'reviews'",
        data="reviews/train.jsonl",
    ),
    "every missing file at once": Bad(
        ["x.jsonl: no such file", "y.jsonl: no such file"],
        data={"train": "x.jsonl", "test": "y.jsonl"},
    ),
    "a pattern without a match": Bad("law/*.txt: no file matches this pattern", data="law/*.txt"),
    "a folder without texts": Bad(
        "law: a folder without text files (.txt); it holds 'notes.pdf'",
        {"law/notes.pdf": "x"},
        "law",
    ),
    "an unknown kind of file": Bad(
        "a.xlsx: unknown kind of file '.xlsx'; known: .jsonl, .ndjson, .json, .csv, .tsv, "
        ".parquet, .txt, .text, .md (also .gz)",
        {"a.xlsx": "x"},
        "a.xlsx",
    ),
    "an empty file": Bad("a.jsonl: the file is empty", {"a.jsonl": ""}),
    "a file of blank lines": Bad("a.jsonl: the file is empty", {"a.jsonl": "\n\n \n"}),
    "an empty list": Bad("a.json: the file holds no rows", {"a.json": "[]"}, "a.json"),
    "a table of a header only": Bad("a.csv: the file holds no rows", {"a.csv": "a,b\n"}, "a.csv"),
    "a variable that is not set": Bad(
        "$MADRIGAL_DATA/a.jsonl: the environment variable MADRIGAL_DATA is not set",
        data="$MADRIGAL_DATA/a.jsonl",
    ),
    # Bytes.
    "Windows-1252": Bad(
        "a.csv:2: byte 0xe9 at offset 14 is not UTF-8; if the file is Windows-1252, convert it: "
        "iconv -f WINDOWS-1252 -t UTF-8",
        {"a.csv": "text,label\ncafé,x\n".encode("cp1252")},
        "a.csv",
    ),
    "wrong bytes after a byte-order mark": Bad(
        "a.txt:1: byte 0xff at offset 4 is not UTF-8; if the file is Windows-1252, convert it: "
        "iconv -f WINDOWS-1252 -t UTF-8",
        {"a.txt": b"\xef\xbb\xbfa\xffb"},
        "a.txt",
    ),
    "UTF-16": Bad(
        "a.jsonl: this is UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
        {"a.jsonl": '{"text": "x"}'.encode("utf-16")},
    ),
    "a NUL byte": Bad(
        "a.txt: a NUL byte at offset 2; this is a binary file or not UTF-8 text",
        {"a.txt": b"ab\0c"},
        "a.txt",
    ),
    "no gzip file": Bad(
        "a.jsonl.gz: not a gzip file, or a damaged one (Not a gzipped file (b'{}'))",
        {"a.jsonl.gz": "{}"},
        "a.jsonl.gz",
    ),
    "half a gzip file": Bad(
        "a.jsonl.gz: the gzip file ends early; copy it again",
        {"a.jsonl.gz": gzip.compress(b'{"text": "hello"}\n' * 9)[:-12]},
        "a.jsonl.gz",
    ),
    "a gzip bomb": Bad(
        "a.jsonl.gz: unpacks to more than 1 MiB; unpack it yourself",
        {"a.jsonl.gz": gzip.compress(b" " * 3_000_000)},
        "a.jsonl.gz",
    ),
    "no Parquet file": Bad(
        "a.parquet: not a Parquet file, or a damaged one", {"a.parquet": "x"}, "a.parquet"
    ),
    # Archives.
    "a member above its archive": Bad(
        "a.zip: the member '../../x.jsonl' leaves the archive's folder; refused",
        {"a.zip": zipped("../../x.jsonl")},
        "a.zip",
    ),
    "a member with an absolute path": Bad(
        "a.tar.gz: the member '/etc/x.txt' leaves the archive's folder; refused",
        {"a.tar.gz": tarred("/etc/x.txt")},
        "a.tar.gz",
    ),
    "a member in the manner of Windows": Bad(
        "a.zip: the member 'C:\\x.txt' leaves the archive's folder; refused",
        {"a.zip": zipped("C:\\x.txt")},
        "a.zip",
    ),
    "a symbolic link in a tar file": Bad(
        "a.tar.gz: the member 'x.txt' is a link or device; refused",
        {"a.tar.gz": tarred("x.txt", tarfile.SYMTYPE)},
        "a.tar.gz",
    ),
    "a symbolic link in a zip file": Bad(
        "a.zip: the member 'x.txt' is a link or device; refused",
        {"a.zip": zipped("x.txt", "/etc/passwd", 0o120777)},
        "a.zip",
    ),
    "an archive without data": Bad(
        "a.zip: no data file in the archive", {"a.zip": zipped("x.exe")}, "a.zip"
    ),
    "a member that is not there": Bad(
        "a.zip: no data file 'y.txt' in the archive", {"a.zip": zipped("x.txt")}, "a.zip/y.txt"
    ),
    "an archive that unpacks to too much": Bad(
        "a.zip: unpacks to more than 1 MiB", {"a.zip": zipped("x.txt", "x" * 2**21)}, "a.zip"
    ),
    "no archive": Bad(
        "a.zip: not an archive, or a damaged one (File is not a zip file)", {"a.zip": "x"}, "a.zip"
    ),
    # JSON.
    "a broken line": Bad(
        "a.jsonl:2: broken JSON at column 14: Expecting ',' delimiter",
        {"a.jsonl": '{"text": "a"}\n{"text": "b" ]\n{"text": "c"}\n'},
    ),
    "several broken lines": Bad(
        ["a.jsonl:1: broken JSON at column 1: Expecting value",
         "a.jsonl:3: broken JSON at column 1: Expecting value"],
        {"a.jsonl": 'x\n{"text": "b"}\ny\n'},
    ),
    "many broken lines": Bad(
        [*(f"a.jsonl:{i}: broken JSON at column 1: Expecting value" for i in range(1, 6)),
         "a.jsonl: and 37 more"],
        {"a.jsonl": "x\n" * 42},
    ),
    "a key twice": Bad(
        "a.jsonl:2: key 'label' stands twice in one object; keep one",
        {"a.jsonl": '{"text": "a", "label": "x"}\n{"text": "b", "label": "x", "label": "y"}\n'},
    ),
    "a key twice inside a row of a list": Bad(
        "a.json: key 'text' stands twice in one object; keep one",
        {"a.json": '[{"question": "q", "answers": {"text": ["a"], "text": ["b"]}}]'},
        "a.json",
    ),
    "a line that is a list": Bad(
        "a.jsonl:1: a list where an object with fields was expected", {"a.jsonl": "[1]\n"}
    ),
    "a list of strings": Bad(
        "a.json item 1: a string where an object with fields was expected",
        {"a.json": '["a"]'},
        "a.json",
    ),
    "a file that is a number": Bad(
        "a.json: holds a number, not a list of objects", {"a.json": "7"}, "a.json"
    ),
    "a broken file": Bad(
        "a.json: broken JSON at line 2: Expecting value",
        {"a.json": '[{"text": "x"},\n}]'},
        "a.json",
    ),
    "nested too deeply": Bad(
        "a.jsonl:1: JSON nested too deeply", {"a.jsonl": "[" * 100_000 + "]" * 100_000}
    ),
    "a number of thousands of digits": Bad(
        "a.jsonl:1: broken JSON: a number of thousands of digits",
        {"a.jsonl": f'{{"text": {"9" * 5000}}}'},
    ),
    "half a character": Bad(
        "a.jsonl:1: half of a surrogate pair (\\ud800 to \\udfff); not a character",
        {"a.jsonl": '{"text": "\\ud83d"}'},
    ),
    "a line of many megabytes": Bad(
        "a.jsonl:1: a line of 65 MiB; the limit is 64 MiB",
        {"a.jsonl": lambda: b'{"text": "' + b"x" * (65 * 2**20) + b'"}\n'},
    ),
    # Tables.
    "a row with too many cells": Bad(
        "a.csv:3: 3 cells; the header has 2", {"a.csv": "text,label\na,x\nb,y,z\n"}, "a.csv"
    ),
    "a column twice": Bad(
        "a.csv:1: column 'text' stands twice in the header", {"a.csv": "text,text\na,b\n"}, "a.csv"
    ),
    "a quote that never ends": Bad(
        "a.csv:3: broken CSV: unexpected end of data", {"a.csv": 'text,label\n"a,x\nb,y'}, "a.csv"
    ),
    # Fields.
    "a field missing in line 41": Bad(
        "a.jsonl:41: no field 'label'; found 'text', 'lable'; did you mean 'lable'?",
        {"a.jsonl": [*rows(40), {"text": "x", "lable": "a"}, *rows(9)]},
    ),
    "a null label": Bad(
        "a.jsonl:5: field 'label' is null", {"a.jsonl": [*rows(), {"text": "x", "label": None}]}
    ),
    "an empty text": Bad(
        "a.jsonl:5: field 'text' is empty", {"a.jsonl": [*rows(), {"text": " ", "label": "a"}]}
    ),
    "a text that is a list": Bad(
        "a.jsonl:5: field 'text' is a list where text was expected",
        {"a.jsonl": [*rows(), {"text": ["x"], "label": "a"}]},
    ),
    "unknown fields": Bad(
        "a.jsonl:1: no known format has the fields 'a', 'b'; rename them with `columns`, or write "
        "`prompt` and `answer` templates",
        {"a.jsonl": [{"a": 1, "b": 2}]},
    ),
    "a wrong format named": Bad(
        ["a.jsonl:1: no field 'messages'; found 'text', 'label'",
         "a.jsonl:2: no field 'messages'; found 'text', 'label'"],
        {"a.jsonl": rows(2)},
        {"train": "a.jsonl", "format": "messages"},
    ),
    "a column that is not there": Bad(
        "a.jsonl:1: no field 'review'; found 'text', 'label'",
        {"a.jsonl": rows(1)},
        {"train": "a.jsonl", "columns": {"text": "review"}},
    ),
    "an unknown field in a prompt": Bad(
        "a.jsonl:1: no field 'txt'; found 'text', 'label', 'labels'; did you mean 'text'?",
        {"a.jsonl": [*rows(1), {"text": "x", "label": "b", "txt": "y"}]},
        settings={"prompt": "{txt}"},
    ),
    "braces that are not doubled": Bad(
        "a.jsonl:1: no field '\"a\": 1'; found 'text', 'label', 'labels'",
        {"a.jsonl": [{"text": "x", "label": "a"}, {"text": "y", "label": "b", '"a": 1': "z"}]},
        settings={"prompt": '{"a": 1} {text}'},
    ),
    "a prompt that comes out empty": Bad(
        "a.jsonl:2: the prompt is empty",
        {"a.jsonl": [{"q": "x", "a": "y"}, {"q": "", "a": "z"}]},
        settings={"prompt": "{q}", "answer": "{a}"},
    ),
    "an answer that comes out empty": Bad(
        "a.jsonl:2: the answer is empty",
        {"a.jsonl": [{"q": "x", "a": "y"}, {"q": "z", "a": " "}]},
        settings={"prompt": "{q}", "answer": "{a}"},
    ),
    "a prompt for raw text": Bad(
        "tasks.t.prompt: the data is raw text, which has no prompt and no answer; leave it out, "
        "or name the format in `data.format`",
        {"a.txt": "x"},
        "a.txt",
        {"prompt": "{text}"},
    ),
    # Labels and choices.
    "a label that is not in the list": Bad(
        "a.jsonl:3: label 'c' is not in the labels 'a', 'b'",
        {"a.jsonl": [*rows(2), {"text": "x", "label": "c"}]},
        settings={"labels": ["a", "b"]},
    ),
    "one label only": Bad(
        "tasks.t: only the label 'a' in the data, so there is nothing to choose; name all labels "
        "in `labels`",
        {"a.jsonl": rows(1)},
    ),
    "one label given": Bad(
        "tasks.t.labels: one label leaves nothing to choose; give two or more",
        {"a.jsonl": rows(1)},
        settings={"labels": ["a"]},
    ),
    "labels that are no labels": Bad(
        "tasks.t: 6 different labels in the data (limit 5); for free answers write "
        "`format: prompt_completion` and `columns`",
        {"a.jsonl": [{"text": "x", "label": f"a whole sentence {i}"} for i in range(6)]},
    ),
    "labels where records bring choices": Bad(
        "tasks.t.labels: the records bring their own choices; leave it out",
        {"a.jsonl": [{"question": "q", "choices": ["x", "y"], "answer": 0}]},
        settings={"labels": ["x", "y"]},
    ),
    "an answer that is none of the choices": Bad(
        "a.jsonl:1: the answer '5' is none of the choices 'x', 'y', no letter A to B and no index "
        "0 to 1",
        {"a.jsonl": [{"question": "q", "choices": ["x", "y"], "answer": 5}]},
    ),
    "the same choice twice": Bad(
        "a.jsonl:1: the same choice stands twice",
        {"a.jsonl": [{"question": "q", "choices": ["x", "x"], "answer": 0}]},
    ),
    "choices in some rows only": Bad(
        "a.jsonl:2: no choices, though other records have them",
        {"a.jsonl": [{"prompt": "q", "completion": "x", "choices": ["x", "y"]},
                     {"prompt": "r", "completion": "x"}]},
    ),
    # Conversations.
    "a conversation without an answer": Bad(
        "a.jsonl:1: the conversation has no answer of the assistant to learn",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"}]}]},
    ),
    "an unknown role": Bad(
        "a.jsonl:1: message 2 has the role 'robot'; known: 'system', 'developer', 'user', 'human', "
        "'prompter', 'assistant', 'gpt', 'model', 'bot'",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"},
                                   {"role": "robot", "content": "ho"}]}]},
    ),
    "a picture": Bad(
        "a.jsonl:1: message 1 has a part of type 'image_url'; only text can be trained",
        {"a.jsonl": [{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}]},
    ),
    "a tool call": Bad(
        "a.jsonl:1: message 1 calls a tool; conversations with tools cannot be trained yet",
        {"a.jsonl": [{"messages": [{"role": "assistant", "tool_calls": [{}], "content": ""}]}]},
    ),
    "a weight between": Bad(
        "a.jsonl:1: message 2 has the weight 0.5; only 0 and 1 are known",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"},
                                   {"role": "assistant", "content": "ho", "weight": 0.5}]}]},
    ),
    "nothing but answers of weight 0": Bad(
        "a.jsonl:1: every answer of the assistant has the weight 0",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"},
                                   {"role": "assistant", "content": "ho", "weight": 0}]}]},
    ),
    "an answer in two messages of two weights": Bad(
        "a.jsonl:1: message 3 and the one before are one answer, but only one has the weight 0; "
        "give both the same",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"},
                                   {"role": "assistant", "content": "ho", "weight": 0},
                                   {"role": "assistant", "content": "hum"}]}]},
    ),
    "a system message in the middle": Bad(
        "a.jsonl:1: message 2 is a system message; it must be the first",
        {"a.jsonl": [{"messages": [{"role": "user", "content": "hi"},
                                   {"role": "system", "content": "ho"}]}]},
    ),
    "a history that is no list of pairs": Bad(
        "a.jsonl:1: field 'history' must hold pairs of question and answer",
        {"a.jsonl": [{"instruction": "x", "output": "y", "history": [["a"]]}]},
    ),
    # The task.
    "no data at all": Bad(
        "tasks.t.data: give one of paths, `hub` and `bundled`; found none", data={}
    ),
    "paths and a hub data set": Bad(
        "tasks.t.data: give one of paths, `hub` and `bundled`; found more than one",
        data={"train": "a.jsonl", "hub": {"id": "a/b"}},
    ),
    "an unknown bundled task": Bad(
        "tasks.t.data.bundled: no bundled task 'sentimnet'; did you mean 'sentiment'?",
        data={"bundled": "sentimnet"},
    ),
    "no test split": Bad(
        "tasks.t.data: no test file, and split.test is 0; name a `test` file or raise it",
        {"a.jsonl": rows()},
        {"train": "a.jsonl", "split": {"test": 0.0}},
    ),
    "one prompt only": Bad(
        "tasks.t.data: no test records: all prompts are alike, so none can be held out; name a "
        "`test` file",
        {"a.jsonl": [{"text": "x", "label": "a"}, {"text": "X ", "label": "b"}]},
    ),
    "nothing to train on": Bad(
        "tasks.t.data: no training records, yet a stage learns it",
        {"a.jsonl": rows(), "b.jsonl": rows()},
        {"train": "a.jsonl", "test": "b.jsonl"},
    ),
    "a metric that does not fit": Bad(
        "tasks.t.metric: 'rouge_l' does not fit a choice task; take one of accuracy, macro_f1",
        {"a.jsonl": rows(40)},
        settings={"metric": "rouge_l"},
    ),
    "a choice metric for free answers": Bad(
        "tasks.t.metric: 'accuracy' does not fit a task of free answers; take one of exact_match, "
        "token_f1, rouge_l, bleu, chrf; give `labels` to make it a choice",
        {"a.jsonl": [{"prompt": f"p{i}", "completion": "c"} for i in range(40)]},
        settings={"metric": "accuracy"},
    ),
    "macro-F1 without common labels": Bad(
        "tasks.t.metric: macro_f1 needs one set of labels for all records; here each brings its "
        "own choices; take accuracy",
        {"a.jsonl": [{"question": f"q{i}", "choices": [f"x{i}", "y"], "answer": 0}
                     for i in range(40)]},
        settings={"metric": "macro_f1"},
    ),
    "a cluster field that is not there": Bad(
        "tasks.t.cluster: a.jsonl:1 has no field 'page'; found 'text', 'label'",
        {"a.jsonl": rows(40)},
        settings={"cluster": "page"},
    ),
}  # fmt: skip


def test_there_are_many():
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_says(name, tmp_path, monkeypatch):
    case = CASES[name]
    monkeypatch.delenv("MADRIGAL_DATA", raising=False)
    if "unpacks" in str(case.says):
        monkeypatch.setattr(decode, "UNPACKED_LIMIT", 2**20)
        monkeypatch.setattr(archive, "UNPACKED_LIMIT", 2**20)
    if name == "labels that are no labels":
        monkeypatch.setattr(labels, "MOST_LABELS", 5)
    for path, content in case.files.items():
        write(tmp_path / path, content() if callable(content) else content)
    before = sorted(tmp_path.rglob("*"))
    stage = {"name": "s", "learn": ["t"], "steps": 1}
    found = mistakes_of(tmp_path, {"t": {"data": case.data, **case.settings}}, [stage])
    assert list(found) == ([case.says] if isinstance(case.says, str) else case.says)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written"


def write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_mistakes_of_all_tasks_are_told_at_once(tmp_path):
    write(tmp_path / "a.jsonl", "{\n")
    tasks = {"one": {"data": "a.jsonl"}, "two": {"data": "b.csv"}, "three": {"data": "a.jsonl"}}
    assert mistakes_of(tmp_path, tasks) == (
        "a.jsonl:1: broken JSON at column 2: Expecting property name enclosed in double quotes",
        "b.csv: no such file",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix permissions")
def test_an_unreadable_file(tmp_path):
    (tmp_path / "a.txt").symlink_to("nowhere")
    assert mistakes_of(tmp_path, {"t": {"data": "a.txt"}}) == (
        "a.txt: no such file; the link points to 'nowhere', which does not exist",
    )
