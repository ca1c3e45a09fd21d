"""Every wrong sweep is told in a line each, all at once, before anything is written."""

import pytest

import swept
from madrigal.cli.app import main

RATE = "stages.together.optimiser.learning_rate"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    swept.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys, *words, code=2):
    assert main(["sweep", "recipe.yaml", "--out", "out", *words]) == code
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("stages.0.stepz=[1, 2]", "unknown key; did you mean 'steps'?"),
        (
            "stages.nope.steps=[1, 2]",
            "stages has no element 'nope'; there are: 'together', 'after'",
        ),
        ("stages.0.steps=[1, 0]", "found 0; must be at least 1"),
        (f"{RATE}={{low: 1e-3, high: 1e-4}}", "empty range: low 0.001 is not below high 0.0001"),
        (f"{RATE}={{low: 0, high: 1, scale: log}}", "a log scale starts above 0; low is 0"),
        (f"{RATE}={{low: 0.1, high: 1, scale: lin}}", "unknown scale 'lin'; write linear or log"),
        (f"{RATE}={{low: 0.1, hihg: 1}}", "unknown key; did you mean 'high'?"),
        (f"{RATE}={{low: 0.1}}", "missing; a range has a number for low and one for high"),
        ("stages.0.steps={low: 1.5, high: 4}", "low is 1.5, and only whole numbers may stand"),
        (
            "stages.0.balance={low: 1, high: 4}",
            "a range where no number may stand; list the values",
        ),
        ("stages.0.steps=[5]", "one value to choose from; a choice needs two or more"),
        ("stages.0.steps=[5, 5]", "5 stands twice; write each value once"),
        ("stages.0.steps=5", "one value; write a list, as [4, 8, 16], or a range"),
        ("stages.0.balance={kind: mean}", "a mapping without low and high; write a list"),
        ("stages.0.steps", "no KEY=VALUES; write --over 'model.adapter.rank=[4, 8]'"),
        ("name=[a, b]", "cannot be searched; every trial has a folder of its own"),
        ("evaluate.split=[test, validation]", "cannot be searched; write `score_on`"),
    ],
)
def test_a_wrong_knob(folder, capsys, over, said):
    (told,) = lines(capsys, "--over", over)
    assert told.startswith(f"--over {over}")
    assert said in told
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--maximise", "averge"], "--maximise averge: unknown score 'averge'; did you mean"),
        (["--maximise", "forgetting"], "--maximise forgetting: 'forgetting' is better when"),
        (["--maximise", "bwt", "--minimise", "fwt"], "--minimise fwt: maximise is there too"),
        (["--subject-to", "tasks.moood >= 1"], "--subject-to tasks.moood >= 1: no task 'moood'"),
        (["--subject-to", "bwt > 1"], "--subject-to bwt > 1: 'bwt > 1' has '>'; write"),
        (["--subject-to", "delta_m >= 0"], "--subject-to delta_m >= 0: 'delta_m' needs"),
        (["--sampler", "grid"], "--sampler grid: unknown; there are: 'auto', 'random', 'tpe'"),
        (["--score-on", "train"], "--score-on train: unknown; there are: 'validation', 'test'"),
        (["--set", "stages.0.steps=9"], "undoes what --set stages.0.steps sets"),
        (["--over", "stages.together.steps=[1, 2]"], "undoes what stages.0.steps sets"),
    ],
)
def test_a_wrong_aim(folder, capsys, words, said):
    found = lines(capsys, "--over", "stages.0.steps=[3, 4]", *words)
    assert any(said in line for line in found), found
    assert not (folder / "out").exists()


def test_the_file_is_told_by_its_lines_all_at_once(folder, capsys):
    text = "maximise: averge\ntrails: 3\nsubject_to: [bwt]\nsearch:\n  seeed: [1, 2]\n  seed: [1]\n"
    (folder / "sweep.yaml").write_text(text)
    assert lines(capsys, "--space", "sweep.yaml") == [
        "sweep.yaml:2: trails: unknown key; did you mean 'trials'?",
        "sweep.yaml:6: search.seed: one value to choose from; a choice needs two or more",
        "sweep.yaml:3: subject_to: 'bwt' is no bound; write a score, <= or >=, and a number, as "
        "`forgetting <= 0.05`",
        "sweep.yaml:1: maximise: unknown score 'averge'; did you mean 'average'?",
        "sweep.yaml:5: search.seeed: unknown key; did you mean 'seed'?",
    ]


def test_files_that_are_none(folder, capsys):
    assert lines(capsys, "--space", "sweeep.yaml") == [
        "sweeep.yaml: no such file; did you mean 'sweep.yaml'?"
    ]
    (folder / "empty.yaml").write_text("")
    assert lines(capsys, "--space", "empty.yaml") == [
        "empty.yaml: empty; a sweep is a mapping of keys to values"
    ]
    (folder / "none.yaml").write_text("trials: 4\n")
    assert lines(capsys, "--space", "none.yaml") == [
        "nothing to search; name a file with `search:`, or give --over KEY=VALUES"
    ]
    (folder / "none.yaml").write_text("search: []\n")
    assert lines(capsys, "--space", "none.yaml") == [
        "none.yaml:1: search: holds no keys; write `KEY: VALUES` below it"
    ]


def test_folders_of_something_else(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "notes.txt").write_text("mine")
    words = ["--over", "stages.0.steps=[3, 4]"]
    assert lines(capsys, *words) == ["out: no sweep, it holds 'notes.txt'; choose another --out"]
    (folder / "out" / "recipe.yaml").write_text("name: x")
    assert lines(capsys, *words) == ["out: holds a run, not a sweep; choose another --out"]


def test_a_folder_of_another_sweep(folder, capsys, monkeypatch):
    from madrigal.sweep import folder as files

    def kept(*words):
        """As far as the folder; nothing is run."""
        monkeypatch.setattr("madrigal.cli.sweep.work", lambda *_: None)
        return main(["sweep", "recipe.yaml", "--out", "out", "--sampler", "random", *words])

    assert files
    assert kept("--over", "stages.0.steps=[3, 4]") == 0
    capsys.readouterr()
    for words, other in (
        (["--over", "stages.0.steps=[3, 5]"], "search"),
        (["--over", "stages.0.steps=[3, 4]", "--seed", "9"], "seed"),
        (["--over", "stages.0.steps=[3, 4]", "--set", "seed=9"], "values in the recipe or --set"),
        (["--over", "stages.0.steps=[3, 4]", "--score-on", "test"], "score_on"),
    ):
        assert kept(*words) == 2
        assert capsys.readouterr().err == (
            f"out: holds a sweep with another {other}; give what it was begun with, or choose "
            "another --out\n"
        )
    assert kept("--over", "stages.0.steps=[3, 4]", "--maximise", "tasks.mood", "--trials", "3") == 0


def test_tpe_without_optuna(folder, capsys, monkeypatch):
    monkeypatch.setattr("madrigal.sweep.plan.find_spec", lambda name: None)
    assert lines(capsys, "--over", "stages.0.steps=[3, 4]", "--sampler", "tpe") == [
        "--sampler tpe: tpe needs optuna, which is not here; install it with `pip install "
        "'madrigal[search]'`, or take `random`"
    ]
