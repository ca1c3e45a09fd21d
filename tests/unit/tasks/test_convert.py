"""Every format converts to canonical rows, and these read back as the same records."""

import json

import pytest

from madrigal.recipe.task import TaskSettings
from madrigal.tasks.convert import convert
from madrigal.tasks.convert import write_jsonl as write_canonical
from tasks_made import loaded, of_rows, write_jsonl

ROWS = {
    "text": [{"text": "Once upon a time."}],
    "prompt_completion": [{"prompt": "2 + 2 =", "completion": " 4", "level": 1}],
    "alpaca": [{"instruction": "Sing.", "output": "La.", "history": [["Hi", "Ho"]]}],
    "messages": [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Ho"},
            ]
        }
    ],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": "1"}, {"from": "gpt", "value": "2"}]}
    ],
    "classification": [{"text": "a", "label": "x", "domain": "d"}, {"text": "b", "label": "y"}],
    "multiple_choice": [{"question": "Sky?", "choices": ["red", "blue"], "answer": 1}],
    "question_answering": [{"question": "Who?", "answers": ["Ann", "she"], "context": "Ann ran."}],
    "natural_instructions": [{"definition": "Double.", "inputs": "2", "targets": ["4", "four"]}],
}


@pytest.mark.parametrize("shape", ROWS)
def test_there_and_back(shape, tmp_path):
    original = of_rows(ROWS[shape], tmp_path)
    assert original.format == shape
    rows = convert(TaskSettings.model_validate({"data": {"test": "test.jsonl"}}), tmp_path)
    write_canonical(rows["test"], tmp_path / "canonical.jsonl")
    back = loaded({"test": "canonical.jsonl"}, tmp_path)
    assert back.format == ("text" if shape == "text" else "prompt_completion")
    assert (back.kind, back.labels) == (original.kind, original.labels)
    assert [r.key for r in back.splits["test"]] == [r.key for r in original.splits["test"]]
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"


def test_templates_and_labels_are_applied_and_other_fields_kept(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"text": "ok", "label": i, "by": "Ann"} for i in (0, 1)])
    settings = TaskSettings.model_validate(
        {"data": "a.jsonl", "prompt": "Review: {text}\nIs it good?", "labels": ["no", "yes"]}
    )
    rows = convert(settings, tmp_path)["train"]
    assert json.loads(json.dumps(rows[1])) == {
        "prompt": "Review: ok\nIs it good?",
        "completion": "yes",
        "choices": ["no", "yes"],
        "text": "ok",
        "label": "1",
        "by": "Ann",
    }
