"""`madrigal group`: two pairs of tasks that contradict each other, from measuring to the recipe."""

import json

import pytest

import grouped
from madrigal.cli.app import main
from madrigal.recipe.load import load_recipe
from madrigal.training import loop

PAIRS = {"group-1": ("north-a", "north-b"), "group-2": ("south-a", "south-b")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("winds")
    grouped.write(folder)
    return folder


@pytest.fixture
def winds(made, monkeypatch):
    """The folder to work in; what the command wrote before is gone, but for what it measured."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "100")
    (made / "recipe.grouped.yaml").unlink(missing_ok=True)
    return made


def told(*arguments, capsys):
    """Exit code, standard output as one line of words, standard error."""
    code = main(["group", "recipe.yaml", *arguments])
    seen = capsys.readouterr()
    return code, " ".join(seen.out.split()), seen.err


def measured_folders(folder):
    return sorted(path.name for path in (folder / "runs" / "winds.group").iterdir())


@pytest.mark.parametrize("measure", ["first_order", "look_ahead"])
def test_the_two_pairs_are_found_and_written(winds, capsys, measure):
    code, out, _ = told("--affinity", measure, "--json", "found.json", capsys=capsys)
    assert code == 0
    assert f"{measure}: " in out
    assert "Group them: expected gain +" in out
    assert "wrote recipe.grouped.yaml; next: madrigal check recipe.grouped.yaml" in out
    found = json.loads((winds / "found.json").read_text(encoding="utf-8"))
    assert found["groups"] == {name: list(tasks) for name, tasks in PAIRS.items()}
    assert found["surely_gains"]
    assert found["stability"] > 0.9
    assert found["steps"] == 30
    assert found["affinity"][0][0] is None
    assert found["affinity"][0][2] > 0 > found["affinity"][0][1], "north-b; south-a"
    adapter = load_recipe(winds / "recipe.grouped.yaml").recipe.model.adapter
    assert adapter.private.groups == PAIRS
    assert (adapter.layers, adapter.private.rank) == ("none", 4)
    assert "# Four tasks, two of a kind." in (winds / "recipe.grouped.yaml").read_text("utf-8")


def test_what_was_measured_is_not_measured_again(winds, capsys, monkeypatch):
    assert told(capsys=capsys)[0] == 0
    before = measured_folders(winds)

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(loop, "train", refuse)
    code, out, _ = told("--force", "--groups", "3", capsys=capsys)
    assert code == 0
    assert "Group them" in out
    assert measured_folders(winds) == before


def test_interrupted_and_taken_up_again_it_finds_the_same(winds, capsys, monkeypatch):
    told("--steps", "12", "--folder", "whole", "--json", "whole.json", capsys=capsys)
    real, steps = loop._Trainer.step, iter(range(100))

    def once(self):
        if next(steps) == 7:
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(loop._Trainer, "step", once)
    again = ("--steps", "12", "--folder", "halves", "--json", "halves.json", "--force")
    code, _, err = told(*again, capsys=capsys)
    assert code == 130
    assert err == f"interrupted; go on with: madrigal group recipe.yaml {' '.join(again)}\n"
    monkeypatch.setattr(loop._Trainer, "step", real)
    assert told(*again, capsys=capsys)[0] == 0
    lines = [next((winds / n).rglob("steps.jsonl")).read_text("utf-8") for n in ("whole", "halves")]
    assert timeless(lines[0]) == timeless(lines[1])
    assert (winds / "whole.json").read_text("utf-8") == (winds / "halves.json").read_text("utf-8")


def timeless(text):
    rows = [json.loads(line) for line in text.splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_the_grouped_recipe_checks_and_trains(winds, capsys):
    assert told("--groups", "2", capsys=capsys)[0] == 0
    quick = ["--set", "stages.together.steps=2", "--set", "evaluate.base=false", "--set",
             "evaluate.baselines=false"]  # fmt: skip
    assert main(["run", "recipe.grouped.yaml", "--out", "ran", *quick]) == 0
    adapters = winds / "ran" / "stages" / "01-together" / "adapters"
    assert {path.name for path in adapters.iterdir()} == set(grouped.TASKS), "one to load for each"


def test_from_a_finished_run(winds, capsys):
    runs = ["--set", "stages.together.gradients.measure_every=2", "--set", "evaluate.base=false"]
    assert main(["run", "recipe.yaml", "--out", "done", *runs]) == 0
    capsys.readouterr()
    folders = measured_folders(winds) if (winds / "runs").exists() else []
    code, out, _ = told("--run", "done", capsys=capsys)
    assert code == 0
    assert "15 measured steps" in out
    assert load_recipe(winds / "recipe.grouped.yaml").recipe.model.adapter.private.groups == PAIRS
    assert not folders or measured_folders(winds) == folders
    code, _, err = told("--run", "done", "--affinity", "look_ahead", "--force", capsys=capsys)
    assert code == 2
    assert err == (
        "done: looked ahead at no step, as only `madrigal group` itself does; leave --run out, or "
        "take --affinity first_order\n"
    )
    lines = [json.loads(line) for line in steps_of("done")]
    write_steps("done", [{k: v for k, v in line.items() if k != "conflict"} for line in lines])
    code, _, err = told("--run", "done", "--force", capsys=capsys)
    assert code == 2
    assert err == (
        "done: stage together has no measured gradients of two tasks; leave --run out, or run it "
        "again with `gradients: {measure_every: 4}`\n"
    )


def steps_of(run):
    with open(f"{run}/stages/01-together/steps.jsonl", encoding="utf-8") as handle:
        return handle.readlines()


def write_steps(run, lines):
    with open(f"{run}/stages/01-together/steps.jsonl", "w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(line) + "\n" for line in lines)


MISTAKES = {
    "two tasks": (
        ["--set", "stages.together.learn=[north-a, south-a]"],
        "--set stages.together.learn=[north-a, south-a]: stages[0].learn: north-a and south-a "
        "alone; groups need 3 tasks or more",
    ),
    "full": (
        ["--set", "model.adapter=full"],
        "--set model.adapter=full: model.adapter: full fine-tuning has no adapter to group; write "
        "`adapter: lora`, or train the tasks that agree in recipes of their own",
    ),
    "private": (
        ["--set", "model.adapter.private=2"],
        "--set model.adapter.private=2: model.adapter.private: gives tasks private parts already; "
        "remove it to find groups anew",
    ),
    "no groups": (["--groups", "0"], "--groups 0: the stage learns 4 tasks; write 2 to 4"),
    "five groups": (["--groups", "5"], "--groups 5: the stage learns 4 tasks; write 2 to 4"),
    "stage": (
        ["--stage", "togehter"],
        "--stage togehter: the recipe has no such stage; did you mean 'together'?",
    ),
    "measure": (
        ["--affinity", "lookahead"],
        "--affinity lookahead: unknown; did you mean 'look_ahead'?",
    ),
    "run and steps": (
        ["--run", "done", "--steps", "50"],
        "--steps: has no effect with --run, which measures nothing; leave one out",
    ),
    "no run": (
        ["--run", "nowhere"],
        "nowhere: no such folder; give the folder that `madrigal run` wrote",
    ),
    "out is the recipe": (
        ["--out", "recipe.yaml", "--force"],
        "recipe.yaml: is the recipe itself; choose another --out",
    ),
    "json": (["--json", "no/x.json"], "no/x.json: there is no folder 'no'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(winds, capsys, name):
    arguments, sentence = MISTAKES[name]
    assert told(*arguments, capsys=capsys) == (2, "", f"{sentence}\n")


def test_a_recipe_that_is_there_is_kept(winds, capsys):
    (winds / "recipe.grouped.yaml").write_text("mine", encoding="utf-8")
    assert told(capsys=capsys) == (
        2,
        "",
        "recipe.grouped.yaml: is there already; replace it with --force, or choose another --out\n",
    )
    assert (winds / "recipe.grouped.yaml").read_text(encoding="utf-8") == "mine"


def test_the_recipe_is_written_where_its_paths_hold(winds, capsys, tmp_path):
    code, _, err = told("--out", str(tmp_path / "x.yaml"), capsys=capsys)
    assert code == 2
    assert err.endswith(f"paths in the recipe start at its folder, {winds}; write --out there\n")


def test_under_torchrun_it_is_refused(winds, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert told(capsys=capsys)[2] == "group: measures in one process; start it without torchrun\n"


def test_several_mistakes_come_at_once(winds, capsys):
    code, _, err = told("--groups", "9", "--affinity", "x", "--json", "no/x.json", capsys=capsys)
    assert code == 2
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "--groups 9", "--affinity x", "no/x.json",
    ]  # fmt: skip
