"""Any bytes at all: a file is read, or refused in one line; the same in parts."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madrigal.curation import curate, of_files
from madrigal.curation.block import blocks, stored
from madrigal.curation.checks import look
from madrigal.curation.clean import clean
from madrigal.curation.sample import Sample
from madrigal.curation.shingles import normalised
from madrigal.curation.work import Shard, look_at_all
from madrigal.errors import DataError

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SUFFIXES = ("jsonl", "json", "csv", "tsv", "txt", "parquet", "jsonl.gz", "zip", "tar")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["text", "label", "prompt", "completion", "messages", "role", "content"]),
    inner, max_size=4), max_leaves=8)  # fmt: skip
fields = st.sampled_from(
    ["text", "label", "prompt", "completion", "question", "answer", "answers", "messages", "input",
     "output", "instruction", "chosen", "rejected", "choices", "conversations", "rating"]
)  # fmt: skip
lines = st.lists(
    st.dictionaries(fields, values, max_size=5).map(lambda row: json.dumps(row).encode())
    | st.binary(max_size=40),
    max_size=8,
).flatmap(lambda rows: st.sampled_from([b"\n", b"\r\n", b"\r"]).map(lambda end: end.join(rows)))


def tried(folder, name: str, content: bytes) -> None:
    """Curates and cleans, or is refused with sentences of one line each."""
    (folder / name).write_bytes(content)
    mistakes: tuple[str, ...] = ("read",)
    try:
        found = curate(of_files([name], folder), folder / "out", deep=True)
        list(found.read())
        clean(found, folder / "out")
    except DataError as error:
        mistakes = error.mistakes
    assert mistakes
    assert all(said and "\n" not in said for said in mistakes)
    assert (folder / name).read_bytes() == content


@QUICK
@given(suffix=st.sampled_from(SUFFIXES), content=st.binary(max_size=400))
def test_random_bytes_give_no_traceback(tmp_path_factory, suffix, content):
    tried(tmp_path_factory.mktemp("a"), f"a.{suffix}", content)


@settings(QUICK, max_examples=60)
@given(suffix=st.sampled_from(["jsonl", "json", "csv", "jsonl.gz"]), content=lines)
def test_records_of_any_shape_give_no_traceback(tmp_path_factory, suffix, content):
    packed = gzip.compress(content) if suffix.endswith("gz") else content
    tried(tmp_path_factory.mktemp("a"), f"a.{suffix}", packed)


@settings(deadline=None, max_examples=150)
@given(st.text(), st.text(), st.text())
def test_any_text_can_be_looked_at(prompt, answer, text):
    for sample in (Sample("a:1", prompt, prompt, (answer,)), Sample("a:1", text=text)):
        for seen in look(sample):
            assert "\n" not in seen.evidence
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize("depth", [500, 950, 990, 10_000])
def test_deep_json_is_read_or_refused(tmp_path, depth):
    deep = '{"text": "a", "label": ' + "[" * depth + "]" * depth + "}\n"
    tried(tmp_path, "a.jsonl", b'{"text": "a", "label": "b"}\n' + deep.encode())


@QUICK
@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=30), st.integers(1, 5))
def test_parts_laid_side_by_side_are_the_whole(tmp_path_factory, texts, parts):
    folder = tmp_path_factory.mktemp("a")
    rows = [json.dumps({"text": one * 9, "label": "xy"[len(one) % 2]}) for one in texts]
    (folder / "a.jsonl").write_text("\n".join(rows) + "\n")
    sources = of_files(["a.jsonl"], folder)
    whole = curate(sources, folder / "one")
    for part in range(parts, 0, -1):
        look_at_all(sources, folder / "work", shard=Shard(part, parts))
    joined = curate(sources, folder / "two", folder / "work")
    assert whole.cards == joined.cards
    assert whole.findings.read_bytes() == joined.findings.read_bytes()


def test_blocks_cover_a_file_once(tmp_path, monkeypatch):
    monkeypatch.setattr("madrigal.curation.block.SIZE", 3)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' * 10)
    sources = of_files(["a.jsonl"], tmp_path)
    made = list(blocks(0, sources.files[0]))
    assert [(one.number, one.first, len(one.items)) for one in made] == [
        (0, 0, 3), (1, 3, 3), (2, 6, 3), (3, 9, 1),
    ]  # fmt: skip
    assert len({stored(tmp_path, 0, one.number) for one in made}) == 4
