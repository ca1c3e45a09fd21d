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

SAID = "Human: Hi?\n\nAssistant: Ho.\n\nHuman: And?\n\nAssistant: "
PAIR = {"prompt": "p", "chosen": "x", "rejected": "y"}
VOTED = {"instruction": "i", "input": "j", "response_1": "x", "response_2": "y"}

# Rows of judged answers, the format that they are converted to, and its fields.
JUDGED = {
    "pairs": (
        [PAIR | {"margin": 2, "annotator": "ann", "topic": "t"}, PAIR | {"prompt": "q"}],
        "pairs", {"prompt", "chosen", "rejected", "margin", "annotator", "topic"},
    ),
    "dialogues": (
        [{"chosen": f"{SAID}x", "rejected": f"{SAID}y"}],
        "pairs", {"prompt", "chosen", "rejected"},
    ),
    "an answer that looks like a dialogue": (
        [PAIR | {"rejected": f"{SAID}y"} | {"chosen": "x"}],
        "judgements", {"prompt", "feedback", "answers", "judgements"},
    ),
    "votes": (
        [VOTED | {"votes": [1, 2, 0], "systems": "a_b"}],
        "judgements", {"prompt", "feedback", "answers", "judgements", "instruction", "input",
                       "systems"},
    ),
    "the second of two is better": (
        [VOTED | {"label": 2, "order": "ba"}, VOTED | {"label": 1, "instruction": "k"}],
        "judgements", {"prompt", "feedback", "answers", "judgements", "instruction", "input",
                       "order"},
    ),
    "ranking": (
        [{"prompt": "p", "answers": ["x", "y", "z"], "ranks": [1, 2, 2]}],
        "judgements", {"prompt", "feedback", "answers", "judgements"},
    ),
    "ratings": (
        [{"prompt": "p", "answer": a, "rating": r, "rater": "ann", "scale": [1, 5], "by": a}
         for a, r in (("x", 1.5), ("y", 5))],
        "judgements", {"prompt", "feedback", "answers", "judgements", "scale"},
    ),
    "rated texts": (
        [{"text": "x", "rating": 0.5}, {"text": "y", "rating": 1}],
        "judgements", {"feedback", "answers", "judgements", "scale", "rating"},
    ),
    "thumbs": (
        [{"prompt": "p", "completion": "x", "label": False}],
        "thumbs", {"prompt", "completion", "label"},
    ),
    "thumbs for several answers": (
        [{"prompt": "p", "completion": a, "label": a == "x"} for a in "xy"],
        "judgements", {"prompt", "feedback", "answers", "judgements"},
    ),
    "corrections": (
        [{"original": "teh", "corrected": "the", "comment": "c"},
         {"original": "ot", "corrected": "to", "prompt": "p"}],
        "corrections", {"prompt", "original", "corrected", "comment"},
    ),
    "verdicts": (
        [VOTED | {"verdict": "tie", "judge": "m", "swapped": swapped}
         for swapped in (True, False)],
        "judgements", {"prompt", "feedback", "answers", "judgements", "instruction", "input",
                       "verdict"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JUDGED)
def test_judged_answers_there_and_back(name, tmp_path):
    given, shape, fields = JUDGED[name]
    original = of_rows(given, tmp_path)
    rows = convert(TaskSettings.model_validate({"data": {"test": "test.jsonl"}}), tmp_path)
    write_canonical(rows["test"], tmp_path / "canonical.jsonl")
    back = loaded({"test": "canonical.jsonl"}, tmp_path)
    assert (back.format, back.kind) == (shape, "feedback")
    assert {field for row in rows["test"] for field in row} == fields
    assert [r.feedback for r in back.splits["test"]] == [
        r.feedback for r in original.splits["test"]
    ]
    assert [r.key for r in back.splits["test"]] == [r.key for r in original.splits["test"]]


def test_a_prompt_that_only_looks_like_a_dialogue_stays_one_message(tmp_path):
    row = {"topic": f"{SAID}so", "chosen": "x", "rejected": "y"}
    original = of_rows([row], tmp_path, prompt="{topic}")
    settings = {"data": {"test": "test.jsonl"}, "prompt": "{topic}"}
    rows = convert(TaskSettings.model_validate(settings), tmp_path)["test"]
    write_canonical(rows, tmp_path / "canonical.jsonl")
    (back,) = loaded({"test": "canonical.jsonl"}, tmp_path).splits["test"]
    assert back.turns == original.splits["test"][0].turns
    assert len(back.turns) == 1


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
