"""Every format against published files, where they are on this machine."""

import json

import pytest

from real import DATA, needs_data
from tasks_made import loaded

pytestmark = needs_data

NI = "natural_instructions"
CASES = [
    # path, format, kind, metric, records in all
    ("classification/sst2/*.jsonl", "classification", "choice", "accuracy", 2500),
    ("classification/clinc150/t*.jsonl", "classification", "choice", "accuracy", 2850),
    ("ratings/toxigen_human/test.jsonl", "classification", "choice", "accuracy", 500),
    ("bias_safety/bbq/Age.jsonl", "multiple_choice", "choice", "accuracy", 300),
    ("instructions/gsm8k/test.jsonl", "question_answering", "answer", "rouge_l", 500),
    ("instructions/gpteacher_roleplay/train.jsonl", "alpaca", "answer", "rouge_l", 1450),
    ("instructions/self_instruct/seed_tasks.jsonl", "alpaca", "answer", "rouge_l", 175),
    (
        "instructions/instruction_induction/execute/antonyms.json",
        "prompt_completion", "answer", "token_f1", 100,
    ),
    (
        "instructions/instruction_induction/induce/translation_en-fr.json",
        "prompt_completion", "answer", "token_f1", 400,
    ),
    (f"{NI}/v2_final/task1146_country_capital.json", NI, "answer", "token_f1", 231),
    (f"{NI}/v2_early/task183_rhyme_generation.json", NI, "answer", "token_f1", 400),
    (f"{NI}/v1/subtask044_essential_terms_identifying_essential_words.json", NI, "answer",
     "token_f1", 400),
]  # fmt: skip


@pytest.mark.parametrize(("path", "shape", "kind", "metric", "count"), CASES)
def test_published_files(path, shape, kind, metric, count):
    task = loaded({"train": path, "max_validation": None}, DATA)
    assert (task.format, task.kind, task.metric) == (shape, kind, metric)
    total = sum(len(records) for records in task.splits.values()) + task.counts["dropped"]
    assert total == count
    records = [record for side in task.splits.values() for record in side]
    assert len({record.where for record in records}) == len(records) or "self_instruct" in path
    assert all(record.prompt.strip() and record.answers[0].strip() for record in records)


def test_given_test_files():
    task = loaded(
        {"train": "classification/rte/train.jsonl", "test": "classification/rte/test.jsonl"}, DATA
    )
    assert task.counts["test"] == 226
    assert task.counts["train"] + task.counts["validation"] == 1585
    assert task.labels == ("contradiction", "entailment")


def test_labels_that_only_the_test_has_are_told():
    task = loaded(
        {
            "train": "classification/clinc150/train.jsonl",
            "test": "classification/clinc150/out_of_scope_test.jsonl",
        },
        DATA,
    )
    assert "labels that only test records have: 'oos'" in task.notes
    assert len(task.labels) == 151


NI_FILES = sorted((DATA / NI).rglob("*.json")) if DATA.is_dir() else []


def test_natural_instructions_are_found():
    assert len(NI_FILES) == 68


@pytest.mark.parametrize("path", NI_FILES, ids=lambda path: f"{path.parent.name}-{path.stem[:12]}")
def test_natural_instructions(path):
    everything = {
        "definition": True, "cautions": True, "positive": 2, "negative": 1, "explanations": True,
    }  # fmt: skip
    source = json.loads(path.read_text())
    task = loaded(str(path), DATA, instruction=everything)
    instances = source["Instances"]
    tests = task.splits["test"]
    assert task.format == NI
    places = [int(record.where.rpartition(" ")[2]) for record in tests]
    if path.parent.name == "v1":
        assert len(tests) < 0.2 * len(instances) + 10, "a tenth by content"
        assert places != list(range(1, len(tests) + 1))
    else:
        assert places == list(range(1, min(100, len(instances) // 2) + 1))
    for place, record in zip(places, tests, strict=True):
        instance = instances[place - 1]
        given = instance["input"].strip()
        assert record.prompt.endswith(f"Input: {given}\nOutput:")
        outputs = instance["output"]
        assert record.answers == tuple(dict.fromkeys(answer.strip() for answer in outputs))
    prompt = tests[0].prompt
    definition = source["Definition"]
    definition = definition if isinstance(definition, str) else " ".join(definition)
    assert definition.strip() in prompt
    assert "Positive Example 1 -\nInput: " in prompt
    assert '"-"' not in prompt
    if path.parent.name == "v1":
        assert ": -\n" not in prompt, "an empty field is left out"
    caution = source.get("Emphasis & Caution", "-")
    assert (caution.strip() in prompt) or caution == "-"


def test_an_instance_without_output_is_left_out_and_told():
    task = loaded(f"{NI}/v2_early/task778_pawsx_english_french_translation.json", DATA)
    assert "1 instances have no output and are left out" in task.notes


def test_benchmarks_that_ask_not_to_be_trained_on_are_told():
    task = loaded("instructions/bbh_eval_only/navigate.json", DATA)
    assert task.notes[0] == (
        "instructions/bbh_eval_only/navigate.json carries a canary: its authors ask never to train "
        "on it"
    )


@pytest.mark.parametrize(
    "path", ["law", "medicine", "shakespeare", "fairy_tales", "wikipedia", "tiny_stories"]
)
def test_raw_text(path):
    task = loaded(f"raw_text/{path}", DATA)
    assert (task.format, task.kind, task.metric) == ("text", "text", "perplexity")
    sizes = {side: sum(len(r.text) for r in records) for side, records in task.splits.items()}
    assert 0.6 < sizes["train"] / sum(sizes.values()) < 0.95
    assert min(sizes.values()) > 0
