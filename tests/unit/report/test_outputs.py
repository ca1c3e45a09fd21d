import json

import pytest

from fake_run import write_json, write_lines
from madrigal.report.examples import read_examples, variants_of
from madrigal.report.folder import read_run
from madrigal.report.outputs import middle_out, pick, reading
from madrigal.report.scoreboard import read_scores


def row(name, score, *, output="x", parsed=True, **more):
    told = {"task": "t", "id": name, "where": f"t:{name}", "kind": "answer", "prompt": "p"}
    return {**told, "targets": ["y"], "output": output, "score": score, "parsed": parsed, **more}


def run_of(tmp_path, **variants):
    for variant, rows in variants.items():
        name = variant.replace("_", "-").replace("stage", "01-together")
        write_lines(tmp_path / "predictions" / name / "t.jsonl", rows)
    write_json(tmp_path / "manifest.json", {"status": "finished"})
    return read_run(tmp_path)


def examples_of(run):
    board = read_scores(run)
    return read_examples(run, "t", variants_of(run, board), "01-together", [])


def test_won_lost_and_tied_are_told_by_the_examples_own_scores(tmp_path):
    run = run_of(
        tmp_path,
        base=[row("a", 0.0), row("b", 1.0), row("c", 0.5), row("d", 0.5)],
        stage=[row("a", 1.0), row("b", 0.0), row("c", 0.5), row("d", 0.0, parsed=False)],
    )
    data = reading(run, read_scores(run), 100_000, [])
    assert data["final"] == "01-together"
    assert data["references"] == ["base"]
    assert data["tasks"]["t"]["counts"] == {"base": {"won": 1, "lost": 2, "tied": 1}}
    assert data["tasks"]["t"]["unparsed"] == 1
    assert {r["i"]: r["c"]["base"] for r in data["rows"]} == {"a": 1, "b": -1, "c": 0, "d": -0.5}


def test_tallies_count_examples_that_do_not_fit_on_the_page(tmp_path):
    many = 300
    run = run_of(
        tmp_path,
        base=[row(str(i), 0.0, output="o" * 500) for i in range(many)],
        stage=[row(str(i), float(i % 2), output="o" * 500) for i in range(many)],
    )
    data = reading(run, read_scores(run), 20_000, [])
    assert data["tasks"]["t"]["total"] == many
    assert data["tasks"]["t"]["counts"]["base"] == {"won": 150, "lost": 0, "tied": 150}
    assert data["tasks"]["t"]["shown"] == len(data["rows"]) < 40
    assert len(json.dumps(data["rows"])) < 22_000


def test_the_random_sample_is_uniform_whatever_else_is_shown(tmp_path):
    import random

    rows = [row(str(i), float(i < 5)) for i in range(200)]
    run = run_of(tmp_path, base=[row(str(i), 0.5) for i in range(200)], stage=rows)
    examples = examples_of(run)
    _, sampled = pick(examples, "01-together", 6_000)
    shuffled = [example.id for example in examples]
    random.Random(0).shuffle(shuffled)
    assert 5 < len(sampled) < 100
    assert set(shuffled[: len(sampled)]) == sampled


def test_the_worst_and_the_best_and_the_unparsed_find_a_place(tmp_path):
    base = [row(str(i), 0.5) for i in range(400)]
    stage = [row(str(i), 0.5) for i in range(400)]
    stage[77], stage[111] = row("77", 0.0), row("111", 1.0)
    stage[222] = row("222", 0.5, output="", parsed=False)
    run = run_of(tmp_path, base=base, stage=stage)
    picked, _ = pick(examples_of(run), "01-together", 3_000)
    assert {"77", "111", "222"} <= {example.id for example in picked}
    assert len(picked) < 40


def test_equal_losses_are_ordered_by_how_far_belief_fell(tmp_path):
    def choice(name, score, nats):
        return row(name, score, kind="choice", choices={"y": nats, "x": -1.0})

    run = run_of(
        tmp_path,
        base=[choice("a", 1.0, -0.9), choice("b", 1.0, -0.01)],
        stage=[choice("a", 0.0, -1.1), choice("b", 0.0, -9.0)],
    )
    a, b = examples_of(run)
    assert b.belief_change("base", "01-together") < a.belief_change("base", "01-together") < 0
    assert a.answers["base"].belief == pytest.approx(1 / (1 + 2.718281828 ** (-0.1)), abs=1e-6)


def test_long_texts_are_cut_and_say_so(tmp_path):
    run = run_of(tmp_path, stage=[row("a", 0.1, output="o" * 5_000, prompt="s" * 9_000 + "END")])
    (packed,) = reading(run, read_scores(run), 100_000, [])["rows"]
    assert packed["o"]["01-together"]["cut"] == 4_100
    assert packed["p"].endswith("END")
    assert "characters left out" in packed["p"]
    assert middle_out("short", 10) == "short"


def test_an_id_that_occurs_twice_is_two_examples(tmp_path):
    run = run_of(tmp_path, base=[row("a", 0), row("a", 1)], stage=[row("a", 1), row("a", 1)])
    assert [(e.id, e.change["base"]) for e in examples_of(run)] == [("a", 1.0), ("a~2", 0.0)]


def test_an_example_that_one_model_lacks_is_shown_and_not_counted(tmp_path):
    run = run_of(tmp_path, base=[row("a", 0.0)], stage=[row("a", 1.0), row("b", 1.0)])
    data = reading(run, read_scores(run), 100_000, [])
    assert data["tasks"]["t"]["counts"]["base"] == {"won": 1, "lost": 0, "tied": 0}
    assert [set(r["o"]) for r in data["rows"]] == [{"base", "01-together"}, {"01-together"}]


def test_perplexity_of_an_example_of_raw_text(tmp_path):
    rows = [row("a", 0.1, kind="text", output="", nats=46.05, tokens=20)]
    run = run_of(tmp_path, stage=rows)
    (packed,) = reading(run, read_scores(run), 100_000, [])["rows"]
    assert packed["o"]["01-together"]["s"] == "perplexity 10.0"


def test_variants_stand_in_the_order_of_reading(run):
    found = read_run(run)
    data = reading(found, read_scores(found), 50_000, [])
    assert list(data["variants"]) == ["base", "few-shot", "single", "01-together", "02-law"]
    assert data["variants"]["02-law"] == "multi-task"
    assert data["variants"]["01-together"] == "after together"
    assert data["references"] == ["single", "base", "few-shot", "01-together"]
    assert data["columns"] == ["base", "single", "02-law"]


def test_a_run_without_predictions_has_nothing_to_read(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "running"})
    run = read_run(tmp_path)
    assert reading(run, read_scores(run), 1_000, []) == {}
