"""The section on judged answers, and the ceiling beside every agreement."""

import json
import math
import re
from dataclasses import asdict, replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from fake_run import write_json, write_lines
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import score_run, write_scores
from madrigal.feedback import inspect
from madrigal.report import closing_table, write_report
from madrigal.report.card import model_card
from madrigal.report.folder import read_run
from madrigal.report.judged import judged_views
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn

STAGES = {"01-judge": ("polite", "direct")}


def rows(task, variant, count=120, scale=6.0):
    """Pairs with three votes each; the trained model knows much and is far too sure of it."""
    random = np.random.default_rng([len(task), 7])
    mine = np.random.default_rng([len(variant), 5])
    for number in range(count):
        quality = random.normal(0, 1.5, 2)
        votes = random.random(3) < 1 / (1 + math.exp(-(quality[0] - quality[1])))
        wins = float(votes.mean())
        lengths = random.integers(5, 60, 2)
        seen = quality if variant != "base" else np.zeros(2)
        scores = (scale * (seen + mine.normal(0, 0.7, 2)) + 0.05 * lengths).tolist()
        judging = {
            "answers": ["x" * int(size) for size in lengths],
            "wins": [[None, wins], [1 - wins, None]],
            "logps": [-20.0 + 0.2 * one for one in scores],
            "tokens": [5, 5],
        }
        judging |= {"rewards": scores} if task == "polite" else {}
        head = {"task": task, "id": f"{task}{number}", "where": f"a:{number + 1}"}
        head |= {"cluster": str(number), "kind": "feedback", "prompt": "p", "targets": []}
        slices = {"subset": ("<b>", "plain")[number % 2]}
        yield head | {"output": "x", "score": 1.0, "judging": judging, "slices": slices}


def quality(task):
    """Findings on the same votes, as a data card holds them."""
    records = []
    for row in rows(task, "base"):
        said = row["judging"]
        up = round(3 * said["wins"][0][1])
        judgements = tuple(Judgement((1.0, 0.0) if k < up else (0.0, 1.0)) for k in range(3))
        feedback = Feedback("pair", tuple(said["answers"]), judgements)
        records.append(Record(row["where"], turns=(Turn("user", row["id"]),), feedback=feedback))
    return asdict(inspect(records, ["ceiling"], Resampling(draws=100)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = tmp_path_factory.mktemp("judged")
    tasks = ("polite", "direct")
    for variant in ("base", *STAGES):
        for task in tasks:
            write_lines(run / "predictions" / variant / f"{task}.jsonl", list(rows(task, variant)))
    plan = Plan(dict.fromkeys(tasks, "agreement"), STAGES, resampling=Resampling(draws=200))
    write_scores(run, score_run(run, plan))
    write_json(run / "data" / "polite.json", {"task": "polite", "quality": quality("polite")})
    write_json(run / "manifest.json", {"version": 1, "name": "judged", "status": "finished"})
    return run


@pytest.fixture(scope="module")
def page(folder):
    return write_report(folder).read_text(encoding="utf-8")


def views(folder):
    return {
        (v.task, v.title.split()[0]): v
        for v in judged_views(read_run(folder), ("polite", "direct"))
    }


def told(view):
    return " ".join(text for text, _ in view.said).replace("\N{NO-BREAK SPACE}", " ")


def test_a_reward_head_is_told_by_its_scores_and_others_by_likelihood_and_its_rise(folder):
    assert list(views(folder)) == [
        ("polite", "its"),
        ("direct", "log-likelihood"),
        ("direct", "rise"),
    ]
    assert {view.stage for view in views(folder).values()} == {"judge"}


def test_what_is_said_of_it(folder):
    said = told(views(folder)["polite", "its"])
    assert re.search(
        r"prefers what people prefer in \d+\.\d % \(\d+\.\d to \d+\.\d\) of 120 pairs", said
    )
    assert "chance 50 %, ceiling " in said
    assert re.search(r"It is too sure: scores times 0\.\d+ would fit best", said)
    assert "It prefers the longer answer in" in said
    rise = told(views(folder)["direct", "rise"])
    assert "nats of log-likelihood on the worse one" in rise
    assert "A unit of its own was fitted" in rise
    assert "ceiling unknown" in rise


def test_what_warns(folder):
    warned = [text for text, warns in views(folder)["polite", "its"].said if warns]
    assert any("too sure" in text for text in warned)
    assert not any("no better than chance" in text for text in warned)


def test_a_model_that_knows_nothing_is_said_to(folder):
    run = read_run(folder)
    judged = {"base": run.scores["summary"]["judged"]["base"]}
    (view,) = judged_views(replace(run, scores={"summary": {"judged": judged}}), ("polite",))
    assert "no better than chance" in told(view)


def test_slices_have_strips_and_what_votes_allow(folder):
    view = views(folder)["polite", "its"]
    names = [row.name for row in view.slices]
    assert names[:3] == ["all pairs", "clear preferences", "slight preferences"]
    assert "better answer is longer" in names
    assert any("subset" in row.note for row in view.slices)
    slight = view.slices[2]
    assert slight.most.replace("\N{NO-BREAK SPACE}", " ") == "at most 66.7 %"  # two of three votes
    assert all("<svg" in row.figure for row in view.slices)


def test_the_ceiling_stands_beside_the_accuracy_in_page_terminal_and_card(folder, page):
    plain = re.sub(r"\N{NO-BREAK SPACE}|&nbsp;", " ", page)
    assert re.search(r"agreement, chance 50\.0 %, ceiling \d+\.\d to \d+\.\d %", plain)
    assert "agreement, chance 50.0 %, ceiling unknown" in plain
    assert re.search(r"agreement, ceiling \d+\.\d to \d+\.\d %", plain)  # by stage
    console = Console(width=100, record=True, file=StringIO())
    console.print(closing_table(folder))
    text = console.export_text()
    assert re.search(r"ceiling \d+\.\d to \d+\.\d", text)
    assert "ceiling unknown" in text
    card = model_card(folder).replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"agreement \(ceiling \d+\.\d to \d+\.\d %\)", card)


def test_the_page_has_the_section_and_hostile_names_are_text(page):
    assert '<section id="judged">' in page
    assert '<a href="#judged">' in page
    assert "&lt;" in page.split('<section id="judged">')[1].split("</section>")[0]


def test_the_ceiling_is_no_higher_than_the_votes_allow(folder, tmp_path):
    scores = json.loads((folder / "scores.json").read_text())
    most = scores["summary"]["judged"]["01-judge"]["polite"][0]["most"]
    bounds = quality("polite")["parts"][0]["ceiling"]
    assert bounds["least"]["value"] < bounds["most"]["value"]
    shown = re.search(r"ceiling (\d+\.\d) to (\d+\.\d)", model_card(folder))
    low, high = map(float, shown.groups())
    assert low < high
    assert high == pytest.approx(100 * min(most, bounds["most"]["value"]), abs=0.06)
