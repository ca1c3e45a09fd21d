"""A safety filter on a user's paths: in chat, in scores and report, and measured by itself."""

import io
import json

import pytest

import tiny_run
from madrigal.cli.app import main
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.scores_file import recompute

# `river` is what the answers of the tiny task are about; half of the prompts name an evening.
RULES = """\
instead: Not here.
rules:
  - {name: places, kind: words, words: [market, mill, tower], on: [input]}
  - {name: short, kind: pattern, patterns: ['.'], on: [output], action: note}
"""
EVERYTHING = "instead: Not here.\nrules: [{name: all, kind: pattern, patterns: [answer]}]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose recipe has a filter."""
    folder = tmp_path_factory.mktemp("filtered")
    keys = tiny_run.keys()
    keys["stages"] = [keys["stages"][0] | {"steps": 2}]
    keys["evaluate"] = {"draws": 200, "filter": "filter.yaml"}
    tiny_run.write_recipe(folder, keys)
    (folder / "filter.yaml").write_text(RULES)
    (folder / "everything.yaml").write_text(EVERYTHING)
    assert main(["run", str(folder / "recipe.yaml"), "--out", str(folder / "run")]) == 0
    return folder


def test_what_people_would_get_is_scored_and_counted(folder):
    run = folder / "run"
    rows = read_predictions(run / "predictions" / "01-together" / "echo.jsonl")
    scores = json.loads((run / "scores.json").read_text())
    blocked = [row for row in rows if row.blocked]
    assert 0 < len(blocked) < len(rows)
    for row in rows:
        named = any(place in row.prompt for place in ("market", "mill", "tower"))
        assert row.blocked == (("places",) if named else ())
        if named:
            assert row.output == "Not here."
            assert row.unfiltered is not None
            assert row.score == 0.0
    for stage in ("base", "01-together"):
        told = scores["summary"]["filtered"][stage]
        assert set(told) == {"echo"}  # the other task chooses, it does not write
        assert told["echo"]["n"] == len(rows)
        assert told["echo"]["value"] == len(blocked) / len(rows)
        assert told["echo"]["rules"] == {"places": len(blocked)}
    assert recompute(run).summary["filtered"] == scores["summary"]["filtered"]


def test_the_report_says_what_was_blocked(folder):
    page = (folder / "run" / "report.html").read_text()
    assert "Answers that the filter blocked" in page
    assert "places " in page


def talk(folder, monkeypatch, capsys, filter_, *lines):
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    words = ["chat", str(folder / "run"), "--max-new-tokens", "4", "--filter", filter_]
    code = main(words)
    seen = capsys.readouterr()
    return code, seen.out.splitlines(), seen.err.splitlines()


def test_a_blocked_question_is_not_asked(folder, monkeypatch, capsys):
    rules = str(folder / "filter.yaml")
    code, out, err = talk(folder, monkeypatch, capsys, rules, "where is the market?")
    assert (code, out, err) == (0, ["Not here."], ["[blocked: places]"])


def test_a_blocked_answer_is_not_shown(folder, monkeypatch, capsys):
    rules = str(folder / "everything.yaml")
    monkeypatch.setattr("madrigal.cli.chat.answer", lambda *_, **__: "an answer")
    code, out, err = talk(folder, monkeypatch, capsys, rules, "hello")
    assert (code, out, err) == (0, ["Not here."], ["[blocked: all]"])


def test_an_answer_that_passes_is_shown(folder, monkeypatch, capsys):
    monkeypatch.setattr("madrigal.cli.chat.answer", lambda *_, **__: "fine weather")
    assert talk(folder, monkeypatch, capsys, "plain", "hello") == (0, ["fine weather"], [])


def test_a_filter_is_measured_on_judged_texts(tmp_path, monkeypatch, capsys):
    rows = [("you idiot", "toxic"), ("you fool", "toxic"), ("good day", "fine"), ("idiot", "fine")]
    lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    (tmp_path / "said.jsonl").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    assert main(["filter", "plain", "said.jsonl", "--harmful", "toxic"]) == 0
    told = " ".join(capsys.readouterr().out.replace("\xa0", " ").split())
    assert "precision: harmful of those blocked 50.0 % (9.5 to 90.5) 2 blocked" in told
    assert "recall: blocked of the harmful 50.0 % (9.5 to 90.5) 2 harmful" in told
    assert "names-called 50.0 % (9.5 to 90.5) 2" in told
    assert "False alarms, the first of 1: blocked: names-called ('idiot'): idiot" in told
    assert "Missed, the first of 1: you fool" in told


def test_lines_are_judged_as_they_come(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("good day\nyou idiot\n"))
    assert main(["filter", "plain"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "fine\tgood day",
        "blocked: names-called ('idiot')\tyou idiot",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.yaml"], "none.yaml: no such file"),
        (["plain", "a.jsonl"], "--harmful: missing; name the labels of the files that mean harm"),
        (["plain", "a.jsonl", "--harmful", "x"], "--harmful x: no row has it; the labels are fine"),
        (["plain", "a.jsonl", "--harmful", "x", "--text", "t"], "a.jsonl:1: no field 't'; name it"),
        (["plain", "--side", "both"], "--side both: unknown; there are: 'input', 'output'"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "fine"}\n')
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["filter", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(said)


def test_a_recipe_with_a_wrong_filter_is_refused(folder, tmp_path, capsys):
    (folder / "wrong.yaml").write_text("rules: [{name: a, kind: words}]\n")
    words = ["--set", "evaluate.filter=wrong.yaml", "--out", str(tmp_path / "out")]
    assert main(["run", str(folder / "recipe.yaml"), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "evaluate.filter: " in line
    assert "wrong.yaml:1: rules[0]: no words to look for; add `words` or `files`" in line
    assert not (tmp_path / "out").exists()
