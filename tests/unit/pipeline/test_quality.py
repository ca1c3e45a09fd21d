"""The quality of judged answers in a task's data card."""

import json

import pytest

from annotated import flipped
from madrigal.pipeline import quality as module
from madrigal.pipeline.quality import quality


def test_it_is_json_with_numbers_words_and_gaps():
    body = json.loads(json.dumps(quality(flipped(60, 3, 0.3, 0)), allow_nan=False))
    assert body["version"] == 1
    assert body["parts"][0]["flips"]["repeated"]["n"] == 180
    assert any(one["text"].startswith("Votes on the same item give") for one in body["said"])
    assert {one["warns"] for one in body["said"]} == {True, False}
    assert any(line.startswith("Not measured: ") for line in body["gaps"])
    assert "contradictions" not in " ".join(body["gaps"])


def test_many_records_are_not_searched_for_similar_texts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MANY", 59)
    body = quality(flipped(60, 3, 0.1, 0))
    assert body["parts"][0]["contradictions"] is None
    assert body["gaps"][-1] == (
        "Not measured: contradictions; `madrigal feedback inspect` looks for them."
    )
