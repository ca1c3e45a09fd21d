"""Runs side by side: what each kept, what that cost, and one page of it."""

import pytest

from fake_run import write_json
from in_sequence import SCORES, scores, write_stage
from madrigal.cli.app import main
from madrigal.report.retention import StageCost
from madrigal.report.side_by_side import figure, kept_runs, retention_of, table, write_side_by_side

REPLAY = {
    "settings": {"replay": {"share": 0.2}},
    "replayed": {"a": 5},
    "flops": {"own": 200, "replay": 90},
    "memory_bytes": {"replay": 3000},
    "inference_bytes": 7000,
}


@pytest.fixture
def runs(tmp_path):
    plain, replay = tmp_path / "plain", tmp_path / "replay"
    for run, retain, replayed in ((plain, {}, 0), (replay, REPLAY, 10)):
        write_stage(run, "01-one", "a", kept={"replay": {"seconds": 1, "bytes": 5000, "flops": 10}})
        write_stage(run, "02-two", "b", retain, replayed=replayed)
        write_json(run / "scores.json", scores())
    return plain, replay


def test_each_run_says_what_it_kept_and_took(runs):
    space = "\N{NO-BREAK SPACE}"
    plain, replay = table(kept_runs(runs, ("plain", "replay")))
    scored = ("65.0 (60.0 to 70.0)", "−20.0 (−25.0 to −15.0)")
    assert plain == ("plain", "nothing", *scored, f"20{space}s", "0", "–", "0", "0", "–")
    # Half of the second stage's tokens were replayed: 5 of 20 s, and 1 s to choose them.
    assert replay == (
        "replay", f"replay 20{space}%", *scored, f"15{space}s",
        f"6.0{space}s (40{space}%)", f"50{space}%", f"3.00{space}kB", f"5.00{space}kB",
        f"7.00{space}kB",
    )  # fmt: skip


def test_runs_without_sequence_are_left_out(tmp_path):
    body = scores({row: SCORES[row] for row in ("base", "01-one")}, {"01-one": "abc"})
    write_json(tmp_path / "scores.json", body)
    assert kept_runs([tmp_path], ["one"]) == ()


def test_retention_is_named_once_with_what_says_how_much():
    def stage(**settings):
        return StageCost("01-x", settings, 1, 1.0, {})

    stages = [
        stage(),
        stage(replay={}, ewc={"strength": 2.0}),
        stage(replay={"count": 3}, ewc={"strength": 2.0}, merge={}),
    ]
    told = "replay 10\N{NO-BREAK SPACE}%, EWC 2, replay 3 a step, merging"
    assert retention_of(stages) == told
    assert retention_of(stages[:1]) == "nothing"


def test_the_page_holds_picture_and_table(runs, tmp_path):
    kept = kept_runs(runs, ("plain", "<b>replay"))
    page = write_side_by_side(kept, tmp_path / "deep" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert figure(kept) in text
    assert "<b>replay" not in text
    assert "&lt;b&gt;replay: replay 20" in text
    assert 'class="place ahead"' in text, "a run that did nothing is hollow"
    assert write_side_by_side(kept, page).read_text(encoding="utf-8") == text
    assert not list(page.parent.glob(".*"))


def test_compare_prints_it_and_writes_the_page(tmp_path, capsys, monkeypatch):
    from fake_run import write_run

    monkeypatch.setenv("COLUMNS", "200")
    runs = [write_run(tmp_path / name, examples=8, steps=5, few_shot=False) for name in ("x", "y")]
    for run in runs:
        recipe = f"name: {run.name}\ntasks: {{a: {{data: a.jsonl}}}}\nstages: []\n"
        (run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    page = tmp_path / "page.html"
    assert main(["compare", *map(str, runs), "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert "What was kept, and what that cost" in said
    assert f"page: {page}" in said
    assert page.exists()
