"""Examples kept for replay: what was written is read again, or told to be damaged."""

import json

import numpy as np
import pytest

from madrigal.errors import RunFolderError
from madrigal.retention.buffer import read_buffer, write_buffer
from tiny import examples, row

HELD = {"a": [*examples(3, 1), (row(9, 3), row(7, 2))], "b": [(row(5, 0),)]}


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "replay.jsonl"
    size = write_buffer(path, HELD)
    assert size == path.stat().st_size
    found = read_buffer(path)
    assert list(found) == ["a", "b"]
    for task, some in HELD.items():
        assert [len(example) for example in found[task]] == [len(example) for example in some]
        for ours, theirs in zip(found[task], some, strict=True):
            for one, two in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one.tokens, two.tokens)
                np.testing.assert_array_equal(one.trained, two.trained)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: None,
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"task"', '"tusk"'),
        lambda text: text.replace('"trained": [', '"trained": [999, '),
        lambda text: "[1, 2]\n" + text,
        lambda text: '{"task": ["a"], "rows": []}\n' + text,
        lambda text: '{"task": "a", "rows": [{"tokens": "abc", "trained": []}]}\n' + text,
    ],
    ids=["gone", "cut", "no task", "a place outside", "a list", "a list for a name", "no numbers"],
)
def test_a_damaged_one_is_told(tmp_path, change):
    path = tmp_path / "replay.jsonl"
    write_buffer(path, HELD)
    text = change(path.read_text(encoding="utf-8"))
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError) as caught:
        read_buffer(path)
    assert str(caught.value) == (
        f"{path}: the examples kept for replay are gone or damaged; start anew with another "
        "--out, or leave `replay` out"
    )


def test_a_line_is_plain_json(tmp_path):
    path = tmp_path / "replay.jsonl"
    write_buffer(path, {"a": [(row(5, 2),)]})
    (line,) = path.read_text(encoding="utf-8").splitlines()
    tokens = row(5, 2).tokens.tolist()
    assert json.loads(line) == {"task": "a", "rows": [{"tokens": tokens, "trained": [3, 4]}]}
