import io

from rich.console import Console

from fake_run import write_json
from madrigal.report import closing_table
from madrigal.report.folder import read_run
from madrigal.report.scoreboard import read_scores
from madrigal.report.verdict import headline, judgements
from madrigal.report.worst import worst_task


def printed(run, width=150):
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(closing_table(run))
    return out.getvalue()


def test_the_terminal_says_what_the_page_says(run):
    text = printed(run)
    board = read_scores(read_run(run))
    assert headline(judgements(board)) in text
    assert worst_task(board).sentence in text.replace("\n", " ")
    for task in board.tasks:
        assert task.name in text
    head = [part.strip() for part in text.splitlines()[0].split("  ") if part.strip()]
    models = ["base", "single", "multi"]
    assert head == ["task", *models, "since learnt", "from single", "n"]
    assert "perplexity ↓" in text


def test_it_fits_into_eighty_columns(run):
    lines = printed(run, width=80).splitlines()
    names = [line.split()[0] for line in lines[1:11:2]]
    assert names == ["sentiment", "inference", "passages", "titles", "statutes"]
    assert lines[2].split()[0] == "accuracy"
    assert lines[2].count(" to ") == 2


def test_markup_in_names_is_text(tmp_path):
    row = {"stage": "base", "scores": {"[red]a": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    tasks = {"[red]a": {"metric": "accuracy", "n": 1}}
    write_json(tmp_path / "scores.json", {"tasks": tasks, "rows": [row]})
    assert "[red]a" in printed(tmp_path)


def test_a_run_without_scores(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "running"})
    assert printed(tmp_path) == "No scores in this run.\n"
