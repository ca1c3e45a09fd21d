"""A run that is extended, and extended again, is the run of the longer recipe; and old data may be
gone where nobody asks for it."""

import json
import shutil

import pytest
import yaml

import retained
import tiny_run
from refused import hashes, refused, untouched

KEEP = 20  # more than there are of any task
BUFFER = f"kept/replay-random-{KEEP}.jsonl"
REMEMBERING = [
    {"kind": "replay", "share": 0.5, "keep": KEEP},
    {"kind": "ewc", "examples": 8},
    {"kind": "distill", "on": "all"},
    {"kind": "merge", "how": "ties"},
    {"kind": "interpolate", "back": 0.3, "to": "base"},
]
APART = [{"kind": "o_lora", "strength": 0.1}, {"kind": "distill"}]
RETAIN = {"by data and weights": REMEMBERING, "by adapters": APART}
OPTIMISER = {"learning_rate": 0.01, "epsilon": 1e-3}
NEW = ("tide", "wind")
LORA = {"kind": "lora", "rank": 3}


def stage(name, *learn, **more):
    plain = {"steps": 3, "batch": {"rows": 4}, "optimiser": OPTIMISER}
    return {"name": name, "learn": [*learn], **plain, **more}


def data(name):
    return {"data": {split: f"{name}.{split}.jsonl" for split in ("train", "test")}}


def recipe(retain, more=()):
    """Preferences in the second stage: what they compare with is the model after the first."""
    tasks = {"mood": data("mood"), "echo": data("echo") | {"max_new_tokens": 2}}
    tasks |= {"liked": data("liked")}
    first = stage("one", "mood")
    second = stage("two", "liked", "echo", objective={"liked": "dpo"}, retain=retain)
    tasks |= {task: {"data": f"{task}.jsonl"} for task, _ in more}
    return {
        "name": "long",
        "seed": 3,
        "model": {"base": "base-still", "adapter": LORA, "precision": "float32"},
        "tasks": {name: tasks[name] for name in ("mood", "echo", "liked", *dict(more))},
        "stages": [first, second, *(stage(name, task, retain=retain) for task, name in more)],
        "extendable": True,
        "evaluate": {"base": False, "draws": 200},
    }


def train(forker, folder, recipe, name):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    answer = forker.madrigal("run", path, "--out", folder / name)
    assert answer["code"] == 0, answer["said"]
    return folder / name


def extend(forker, run, out, task, *sets, file=None):
    words = [word for one in sets for word in ("--set", one)]
    file = file or run.parent / f"{task}.jsonl"
    return forker.madrigal("extend", run, "--task", f"{task}={file}", "--out", out, *words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("longer")
    retained.write(found)
    for n, name in enumerate(NEW):  # nothing that another task holds out
        lines = [
            json.dumps({"text": f"{name} at the {place}, {k}", "label": ("low", "high")[k % 2]})
            for k, place in enumerate(2 * tiny_run.PLACES, 50 * n)
        ]
        (found / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def old(forker, folder):
    """Finished runs of two stages under each retention, with what was extended twice and alike."""
    made = {}

    def run(name):
        if name not in made:
            made[name] = train(forker, folder, recipe(RETAIN[name]), name.replace(" ", "-"))
        return made[name]

    return run


def learnt(run, label):
    place = run / "stages" / label / "adapter"
    return hashes(place)["adapter_model.safetensors"]


def last_scores(run):
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))["rows"][-1]["scores"]


@pytest.mark.parametrize("name", RETAIN)
def test_extended_twice_is_the_longer_recipe(forker, folder, old, tmp_path, name):
    """Bit by bit, with the first run and its data away when the second extension asks."""
    here = tmp_path / "data"
    first = here / old(name).name
    shutil.copytree(folder, here)
    with untouched(first):
        answer = extend(forker, first, here / "b", "tide", "stages.0.name=three")
        assert answer["code"] == 0, answer["said"]
    shutil.rmtree(first)
    for task in ("mood", "echo", "liked"):
        (here / f"{task}.train.jsonl").unlink()
    with untouched(here / "b"):
        answer = extend(forker, here / "b", here / "c", "wind", "stages.0.name=four")
        assert answer["code"] == 0, answer["said"]
    whole = train(
        forker, folder, recipe(RETAIN[name], [("tide", "three"), ("wind", "four")]), f"whole {name}"
    )
    assert learnt(here / "b", "01-three") == learnt(whole, "03-three")
    assert learnt(here / "c", "01-four") == learnt(whole, "04-four")
    assert last_scores(here / "c") == last_scores(whole)


def test_preferences_are_replayed_as_they_were_taught(forker, folder, old, tmp_path):
    """Without what the run kept, what the reference said is asked of the model of that time."""
    name = "by data and weights"
    there = old(name)
    lost = tmp_path / "lost"
    shutil.copytree(folder, lost)
    for place in (lost / there.name / "stages").glob("*/kept/replay*"):
        place.unlink()
    keep = REMEMBERING[0]
    asked = f"stages.0.retain=[{json.dumps(keep)}]".replace('"', "")
    for run, out in ((there, "carried"), (lost / there.name, "again")):
        answer = extend(forker, run, tmp_path / out, "tide", asked, "extendable=false")
        assert answer["code"] == 0, answer["said"]
    places = [
        there / "stages/02-two",
        *(tmp_path / out / "stages/00-before" for out in ("carried", "again")),
    ]
    known = [
        [
            row["judged"]["reference"]
            for one in retained.rows(place / BUFFER)
            for row in one["rows"]
            if one["task"] == "liked"
        ]
        for place in places
    ]
    assert known[0] == known[1]
    assert len(set(known[0])) > 20
    assert known[2] == pytest.approx(known[0], rel=1e-5)
    losses = [
        retained.rows(tmp_path / out / "stages/01-extend/steps.jsonl")[0]["loss"]
        for out in ("carried", "again")
    ]
    replayed = [one["liked"] for one in losses if "liked" in one]
    assert all(0.3 < loss < 1.2 for loss in replayed), "of DPO at its start, ln 2, and not nats"


NEEDING_NOTHING = {
    "nothing": "[]",
    "a teacher": "[{kind: distill, on: new}]",
    "own words": "[{kind: replay, select: generated, keep: 4}]",
    "merging": "[merge, interpolate]",
}


@pytest.fixture(scope="module")
def plain(forker, folder):
    """A run that keeps nothing, of tasks whose test examples are cut from their only file."""
    keys = recipe([])
    alone = {"data": {"train": "mood.train.jsonl", "split": {"test": 0.3}}}
    keys["tasks"] = {"mood": alone, "echo": data("echo") | {"max_new_tokens": 2}}
    keys["stages"] = [stage("one", "mood"), stage("two", "echo")]
    del keys["extendable"]
    return train(forker, folder, keys, "plain")


def without_data(folder, plain, tmp_path):
    here = tmp_path / "data"
    shutil.copytree(folder, here)
    for name in ("mood.train.jsonl", "echo.train.jsonl", "echo.test.jsonl"):
        (here / name).unlink()
    return here / plain.name


@pytest.mark.parametrize("name", NEEDING_NOTHING)
def test_old_data_may_be_gone_where_nobody_asks_for_it(forker, folder, plain, tmp_path, name):
    run = without_data(folder, plain, tmp_path)
    sets = f"stages.0.retain={NEEDING_NOTHING[name]}"
    with untouched(run):
        answer = extend(forker, run, tmp_path / "more", "tide", sets)
    assert answer["code"] == 0, answer["said"]
    found = json.loads((tmp_path / "more/scores.json").read_text(encoding="utf-8"))
    before, after = found["rows"]
    assert set(after["scores"]) == {"mood", "echo", "tide"}
    ended = last_scores(run)
    assert {t: before["scores"][t]["value"] for t in ended} == {
        t: held["value"] for t, held in ended.items()
    }


@pytest.mark.parametrize(
    ("retain", "kinds", "tasks"),
    [
        ("[replay]", "`replay`", "mood, echo"),
        ("[ewc]", "`ewc`", "mood, echo"),
        ("[{kind: distill, on: all}, replay]", "`replay`", "mood, echo"),
    ],
)
def test_old_data_that_is_needed_is_missed_in_one_line(
    forker, folder, plain, tmp_path, retain, kinds, tasks
):
    run = without_data(folder, plain, tmp_path)
    with untouched(run):
        answer = extend(forker, run, tmp_path / "x", "tide", f"stages.0.retain={retain}")
    assert refused(answer) == (
        f"tasks.mood.data.train: mood.train.jsonl, echo.train.jsonl are gone, and {kinds} needs "
        f"training examples of {tasks}, of which the earlier run kept none; put the data back, or "
        "retain by what needs none of it, as `distill`"
    )
    assert not (tmp_path / "x").exists()


def test_weights_before_all_stages_are_those_of_the_same_seed(forker, plain, tmp_path):
    with untouched(plain):
        answer = extend(forker, plain, tmp_path / "x", "tide", "stages.0.retain=[merge]", "seed=4")
    assert "follow from its seed, 3; write `seed: 3`" in refused(answer)


def test_agem_goes_on(forker, folder, tmp_path):
    """Also where the stage replays nothing any more, when it has nothing to protect."""
    keys = recipe([{"kind": "replay", "keep": 6}])
    keys["tasks"] = {name: data(name) for name in ("mood", "liked")}
    keys["stages"] = [stage("one", "mood"), stage("two", "liked", objective={"liked": "dpo"})]
    keys["stages"][1] |= {"balance": "agem", "retain": ["replay"]}
    run = train(forker, folder, keys, "agem")
    for out, sets, expected in (("a", (), "agem"), ("b", ("stages.0.retain=[]",), "mean")):
        answer = extend(forker, run, tmp_path / out, "tide", *sets)
        assert answer["code"] == 0, answer["said"]
        written = yaml.safe_load((tmp_path / out / "recipe.yaml").read_text(encoding="utf-8"))
        assert written["stages"][0]["balance"]["kind"] == expected
