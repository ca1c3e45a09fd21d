"""Preferred answers that become less likely are seen, said and stopped; and nothing else is."""

import io
import json
import random

import pytest
from rich.console import Console

import retained
import tiny_run
from madrigal.cli.app import main
from madrigal.errors import DataError
from madrigal.evaluation.kl import Another, kl_to_base
from madrigal.pipeline.build import build
from madrigal.pipeline.trained import find_trained, load_trained, recipe_of
from madrigal.recipe.load import load_recipe
from madrigal.report import closing_table, write_report

SEEDS = (0, 1, 2)
STEPS, LIMIT = 30, 5.0
COUNTS = {"train": 60, "validation": 30, "test": 30}
FALLS = {"kind": "dpo", "beta": 1.0}
HOLDS = FALLS | {"likelihood": 1.0}  # the clean twin


def nearly_alike(count, chance):
    """Pairs that differ in one early word: pushing it down takes all that follows with it."""
    for number in range(count):
        place, day = chance.choice(tiny_run.PLACES), chance.randrange(99)
        tail = f"at the {place} on day {day}, and so it was said"
        yield {
            "prompt": f"say what the {place} was like on day {day}, {number}:",
            "chosen": f"kind and {chance.choice(tiny_run.GOOD)} {tail}",
            "rejected": f"kind and {chance.choice(tiny_run.BAD)} {tail}",
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("watch")
    retained.write(place)
    for seed, (split, count) in enumerate(COUNTS.items()):
        rows = nearly_alike(count, random.Random(seed))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"near.{split}.jsonl").write_text(lines, encoding="utf-8")
    return place


def keys(objective, seed=0, **stage):
    """The better answers are learnt, then preferred to the worse ones; `m1` is watched."""
    recipe = retained.keys([], retained.FULL, 0.0) | {"seed": seed}
    data = {split: f"near.{split}.jsonl" for split in COUNTS}
    mood = {"data": {"train": "m1.jsonl", "test": "mood.train.jsonl"}}
    tasks = {"near": {"data": data, "max_new_tokens": 12}, "mood": mood}
    plain = {"learn": ["near"], "batch": {"rows": 8}, "checkpoint_every": 1000}
    plain |= {"optimiser": {"learning_rate": 0.01}}
    first = plain | {"name": "learn", "steps": 60, "objective": {"near": "likelihood"}}
    second = plain | {"name": "prefer", "steps": STEPS, "objective": {"near": objective}}
    second |= {"optimiser": {"learning_rate": 0.003}} | stage
    evaluate = {"draws": 200, "written": 6, "general": ["mood"]}
    return recipe | {"tasks": tasks, "stages": [first, second], "evaluate": evaluate}


def train(folder, out, monkeypatch, objective, seed):
    monkeypatch.setenv("MADRIGAL_CACHE", str(out.parent / "cache"))
    guard = {"guard": {"chosen": LIMIT, "then": "stop"}, "validate_every": 5}
    return retained.train(folder, keys(objective, seed, **guard), out)


def told(out):
    place = out / "stages" / "02-prefer"
    events = place / "events.jsonl"
    rows = retained.rows(events) if events.exists() else []
    summary = json.loads((out / "scores.json").read_text(encoding="utf-8"))["summary"]
    return json.loads((place / "done.json").read_text()), rows, summary


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_fall_stops_the_stage_and_is_said(folder, tmp_path, monkeypatch, seed):
    out = train(folder, tmp_path / "run", monkeypatch, FALLS, seed)
    done, events, summary = told(out)
    assert done["steps"] < STEPS
    assert [one["kind"] for one in events] == ["guard"]
    assert "Falling likelihood: the preferred answers of near lost" in events[0]["text"]
    found = summary["preferences"]["02-prefer"]["near"]
    assert found["from"] == "01-learn"
    assert found["chosen"]["high"] < -LIMIT
    assert found["margin"]["low"] > 0  # which is why nobody would have seen it
    page = write_report(out).read_text(encoding="utf-8")
    assert "The preferred answers of near became less likely in stage prefer: by" in page
    assert "likelihood: 0.2" in page
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(closing_table(out))
    assert "became less likely in stage prefer" in console.export_text()


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_quiet_on_the_clean_twin(folder, tmp_path, monkeypatch, seed):
    out = train(folder, tmp_path / "run", monkeypatch, HOLDS, seed)
    done, events, summary = told(out)
    assert done["steps"] == STEPS
    assert events == []
    assert summary["preferences"]["02-prefer"]["near"]["margin"]["low"] > 0
    if seed == 0:
        _everything_is_there(out, summary)


def _everything_is_there(out, summary):
    """What the watch of a preference stage leaves, besides the scores."""
    assert summary["kl_to_base"]["02-prefer"].keys() == {"near"}
    _the_reference_is_what_the_stage_began_with(out, summary)
    assert list(summary["written"]) == ["base", "01-learn", "02-prefer"]
    after = summary["written"]["02-prefer"]["near"]
    assert after["n"] == 6
    assert after["from"] == "01-learn"
    assert set(after["changes"]) == {"tokens", "repeated"}
    checks = retained.rows(out / "stages" / "02-prefer" / "validation.jsonl")
    assert [row["step"] for row in checks] == [5, 10, 15, 20, 25, 30]
    assert all(row["preferred"]["near"].keys() == {"chosen", "rejected"} for row in checks)
    page = write_report(out).read_text(encoding="utf-8")
    section = page[page.index('<section id="preferences">') :]
    section = section[: section.index("</section>")]
    assert section.count('<svg class="chart"') == 3  # where both stages went, and the way of one
    assert "What the other tasks paid" in section
    assert "mood" in section
    assert "<small>to the base " in section
    assert "What the model writes by itself" in section


def _the_reference_is_what_the_stage_began_with(out, summary):
    """Both models loaded again from what the stages left."""
    task, coder = (built := build(recipe_of(out))).tasks["near"], built.coder
    later, earlier = (load_trained(find_trained(out, s, "near"))[0] for s in ("prefer", "learn"))
    rows = kl_to_base(later, Another(earlier), coder, task, task.splits["test"])
    mean = sum(row.nats for row in rows) / sum(row.tokens for row in rows)
    from_base, found = summary["kl_to_base"], summary["kl_to_reference"]
    assert found["02-prefer"]["near"]["value"] == pytest.approx(mean, rel=1e-3)
    assert from_base["02-prefer"]["near"]["value"] != pytest.approx(mean, rel=0.05)
    assert found["01-learn"] == from_base["01-learn"]


def mistakes(folder, tmp_path, recipe):
    path = folder / f"{tmp_path.name}.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    return caught.value.mistakes


def test_a_guard_with_nothing_to_look_at_is_refused(folder, tmp_path):
    recipe = keys(FALLS, guard={"chosen": 1.0})
    recipe["tasks"]["near"]["data"] |= {"split": {"validation": 0.0}}
    del recipe["tasks"]["near"]["data"]["validation"]
    assert mistakes(folder, tmp_path, recipe) == (
        "stages[1].guard.chosen: no task of judged answers in the stage has validation records; "
        "raise data.split.validation, name data.validation, or leave the guard out",
    )
    assert mistakes(folder, tmp_path, keys("reward", guard={"chosen": 1.0})) == (
        "stages[1].guard.chosen: no task of the stage learns to say what people preferred; remove "
        "it",
    )


def test_check_says_what_an_objective_cannot_use(folder, tmp_path, capsys):
    rated = [{"prompt": f"p {n % 30}", "completion": f"x {n}", "rating": n % 3} for n in range(60)]
    rated += [{"prompt": f"alone {n}", "completion": "x", "rating": 2} for n in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rated)
    (folder / "rated.jsonl").write_text(lines, encoding="utf-8")
    recipe = keys(FALLS)
    recipe["tasks"] = {"rated": {"data": {"train": "rated.jsonl"}, "feedback": {"scale": [0, 2]}}}
    recipe["stages"] = [recipe["stages"][1] | {"learn": ["rated"], "objective": {"rated": "dpo"}}]
    recipe["evaluate"] = {}
    path = folder / "rated.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    assert main(["check", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "rated: dpo in stage prefer: " in said
    assert "cannot be used: they have one answer only, and nothing to compare it with" in said
    assert "dpo: the order of answers is made of their ratings" in said
    assert "test records hold one answer, and agreement counts each as one half" in said


def test_an_objective_that_can_use_nothing_is_refused(folder, tmp_path):
    assert mistakes(folder, tmp_path, keys("rating_difference")) == (
        "stages[1].objective.near: 'rating_difference' can use no training record: 60 of 60 "
        "records (the first is near.train.jsonl:1) cannot be used: they say which answer is "
        "better, and not how good each one is; choose an objective that these data fit",
    )
