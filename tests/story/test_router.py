"""One part for each task, and a router where the task is not told."""

import io
import json
import random

import pytest
import torch
from safetensors.numpy import load_file

import tiny
import tiny_run
from madrigal.errors import RunFolderError, UserMistake
from madrigal.pipeline import run as run_module
from madrigal.pipeline.build import build
from madrigal.pipeline.run import run
from madrigal.pipeline.trained import recipe_of
from madrigal.recipe.load import load_recipe

OWN = {"kind": "lora", "layers": "none", "private": {"rank": 4, "router": True}}
SWAPPED = {"good": "bad", "bad": "good"}
COUNTS = {"train": 80, "test": 60}


def rows_of(name, split):
    """`mood` and `against` ask alike and answer the opposite; their test prompts are the same."""
    if name == "echo":
        return list(tiny_run._echoes(COUNTS[split], random.Random(split)))
    rows = tiny_run._moods(COUNTS[split], random.Random(split if split == "test" else name))
    swapped = name == "against"
    return [row | ({"label": SWAPPED[row["label"]]} if swapped else {}) for row in rows]


def written(folder, tasks, adapter=OWN, **more):
    folder.mkdir(parents=True, exist_ok=True)
    held = tiny.model()
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    keys = tiny_run.keys() | {"tasks": {}}
    for name in tasks:
        for split in COUNTS:
            text = "".join(json.dumps(row) + "\n" for row in rows_of(name, split))
            (folder / f"{name}.{split}.jsonl").write_text(text, encoding="utf-8")
        keys["tasks"][name] = {"data": {split: f"{name}.{split}.jsonl" for split in COUNTS}}
        keys["tasks"][name] |= {"max_new_tokens": 3} if name == "echo" else {"prompt": "{text}:"}
    keys["model"] = {"base": "base", "precision": "float32", "adapter": adapter}
    stage = {"batch": {"rows": 8}, "optimiser": {"learning_rate": 0.02}, "checkpoint_every": 10}
    steps = 70 if "against" in tasks else 30
    keys["stages"] = [{"name": f"s{t}", "learn": [t], "steps": steps} | stage for t in tasks]
    keys["evaluate"] = {"draws": 200, "base": False}
    path = folder / "recipe.json"
    path.write_text(json.dumps(keys | more), encoding="utf-8")
    return path


def scores_of(out):
    found = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    rows = {row["stage"]: row["scores"] for row in found["rows"]}
    return rows, found["summary"]


@pytest.fixture(scope="module")
def unlike(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlike")
    return run(load_recipe(written(folder, ["mood", "echo"])), folder / "run")


def test_prompts_that_differ_find_their_part(unlike):
    rows, summary = scores_of(unlike)
    assert list(summary["router"]) == ["02-secho"]  # after the first stage nothing is to choose
    shares = summary["router"]["02-secho"]
    assert list(shares) == ["echo", "mood"]
    for share in shares.values():
        assert share["value"] >= 0.95
        assert 0.85 <= share["low"] <= share["value"] <= share["high"] <= 1
    assert rows["02-secho.routed"]["mood"]["value"] == rows["02-secho"]["mood"]["value"] >= 0.8


def test_a_further_row_changes_no_measure(unlike):
    _, summary = scores_of(unlike)
    from madrigal.evaluation.matrix import score_matrix
    from madrigal.evaluation.scores_file import read_plan, read_predictions_of

    told = {k: v for k, v in read_predictions_of(unlike).items() if not k.endswith(".routed")}
    without = score_matrix(told, read_plan(unlike)).summary
    for measure in ("average", "bwt", "forgetting", "learning_accuracy", "since_learned"):
        assert summary[measure] == json.loads(json.dumps(without[measure]))


def test_the_report_shows_it_as_a_row_of_its_own(unlike):
    from madrigal.report.folder import read_run
    from madrigal.report.scoreboard import label, read_scores

    board = read_scores(read_run(unlike))
    assert board.stages == ("01-smood", "02-secho")
    assert label("02-secho.routed") == "secho, routed"
    page = (unlike / "report.html").read_text(encoding="utf-8")
    assert "secho, routed" in page
    assert "that the router sent to its own part" in page


def test_sums_are_kept_after_each_stage_and_no_prompt(unlike):
    first, second = (
        load_file(unlike / "stages" / name / "kept" / "router.safetensors")
        for name in ("01-smood", "02-secho")
    )
    tasks = build(recipe_of(unlike)).tasks
    sizes = [len(tasks[name].splits["train"]) for name in ("mood", "echo")]
    assert (first["counts"].tolist(), second["counts"].tolist()) == (sizes[:1], sizes)
    assert (first["means"][0] == second["means"][0]).all()
    costs = json.loads((unlike / "stages" / "02-secho" / "kept" / "costs.json").read_text())
    size = (unlike / "stages" / "02-secho" / "kept" / "router.safetensors").stat().st_size
    assert costs["isolation"]["bytes"] == size


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alike")
    return run(load_recipe(written(folder, ["mood", "against"])), folder / "run")


def test_prompts_that_are_alike_are_sent_by_a_coin(alike):
    rows, summary = scores_of(alike)
    shares = {t: s["value"] for t, s in summary["router"]["02-sagainst"].items()}
    assert shares["mood"] + shares["against"] == pytest.approx(1)  # the same prompts in both
    assert 0.25 <= shares["mood"] <= 0.75
    own, routed = rows["02-sagainst"], rows["02-sagainst.routed"]
    for task in ("mood", "against"):
        assert own[task]["value"] >= 0.75
        # The other's part answers the opposite.
        assert routed[task]["value"] < own[task]["value"] - 0.1


def test_what_was_answered_by_another_part_says_so(alike):
    from madrigal.evaluation.prediction import read_predictions

    place = alike / "predictions" / "02-sagainst{}" / "mood.jsonl"
    own, routed = (read_predictions(type(place)(str(place).format(x))) for x in ("", ".routed"))
    assert [row.id for row in own] == [row.id for row in routed]
    assert {row.route for row in routed} == {"mood", "against"}
    for before, after in zip(own, routed, strict=True):
        assert before.route is None
        assert (before.choices == after.choices) == (after.route == "mood")


@pytest.mark.parametrize("cut", ["train_stage", "score_routed"])
def test_a_run_that_goes_on_has_the_same_router(unlike, tmp_path, monkeypatch, cut):
    """Killed before the second stage, and between its scores and the routed ones."""
    recipe = load_recipe(written(tmp_path, ["mood", "echo"]))
    real, calls = getattr(run_module, cut), []

    def killed(*args, **keys):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "run")
    out = run(recipe, tmp_path / "run", resume=True)
    for path in (
        "stages/01-smood/kept/router.safetensors",
        "stages/02-secho/kept/router.safetensors",
        "predictions/02-secho.routed/mood.jsonl",
        "predictions/02-secho.routed/echo.jsonl",
    ):
        assert (out / path).read_bytes() == (unlike / path).read_bytes(), path


def test_sums_that_are_gone_are_missed_in_one_line(unlike, tmp_path, monkeypatch):
    recipe = load_recipe(written(tmp_path, ["mood", "echo"]))
    real, calls = run_module.train_stage, []

    def losing(*args, **keys):
        if calls:
            (tmp_path / "run" / "stages" / "01-smood" / "kept" / "router.safetensors").unlink()
        calls.append(1)
        return real(*args, **keys)

    monkeypatch.setattr(run_module, "train_stage", losing)
    with pytest.raises(RunFolderError, match="kept for the router is gone or damaged"):
        run(recipe, tmp_path / "run")


def test_features_are_the_base_s_whatever_was_trained():
    from madrigal.pipeline.routed import features
    from madrigal.recipe.model import LoraAdapter

    adapter = LoraAdapter.model_validate({"rank": 3, "private": OWN["private"]})
    prompts = [row.tokens for (row,) in tiny.examples(6)]
    fresh = tiny.private_model(adapter, ("mood", "echo"))
    moved = tiny.private_model(adapter, ("mood", "echo"), start=1)
    found = features(moved, prompts, 100)
    assert (found == features(fresh, prompts, 100)).all()
    assert all(parameter.requires_grad for _, parameter in moved.trainable())
    with torch.no_grad(), moved.routed("mood"):  # and that is not what the network does
        tokens = torch.from_numpy(prompts[0])[None]
        assert abs(moved.states(tokens).mean(1).numpy() - found[0]).max() > 0.01


def test_chat_without_a_task_meets_the_part_that_is_chosen(unlike, capsys, monkeypatch):
    from madrigal.cli.app import main

    asked = {t: rows_of(t, "test")[0] for t in ("mood", "echo")}
    lines = {"mood": asked["mood"]["text"] + ":", "echo": asked["echo"]["prompt"]}
    told = {}
    for task, line in lines.items():
        monkeypatch.setattr("sys.stdin", io.StringIO(line + "\n"))
        assert main(["chat", str(unlike), "--task", task, "--max-new-tokens", "4"]) == 0
        told[task] = capsys.readouterr().out
    assert told["mood"].strip() in ("good", "bad")
    order = ("echo", "mood", "echo")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines[t] for t in order)))
    assert main(["chat", str(unlike), "--max-new-tokens", "4"]) == 0
    said = capsys.readouterr()
    assert said.out == "".join(told[t] for t in order)
    assert [line for line in said.err.splitlines() if line.startswith("[")] == [
        f"[{t}]" for t in order
    ]


@pytest.mark.parametrize(
    ("adapter", "more", "said"),
    [
        (
            {"kind": "lora", "private": {"groups": {"one": ["mood", "echo"]}, "router": True}},
            {},
            "private.router: there is one part only, so nothing to choose; give another task a "
            "part of its own, or remove it",
        ),
        (
            {"kind": "lora", "private": {"router": True}},
            {
                "stages": [
                    {"name": "a", "learn": ["mood"], "steps": 1},
                    {"name": "b", "learn": ["echo"], "steps": 1, "retain": "o_lora"},
                ]
            },
            "private.router: goes by the frozen base, and 'o_lora' lays adapters into it; remove "
            "one of them",
        ),
    ],
)
def test_what_a_router_cannot_do_is_said_in_one_line(tmp_path, adapter, more, said):
    with pytest.raises(UserMistake) as error:
        load_recipe(written(tmp_path, ["mood", "echo"], adapter, **more))
    assert said in str(error.value)


def test_a_task_without_a_part_is_a_route_too(tmp_path):
    adapter = {"kind": "lora", "private": {"tasks": "mood", "router": True}}
    loaded = load_recipe(written(tmp_path, ["mood", "echo"], adapter))
    assert loaded.recipe.model.adapter.private.router
