from fake_run import write_json, write_lines
from madrigal.report.curves import (
    Palette,
    event_marks,
    loss_by_examples,
    stage_charts,
    thin,
)
from madrigal.report.folder import StageLog, read_run
from madrigal.report.scoreboard import read_scores
from madrigal.report.stage_matrix import matrix, measures
from madrigal.report.training import stage_views, trained_tasks


def test_thinning_keeps_the_mean_and_the_ends():
    points = [(float(x), float(x)) for x in range(1000)]
    thinned = thin(points, 120)
    assert len(thinned) == 120
    assert thinned[0][0] < 10
    assert thinned[-1][0] > 989
    assert thin(points[:50], 120) == points[:50]
    spike = [(0.0, 1.0), (1.0, 9.0), (2.0, 1.0), (3.0, 1.0)]
    assert thin(spike, 2, max) == [(0.5, 9.0), (2.5, 1.0)]


def test_each_event_is_told_once():
    log = StageLog(
        "a",
        steps=({"step": 3, "skipped": "non-finite loss"}, {"step": 5, "skipped": "non-finite"}),
        events=(
            {"step": 9, "kind": "early_stop", "text": "Stopped."},
            {"step": 3, "kind": "skipped", "text": "Step 3 skipped: non-finite loss."},
            {"step": None, "kind": "skipped", "text": "nowhere"},
        ),
    )
    assert [(mark.x, mark.sign, mark.text) for mark in event_marks(log)] == [
        (3, "✕", "Skipped: non-finite loss."),
        (5, "✕", "Skipped: non-finite"),
        (9, "■", "Stopped."),
    ]


def test_loss_is_laid_over_the_examples_seen():
    steps = [
        {"rows": {"a": 4, "b": 1}, "loss": {"a": 2.0}},
        {"rows": {"a": 3}, "loss": {"a": 9.0}, "skipped": "non-finite"},
        {"rows": {"a": 2}, "loss": {"a": 1.0, "b": None}},
    ]
    assert loss_by_examples(steps, "a") == [(4, 2.0), (9, 1.0)]
    assert loss_by_examples(steps, "b") == []


def test_skipped_steps_draw_no_line():
    rates = ((1, 1.0, {}), (2, 50.0, {"skipped": "x"}), (3, 2.0, {}))
    steps = tuple({"step": step, "lr": rate, **more} for step, rate, more in rates)
    (chart,) = stage_charts(StageLog("a", steps=steps), Palette(()), {})
    assert chart.title == "Learning rate"
    assert ">2<" in chart.figure
    assert ">50<" not in chart.figure


def test_weights_that_never_move_are_a_sentence(run):
    views = stage_views(read_run(run), read_scores(read_run(run)), Palette(("titles", "statutes")))
    assert "Task weights" in [chart.title for chart in views[0].charts]
    still = StageLog("a", steps=tuple({"step": s, "weight": {"t": 1.0}} for s in (1, 2, 3)))
    assert stage_charts(still, Palette(("t",)), {}) == ()


def test_a_stage_tells_its_facts_shares_and_baselines(run):
    found = read_run(run)
    palette = Palette(("sentiment", "inference", "passages", "titles", "statutes"))
    together, law = stage_views(found, read_scores(found), palette)
    facts = dict(together.facts)
    assert facts["steps"] == "150"
    assert facts["skipped steps"] == "1"
    assert facts["padding"].startswith("6.5")
    assert [share.task for share in together.shares] == list(palette.tasks[:4])
    assert together.shares[0].asked == "25.0\N{NO-BREAK SPACE}%"
    assert [chart.title for chart in law.against_single] == ["titles", "statutes"]
    titles = {chart.title for chart in together.charts}
    assert titles >= {"Loss", "Validation", "Gradient norm", "Learning rate", "Speed"}


def test_which_stage_trained_what(run, tmp_path):
    found = read_run(run)
    assert trained_tasks(found, read_scores(found)) == {
        "01-together": ("sentiment", "inference", "passages", "titles"),
        "02-law": ("statutes", "titles"),
    }
    write_lines(tmp_path / "stages/01-a/steps.jsonl", [{"step": 1, "loss": {"t": 1.0}}])
    alone = read_run(tmp_path)
    assert trained_tasks(alone, read_scores(alone)) == {"01-a": ("t",)}


def test_the_matrix_shades_from_chance_to_perfect(tmp_path):
    def row(stage, accuracy, perplexity):
        scores = {"acc": {"value": accuracy}, "ppl": {"value": perplexity}}
        return {"stage": stage, "learned": ["acc"] if stage == "01-a" else [], "scores": scores}

    rows = [row("base", 0.5, 40.0), row("01-a", 1.0, 10.0), row("02-b", 0.75, 20.0)]
    tasks = {
        "acc": {"metric": "accuracy", "chance": 0.5},
        "ppl": {"metric": "perplexity", "direction": "lower"},
    }
    summary = {"bwt": {"value": -0.25, "low": -0.3, "high": -0.2}, "fwt": None, "average": 0.75}
    write_json(tmp_path / "scores.json", {"tasks": tasks, "rows": rows, "summary": summary})
    run = read_run(tmp_path)
    board = read_scores(run)
    found = matrix(board, trained_tasks(run, board))
    assert found.columns == ("base", "after a", "after b")
    shades = {name: [cell.shade for cell in cells] for name, _, cells in found.rows}
    assert shades == {"acc": [0, 8, 4], "ppl": [0, 8, 4]}
    assert [cell.learnt for cell in found.rows[0][2]] == [False, True, False]
    assert [(name, value) for name, value, _ in measures(board)] == [
        ("Average", "75.0"),
        ("Backward transfer", "−25.0 (−30.0 to −20.0)"),
    ]


def test_a_small_spread_of_perplexity_is_not_painted_large(tmp_path):
    scores = {"base": 20.0, "01-a": 19.9}
    rows = [{"stage": s, "scores": {"t": {"value": value}}} for s, value in scores.items()]
    tasks = {"t": {"metric": "perplexity", "direction": "lower"}}
    write_json(tmp_path / "scores.json", {"tasks": tasks, "rows": rows})
    found = matrix(read_scores(read_run(tmp_path)), {})
    assert [cell.shade for cell in found.rows[0][2]] == [0, 0]


def test_colours_repeat_with_dashes():
    palette = Palette(tuple(f"t{i}" for i in range(10)))
    assert palette.colour("t1") == palette.colour("t9") == "c1"
    assert [palette.dashed(name) for name in ("t1", "t9")] == [False, True]
    assert palette.colour("other") == "c7"
