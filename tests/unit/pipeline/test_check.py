"""What `check` says before anything is trained."""

import copy
import io
import json

import pytest
from rich.console import Console

import tiny_run
from madrigal.errors import DataError, ModelError
from madrigal.pipeline.check import check
from madrigal.tasks.card import OPEN


def said(folder, **task):
    keys = copy.deepcopy(tiny_run.keys())
    keys["tasks"]["echo"].update(task)
    console = Console(file=io.StringIO(), width=200)
    check(tiny_run.tiny(folder, keys), console)
    return console.file.getvalue()


def held(folder, **model):
    keys = copy.deepcopy(tiny_run.keys())
    keys["model"] = {"base": "madrigal/base-xs"} | model
    console = Console(file=io.StringIO(), width=200)
    check(tiny_run.tiny(folder, keys), console)
    lines = console.file.getvalue().splitlines()
    return [line for line in lines if line.startswith("parameters in the memory of each process")]


def test_a_base_that_is_shared_out_takes_less_in_each_process(tmp_path, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert held(tmp_path) == []
    (line,) = held(tmp_path, shard=True)
    assert [part.split()[-1] for part in line.split(",")] == ["1", "2", "4", "8"]
    sizes = [float(part.split()[-4]) for part in line.split(",")]
    shared = sizes[0] - sizes[1]  # half of the blocks
    assert shared > 0
    assert sizes[2] == pytest.approx(sizes[1] - shared / 2, abs=0.2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    (now,) = held(tmp_path, shard=True)
    assert now.endswith(f": {sizes[1]:,.1f} MB with 2")


LONG = " ".join(str(i * 7919) for i in range(120))  # no merges of a few prompts make it short


@pytest.mark.parametrize(("system", "warned"), [("Be brief.", False), (LONG, True)])
def test_a_task_most_of_whose_prompts_are_cut_is_told(tmp_path, system, warned):
    text = said(tmp_path, system=system)
    line = (
        "echo: 40 of 40 training prompts are cut to fit the context of 96 tokens; put less into "
        "the prompt or raise `model.context`\n"
    )
    assert (line in text) == warned
    assert ("are cut to fit" in text) == warned


def test_an_example_of_judged_answers_shows_each_with_what_was_said(tmp_path):
    rows = [
        {"prompt": f"where is number {i}?", "answers": ["here", "there"], "ratings": [[1, 2], [3]]}
        for i in range(40)
    ]
    (tmp_path / "judged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = copy.deepcopy(tiny_run.keys())
    feedback = {"scale": [0, 4]}
    keys["tasks"]["judged"] = {"data": {"train": "judged.jsonl"}, "feedback": feedback}
    keys["stages"] = [
        {"name": "s", "learn": ["judged"], "steps": 2, "objective": {"judged": "dpo"}}
    ]
    keys["tasks"] = {"judged": keys["tasks"]["judged"]}
    keys["evaluate"] = {"draws": 200}
    console = Console(file=io.StringIO(), width=200)
    check(tiny_run.tiny(tmp_path, keys), console)
    said = console.file.getvalue()
    assert "ratings" in said
    first = "answer 1 of 2, better than answer 2 for 0%, rated 0.38 of 1\nwhere is number"
    second = "answer 2 of 2, better than answer 1 for 100%, rated 0.75 of 1\nwhere is number"
    assert first in said
    assert second in said
    assert f"?{OPEN} here" in said
    assert f"?{OPEN} there" in said


def test_a_task_that_drops_bad_rows_drops_answers_that_are_too_long(tmp_path):
    train = tmp_path / "long.jsonl"
    rows = [{"prompt": f"p {i}", "completion": f"c {i}"} for i in range(40)]
    rows[7]["completion"] = LONG
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"train": "long.jsonl", "test": "echo.test.jsonl", "on_bad": "drop"}
    text = said(tmp_path, data=data)
    assert "echo: 1 bad row was dropped (data.on_bad): long.jsonl:8: the answer has" in text
    with pytest.raises(DataError, match=r"long.jsonl:8: the answer has"):
        said(tmp_path, data=data | {"on_bad": "error"})


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ({"layers": [7]}, "stages[1].freeze.layers: the model has no block 7; it has "),
        (
            {"modules": ["q_prj"]},
            "stages[1].freeze.modules: nothing that is trained is within a module 'q_prj'; did you "
            "mean 'q_proj'? there are ",
        ),
        ({"modules": ["q_proj"], "layers": [0], "embeddings": True}, None),
    ],
)
def test_parts_to_freeze_that_are_not_there_are_told_before_a_run(freeze, said, tmp_path):
    keys = tiny_run.keys()
    keys["stages"][1]["freeze"] = freeze
    loaded = tiny_run.tiny(tmp_path, keys)
    if said is None:
        check(loaded, Console(file=io.StringIO()))
        return
    with pytest.raises(ModelError) as caught:
        check(loaded, Console(file=io.StringIO()))
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(said)
