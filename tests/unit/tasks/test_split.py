"""How a task is divided: shares, limits, what is dropped, what is told."""

import json

import pytest

from madrigal.tasks.record import Record, Turn
from madrigal.tasks.split import fingerprint, hold_out, hold_out_text
from tasks_made import loaded, write_jsonl


def record(prompt, answer="a"):
    return Record("x", (Turn("user", prompt),), (answer,))


def rows(start, stop):
    return [{"prompt": f"question {i}?", "completion": f"{i}"} for i in range(start, stop)]


def test_shares_are_about_what_was_asked():
    sides = hold_out([record(f"p{i}") for i in range(4000)], 0.05, 0.1, seed=1)
    assert 340 < len(sides["test"]) < 460
    assert 150 < len(sides["validation"]) < 250


def test_case_spacing_and_unicode_form_do_not_count():
    same = {fingerprint(record(p)) for p in ("Café  Noir\n", "cafe\u0301 noir", "CAFÉ NOIR")}
    assert len(same) == 1
    assert fingerprint(record("cafe noir")) not in same


def test_another_seed_holds_out_others():
    some = [record(f"p{i}") for i in range(200)]
    first, second = (hold_out(some, 0.1, 0.2, seed)["test"] for seed in (0, 1))
    assert {r.prompt for r in first} != {r.prompt for r in second}


def test_training_records_of_the_test_file_are_dropped_and_told(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", rows(0, 100))
    write_jsonl(
        tmp_path / "test.jsonl", [{"prompt": "QUESTION 3?", "completion": "x"}, *rows(7, 9)]
    )
    task = loaded({"train": "train.jsonl", "test": "test.jsonl"}, tmp_path)
    assert task.counts == {
        "train": 97 - task.counts["validation"],
        "validation": task.counts["validation"],
        "test": 3,
        "duplicates": 0,
        "dropped": 3,
    }
    assert "3 training records dropped: their prompt is in validation or test too" in task.notes


def test_limits_draw_by_seed_and_keep_the_order(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", rows(0, 400))
    data = {"train": "a.jsonl", "max_train": 50, "max_validation": 5, "max_test": 10}
    task = loaded(data, tmp_path)
    assert [len(task.splits[s]) for s in ("train", "validation", "test")] == [50, 5, 10]
    lines = [int(r.where.split(":")[1]) for r in task.splits["train"]]
    assert lines == sorted(lines)
    assert loaded(data, tmp_path).splits == task.splits
    assert loaded(data, tmp_path, seed=1).splits["train"] != task.splits["train"]


@pytest.mark.parametrize("kind", ["records", "text", "slice"])
def test_runs_with_other_seeds_are_judged_by_the_same_examples(tmp_path, kind):
    """Else a comparison over seeds compares test sets too."""
    if kind == "text":
        parts = [f"Part {i}. " + "word " * 99 for i in range(300)]
        (tmp_path / "a.txt").write_text("\n\n".join(parts))
    elif kind == "slice":
        (tmp_path / "a.json").write_text(json.dumps(instructions(400)))
    else:
        write_jsonl(tmp_path / "a.jsonl", rows(0, 600))
    limits = {"max_train": 90, "max_validation": 4, "max_test": 9} if kind != "text" else {}
    data = {"train": "a.*", **limits}
    first, second = (loaded(data, tmp_path, seed=seed).splits for seed in (0, 1))
    for side in ("validation", "test"):
        assert first[side]
        assert first[side] == second[side]
    assert kind == "text" or first["train"] != second["train"]
    other = loaded(data | {"split": {"seed": 1, "validation": 0.1}}, tmp_path).splits
    assert other["validation"] != first["validation"]
    assert other["test"] != first["test"]


def test_duplicates_are_counted_not_dropped(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", rows(0, 10) * 2)
    write_jsonl(tmp_path / "test.jsonl", rows(20, 30))
    data = {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 0.0}}
    task = loaded(data, tmp_path)
    assert (task.counts["train"], task.counts["duplicates"]) == (20, 10)


def test_a_task_may_be_test_only(tmp_path):
    write_jsonl(tmp_path / "test.jsonl", rows(0, 5))
    task = loaded({"test": "test.jsonl"}, tmp_path)
    assert [len(task.splits[s]) for s in ("train", "validation", "test")] == [0, 0, 5]


def instructions(count):
    return {
        "Definition": "Echo.",
        "Positive Examples": [],
        "Instances": [{"input": f"input {i}", "output": [f"output {i}"]} for i in range(count)],
    }


@pytest.mark.parametrize(("count", "tests"), [(300, 100), (200, 100), (30, 15)])
def test_natural_instructions_begin_with_their_test_slice(count, tests, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(
            json.dumps(instructions(count)).replace("input ", name)
        )
    task = loaded("*.json", tmp_path)
    found = [record.where for record in task.splits["test"]]
    assert found == [f"{n}.json item {i}" for n in ("a", "b") for i in range(1, tests + 1)]
    note = (
        f"test is the first instances of each file ({2 * tests}), as usual for version 2; for a "
        "share by content write `split`"
    )
    assert note in task.notes
    assert task.counts["train"] + task.counts["validation"] == 2 * (count - tests)


@pytest.mark.parametrize(("share", "least", "most"), [(0.2, 40, 80), (0.1, 15, 45)])
def test_natural_instructions_are_cut_by_share_where_one_is_written(tmp_path, share, least, most):
    (tmp_path / "a.json").write_text(json.dumps(instructions(300)))
    task = loaded({"train": "a.json", "split": {"test": share}}, tmp_path)
    assert least < task.counts["test"] < most
    assert not [note for note in task.notes if "first instances" in note]


@pytest.mark.parametrize("version", ["1", "flat"])
def test_only_version_2_of_natural_instructions_begins_with_its_test(tmp_path, version):
    content = instructions(300)
    del content["Positive Examples"]
    if version == "1":
        content |= {"Things to Avoid": "-", "Examples": {"Positive Examples": []}}
    else:
        content = [
            {"definition": "Echo.", "inputs": one["input"], "targets": one["output"][0]}
            for one in content["Instances"]
        ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    task = loaded("a.json", tmp_path)
    assert task.format == "natural_instructions"
    assert 15 < task.counts["test"] < 45
    assert not [note for note in task.notes if "first instances" in note]


def test_one_long_text_is_cut_by_passage_and_joined_again():
    paragraphs = [f"Paragraph {i}. " + "word " * 30 for i in range(300)]
    whole = Record("law.txt", text="\n\n".join(paragraphs))
    sides = hold_out_text([whole], 0.1, 0.1, seed=0)
    sizes = {side: sum(len(r.text) for r in members) for side, members in sides.items()}
    assert 0.7 < sizes["train"] / sum(sizes.values()) < 0.9
    assert min(sizes.values()) > 0
    assert all(r.text.startswith("Paragraph") for members in sides.values() for r in members)
    held = len(sides["validation"]) + len(sides["test"])
    assert len(sides["train"]) <= held + 1, "neighbours of one side are one document again"


def test_many_documents_are_split_whole():
    some = [Record(f"{i}", text=f"Document {i}. " * 300) for i in range(50)]
    sides = hold_out_text(some, 0.1, 0.1, seed=0)
    assert {r.text for members in sides.values() for r in members} == {r.text for r in some}


def test_all_that_was_judged_of_one_prompt_stands_on_one_side(tmp_path):
    pairs = [
        {"prompt": prompt, "chosen": f"x{i}", "rejected": f"y{i}"}
        for i in range(60)
        for prompt in (f"question {i // 2}?", f" Question  {i // 2}?\n")
    ]
    write_jsonl(tmp_path / "a.jsonl", pairs)
    task = loaded({"train": "a.jsonl", "split": {"validation": 0.2, "test": 0.3}}, tmp_path)
    sides = [{fingerprint(record) for record in records} for records in task.splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 30
    assert sum(map(len, task.splits.values())) == 120


def test_texts_that_were_judged_alone_are_divided_by_themselves(tmp_path):
    texts = [{"text": f"text {i % 100}", "rating": i / 200} for i in range(200)]
    write_jsonl(tmp_path / "a.jsonl", texts)
    task = loaded({"train": "a.jsonl"}, tmp_path)
    assert sum(map(len, task.splits.values())) == 100, "two ratings each"
    assert 3 < len(task.splits["test"]) < 20
    write_jsonl(tmp_path / "b.jsonl", [{"text": "TEXT 7", "rating": 0.5}])
    task = loaded({"train": "a.jsonl", "test": "b.jsonl"}, tmp_path, feedback={"scale": [0, 1]})
    assert task.counts["dropped"] == 1
