"""A row without an answer is told as one, whatever its format, and goes from a cleaned copy."""

import pytest

from curated import curated, told
from madrigal.curation.clean import clean

ROWS = [
    ({"question": "what is two and two?", "answer": "four"}, "answer"),
    ({"prompt": "what is two and two?", "completion": "four"}, "completion"),
    ({"instruction": "add two and two", "input": "", "output": "four"}, "output"),
    ({"text": "a fine day", "label": "good"}, "label"),
]


@pytest.mark.parametrize(("nothing", "state"), [("", "empty"), (" \n", "empty"), (None, "null")])
@pytest.mark.parametrize(("row", "field"), ROWS, ids=[field for _, field in ROWS])
def test_an_answer_of_nothing_is_an_empty_answer(tmp_path, row, field, nothing, state):
    found = curated(tmp_path, [row, row | {field: nothing}])
    assert told(found, "empty_answer") == {"train.jsonl:2": ("", f"field '{field}' is {state}")}
    assert told(found, "unreadable") == {}
    assert clean(found, tmp_path / "out").dropped == {"t/train.jsonl": 1}
