"""Exit codes, and what is said with each of them."""

import importlib
from pathlib import Path

import pytest

from madrigal.cli import run as run_command
from madrigal.cli.app import main
from madrigal.errors import DataError, RunStopped


def raising(error: BaseException):
    def work(*_: object) -> None:
        raise error

    return work


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch):
    return lambda error: monkeypatch.setattr(run_command, "run_recipe", raising(error))


def test_a_users_mistakes_are_lines_and_exit_2(fails, capsys):
    fails(DataError(["a.jsonl:1: no field 'x'", "a.jsonl:2: no field 'x'"]))
    assert main(["run", "r.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "a.jsonl:1: no field 'x'\na.jsonl:2: no field 'x'\n"
    assert captured.out == ""


def test_a_run_that_stopped_itself_is_exit_3(fails, capsys):
    fails(RunStopped("the loss is not finite; the checkpoint of step 40 is kept"))
    assert main(["run", "r.yaml"]) == 3
    line = "stopped: the loss is not finite; the checkpoint of step 40 is kept\n"
    assert capsys.readouterr().err == line


def test_an_interrupted_run_says_how_to_go_on(fails, capsys):
    fails(KeyboardInterrupt())
    assert main(["run", "my recipe.yaml", "--set", "seed=3", "--resume"]) == 130
    line = "interrupted; go on with: madrigal run 'my recipe.yaml' --set seed=3 --resume\n"
    assert capsys.readouterr().err == line


def test_an_interrupt_may_bring_its_own_sentence(fails, capsys):
    fails(KeyboardInterrupt("interrupted at step 7; its checkpoint is written"))
    assert main(["run", "r.yaml"]) == 130
    assert capsys.readouterr().err == "interrupted at step 7; its checkpoint is written\n"


def test_a_bug_shows_itself(fails):
    fails(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        main(["run", "r.yaml"])


def test_only_the_first_process_speaks(fails, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    fails(DataError("a.jsonl:1: broken"))
    assert main(["run", "r.yaml"]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rnu"], "madrigal: no such command 'rnu'. Did you mean 'run'?; see `madrigal --help`"),
        (["run"], "madrigal run: missing argument 'RECIPE'; see `madrigal run --help`"),
        (
            ["run", "r.yaml", "--resum"],
            "madrigal run: no such option: --resum (Possible options: --resume); "
            "see `madrigal run --help`",
        ),
        (
            ["list", "metric"],
            "madrigal list: there is no list 'metric'; did you mean 'metrics'?",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(words: list[str], line: str, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["--version"]])
def test_help_is_no_mistake(words: list[str], capsys):
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out
    assert captured.err == ""


def test_every_command_has_its_own_help(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.split("Commands:")[1].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    assert {"run", "check", "init", "list", "report", "chat", "export"} <= set(names)
    for name in names:
        if name != "Start":
            assert main([name, "--help"]) == 0
            assert "Usage: madrigal " in capsys.readouterr().out


def test_the_run_folder_is_named_after_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = "{name: nice, tasks: {a: {data: a}}, stages: [{name: s, learn: a, steps: 1}]}"
    recipe = tmp_path / "r.yaml"
    recipe.write_text(text, encoding="utf-8")
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        importlib.import_module("madrigal.pipeline.run"),
        "run",
        lambda loaded, out, resume: seen.append((loaded.recipe.seed, out, resume)),
    )
    assert main(["run", str(recipe), "--set", "seed=4"]) == 0
    assert main(["run", str(recipe), "--out", "x", "--resume"]) == 0
    assert seen == [(4, Path("runs/nice"), False), (0, Path("x"), True)]
