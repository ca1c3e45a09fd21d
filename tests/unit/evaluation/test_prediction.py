import json

import pytest

from madrigal.errors import RunFolderError
from madrigal.evaluation.metrics import scored
from madrigal.evaluation.prediction import (
    numbered,
    read_folder,
    read_predictions,
    write_predictions,
)
from predicted import answered, chosen, windows


def test_rows_read_back_as_they_were_written(tmp_path):
    rows = [
        *answered([("naïve\n🎵 \ud800", ("x", "y")), ("", "z")]),
        *chosen([("a", "b")], "ab"),
        *windows([12.345678901234567], [5], [17]),
    ]
    path = tmp_path / "predictions" / "base" / "t.jsonl"
    write_predictions(path, rows)
    assert read_predictions(path) == rows
    assert read_folder(path.parent) == {"t": rows}
    assert [p.name for p in path.parent.iterdir()] == ["t.jsonl"]


def test_a_field_stands_only_where_it_was_measured(tmp_path):
    path = tmp_path / "t.jsonl"
    write_predictions(path, [*chosen([("a", "b")], "ab"), *windows([1.0], [5], [17])])
    choice, text = map(json.loads, path.read_text().splitlines())
    assert choice["lengths"] == {"a": [1, 1], "b": [1, 1]}
    assert choice["choices"] == {"a": -1.0, "b": -2.0}
    assert not {"nats", "tokens", "bytes", "shots"} & choice.keys()
    assert (text["nats"], text["tokens"], text["bytes"]) == (1.0, 5, 17)
    assert not {"choices", "lengths"} & text.keys()


def test_an_interrupted_write_leaves_the_former_file(tmp_path):
    path = tmp_path / "t.jsonl"
    before = answered([("x", "x"), ("y", "y")])
    write_predictions(path, before)

    def broken():
        yield before[0]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_predictions(path, broken())
    assert read_predictions(path) == before


@pytest.mark.parametrize(
    "line", ['{"task": "t"}', "not json", "[1]", '{"task": "t", "targets": 1}']
)
def test_a_line_that_is_no_prediction_is_named(tmp_path, line):
    path = tmp_path / "t.jsonl"
    write_predictions(path, answered([("x", "x")]))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(
        RunFolderError, match=r"(?s)t\.jsonl:2: not a prediction .*madrigal evaluate"
    ):
        read_predictions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"t\.jsonl: no such predictions"):
        read_predictions(tmp_path / "t.jsonl")


def test_repeated_keys_are_numbered():
    assert numbered(["k", "l", "k", "k"]) == ["k", "l", "k-2", "k-3"]


def test_an_output_that_cannot_be_read_scores_nothing():
    (row,) = answered([("  ", "  ")])
    assert not row.parsed
    assert scored(row, "exact_match").score == 0
    assert scored(row, "rouge_l").score == 0
