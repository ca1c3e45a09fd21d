"""What a stage tells, as JSON lines."""

import json
import math

from madrigal.pipeline.journal import Journal, forget_after
from madrigal.training.record import Event, StepRecord, Validation


def record(step, **changes):
    facts = {
        "step": step, "loss": {"a": 1.5, "b": 2.25}, "weight": {"a": 0.75, "b": 0.25},
        "tokens": {"a": 30, "b": 9}, "rows": {"a": 3, "b": 1}, "grad_norm": 0.1234567891234,
        "learning_rate": 0.001, "seconds": 0.123456, "padded_tokens": 48,
    }  # fmt: skip
    return StepRecord(**(facts | changes))


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_step_as_a_line(tmp_path):
    Journal(tmp_path / "new")(record(1))
    assert lines(tmp_path / "new" / "steps.jsonl") == [
        {
            "step": 1, "loss": {"a": 1.5, "b": 2.25}, "weight": {"a": 0.75, "b": 0.25},
            "tokens": {"a": 30, "b": 9}, "rows": {"a": 3, "b": 1}, "padded_tokens": 48,
            "grad_norm": 0.123456789, "lr": 0.001, "seconds": 0.1235,
        }
    ]  # fmt: skip


def test_terms_and_reasons_stand_only_where_there_are_some(tmp_path):
    journal = Journal(tmp_path)
    journal(record(1, terms={"pull_to_start": 0.5}))
    journal(record(2, loss={"a": math.nan, "b": 1.0}, grad_norm=math.inf, skipped="non-finite"))
    one, two = lines(tmp_path / "steps.jsonl")
    assert one["terms"] == {"pull_to_start": 0.5}
    assert "skipped" not in one
    assert two["loss"] == {"a": None, "b": 1.0}
    assert two["grad_norm"] is None
    assert two["skipped"] == "non-finite"
    assert "terms" not in two


def test_events_and_validations_have_files_of_their_own(tmp_path):
    journal = Journal(tmp_path)
    journal(Event(3, "skipped", "Step 3 skipped: non-finite a."))
    journal(Validation(4, {"a": 0.5}, 0.5, True))
    assert lines(tmp_path / "events.jsonl") == [
        {"step": 3, "kind": "skipped", "text": "Step 3 skipped: non-finite a."}
    ]
    assert lines(tmp_path / "validation.jsonl") == [
        {"step": 4, "scores": {"a": 0.5}, "mean": 0.5, "best": True}
    ]


def test_steps_that_will_be_taken_again_are_forgotten(tmp_path):
    journal = Journal(tmp_path)
    for step in range(1, 6):
        journal(record(step))
        journal(Event(step, "skipped", "x"))
    with (tmp_path / "steps.jsonl").open("a", encoding="utf-8") as handle:
        handle.write('{"step": 2, "loss": {"a": 1')
    forget_after(tmp_path, 3)
    assert [row["step"] for row in lines(tmp_path / "steps.jsonl")] == [1, 2, 3]
    assert [row["step"] for row in lines(tmp_path / "events.jsonl")] == [1, 2, 3]
    assert not (tmp_path / "validation.jsonl").exists()
    forget_after(tmp_path, 0)
    assert (tmp_path / "steps.jsonl").read_text(encoding="utf-8") == ""


def test_a_folder_without_a_journal_has_nothing_to_forget(tmp_path):
    forget_after(tmp_path / "nowhere", 3)
    assert not (tmp_path / "nowhere").exists()
