import json

import numpy as np
import pytest

from madrigal.errors import RunFolderError
from madrigal.evaluation.compare import compare_runs
from madrigal.evaluation.intervals import Resampling, score
from madrigal.evaluation.intransigence import intransigence_of
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.paired import difference, holm
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import write_predictions
from madrigal.evaluation.scores_file import read_plan, recompute, score_run, write_scores
from madrigal.tasks.metric import FITTING
from predicted import answered, chosen, coins, windows

PLAN = Plan(
    metrics={"mood": "accuracy", "titles": "rouge_l", "wiki": "perplexity"},
    learned={"01-together": ("mood", "titles"), "02-more": ("titles",)},
    general=("wiki",),
    resampling=Resampling(seed=5, draws=300),
)


def titles(seed, kept):
    random = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(8)]
    outputs = [" ".join(w for w in words if random.random() < kept) or "no" for _ in range(30)]
    return answered([(o, " ".join(words)) for o in outputs], "rouge_l", "titles")


def text(level, seed=0):
    tokens = np.random.default_rng(0).integers(20, 60, 15)
    noise = np.random.default_rng([1, seed]).normal(0, 0.1, 15)
    return windows(tokens * (level + noise), tokens, tokens * 4, "wiki")


FOLDERS = {
    "base": {"mood": coins(60, 0.5, 1, "mood"), "titles": titles(1, 0.2), "wiki": text(3.0)},
    "few-shot": {"mood": coins(60, 0.6, 2, "mood")},
    "01-together": {"mood": coins(60, 0.9, 3, "mood"), "titles": titles(2, 0.5), "wiki": text(3.1)},
    "02-more": {"mood": coins(60, 0.8, 4, "mood"), "titles": titles(3, 0.7), "wiki": text(3.2, 1)},
    "single": {"mood": coins(60, 0.9, 5, "mood"), "titles": titles(4, 0.7)},
}


def make(path, folders=FOLDERS, plan=PLAN):
    for folder, tasks in folders.items():
        for task, rows in tasks.items():
            write_predictions(path / "predictions" / folder / f"{task}.jsonl", rows)
    write_scores(path, score_run(path, plan))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def scores(run):
    return json.loads((run / "scores.json").read_text())


def test_rows_of_the_matrix_and_baselines(scores):
    assert (scores["version"], scores["seed"]) == (1, 5)
    assert [row["stage"] for row in scores["rows"]] == [
        "base",
        "few-shot",
        "01-together",
        "02-more",
    ]
    for row in scores["rows"]:
        for task, cell in row["scores"].items():
            found = score(FOLDERS[row["stage"]][task], PLAN.metrics[task], PLAN.resampling)
            assert cell["value"] == found.value
            assert (cell["low"], cell["high"]) == (found.low, found.high)
            assert (cell["n"], cell["unparsed"]) == (found.n, 0)
    assert set(scores["baselines"]) == {"mood", "titles"}


def test_what_was_not_evaluated_is_absent_and_never_zero(scores):
    few_shot = scores["rows"][1]["scores"]
    assert set(few_shot) == {"mood"}
    assert set(scores["summary"]["unified"]["few-shot"]["tasks"]) == {"mood"}


def test_facts_of_the_tasks(scores):
    mood, wiki = scores["tasks"]["mood"], scores["tasks"]["wiki"]
    assert (mood["metric"], mood["n"], mood["kind"], mood["chance"]) == (
        "accuracy",
        60,
        "choice",
        0.5,
    )
    assert (wiki["direction"], wiki["general"]) == ("lower", True)
    assert wiki["chance"] == pytest.approx(256.0**4)
    assert scores["summary"]["bits_per_byte"]["wiki"]["base"] == pytest.approx(
        3.0 / 4 / np.log(2), rel=0.02
    )


def test_summary_over_trained_tasks(scores):
    summary = scores["summary"]
    last = {t: c["value"] for t, c in scores["rows"][3]["scores"].items()}
    assert summary["average"]["value"] == pytest.approx((last["mood"] + last["titles"]) / 2)
    before = scores["rows"][2]["scores"]["mood"]["value"]
    assert summary["bwt"]["value"] == pytest.approx(last["mood"] - before)
    assert summary["forgetting"]["value"] == pytest.approx(before - last["mood"])
    assert summary["fwt"] is None
    assert summary["learning_accuracy"]["value"] == pytest.approx((before + last["titles"]) / 2)
    assert summary["forgetting_any"]["value"] == pytest.approx(before - last["mood"])
    single = {t: c["value"] for t, c in scores["baselines"].items()}
    assert summary["delta_m"]["value"] == pytest.approx(
        50 * sum((last[t] - single[t]) / single[t] for t in ("mood", "titles"))
    )
    shares = [
        (last["mood"] - 0.5) / (single["mood"] - 0.5),
        last["titles"] / single["titles"],
    ]
    assert summary["unified"]["02-more"]["value"] == pytest.approx(np.mean(shares))
    gain = summary["unified_gain"]
    base = summary["unified"]["base"]["value"]
    assert gain["value"] == pytest.approx(np.mean(shares) - base)
    assert gain["low"] < gain["value"] < gain["high"]


def test_measures_against_single_models_and_of_general_tasks(scores):
    summary = scores["summary"]
    single = {t: c["value"] for t, c in scores["baselines"].items()}
    rows = [{t: c["value"] for t, c in row["scores"].items()} for row in scores["rows"]]
    gap = (rows[2]["mood"] - single["mood"] + rows[3]["titles"] - single["titles"]) / 2
    assert summary["plasticity_gap"]["value"] == pytest.approx(gap)
    missed = summary["intransigence"]
    assert missed["value"] == pytest.approx(-gap)
    assert missed["low"] < missed["value"] < missed["high"]
    # The only general task is a perplexity: it changes in nats and is no part of any other mean.
    assert summary["general_change"] is None
    nats = summary["general_change_nats"]
    assert nats["value"] == pytest.approx(np.log(rows[3]["wiki"] / rows[0]["wiki"]))
    assert nats["low"] < nats["value"] < nats["high"]


def test_each_row_is_tested_against_the_one_before(scores):
    summary = scores["summary"]
    table = summary["stage_to_stage"]
    steps = [("base", "01-together"), ("01-together", "02-more")]
    assert {
        t: [(c["from"], c["to"]) for c in cells] for t, cells in table.items()
    } == dict.fromkeys(PLAN.metrics, steps)
    wanted = [
        difference(FOLDERS[a][task], FOLDERS[b][task], PLAN.metrics[task], PLAN.resampling)
        for task in PLAN.metrics
        for a, b in steps
    ]
    found = [cell for task in PLAN.metrics for cell in table[task]]
    assert [c["difference"] for c in found] == [w.difference for w in wanted]
    assert [(c["low"], c["high"]) for c in found] == [(w.low, w.high) for w in wanted]
    assert [c["p_holm"] for c in found] == holm([w.p for w in wanted])
    # Of the tasks that the last stage did not train, what became of them since they were.
    assert set(summary["since_learned"]) == {"mood"}
    mood = summary["since_learned"]["mood"]
    assert (mood["from"], mood["to"]) == steps[1]
    assert mood["p"] == mood["p_holm"] == table["mood"][1]["p"]


def test_a_row_that_did_not_evaluate_a_task_is_passed_over(tmp_path):
    folders = {name: dict(tasks) for name, tasks in FOLDERS.items()}
    del folders["01-together"]["wiki"]
    make(tmp_path, folders)
    table = json.loads((tmp_path / "scores.json").read_text())["summary"]["stage_to_stage"]
    assert [(c["from"], c["to"]) for c in table["wiki"]] == [("base", "02-more")]
    assert len(table["mood"]) == 2


def test_paired_tests_a_task_with_holm_over_the_tasks(scores):
    per_task = scores["summary"]["per_task"]
    expected = {
        task: difference(
            FOLDERS["base"][task], FOLDERS["02-more"][task], PLAN.metrics[task], PLAN.resampling
        )
        for task in PLAN.metrics
    }
    adjusted = dict(zip(expected, holm([e.p for e in expected.values()]), strict=True))
    for task, wanted in expected.items():
        found = per_task[task]["base_to_last"]
        assert found["difference"] == wanted.difference
        assert (found["low"], found["high"]) == (wanted.low, wanted.high)
        assert (found["p"], found["p_holm"]) == (wanted.p, adjusted[task])
        assert (found["won"], found["lost"]) == (wanted.won, wanted.lost)
    assert "single_to_last" in per_task["mood"]
    assert "single_to_last" not in per_task["wiki"]


def test_every_score_is_recomputed_from_the_rows(run, scores):
    assert json.loads(json.dumps(recompute(run).to_json())) == scores
    assert read_plan(run) == PLAN


def test_no_row_may_lack_a_metric(tmp_path):
    folders = {"base": {"mood": FOLDERS["base"]["mood"], "other": coins(5, 0.5)}}
    with pytest.raises(RunFolderError, match=r"base/other\.jsonl: no metric is known for task"):
        make(tmp_path, folders)


def test_a_run_without_stages_has_scores_and_no_comparison(tmp_path):
    plan = Plan({"mood": "accuracy"}, resampling=PLAN.resampling)
    make(tmp_path, {"base": {"mood": FOLDERS["base"]["mood"]}}, plan)
    summary = json.loads((tmp_path / "scores.json").read_text())["summary"]
    assert summary["average"] is None
    assert summary["per_task"] == {"mood": {}}
    assert "delta_m" not in summary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no scores.json; run `madrigal run` to its end"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"version": 1}', "damaged .*KeyError"),
        ('{"version": 9}', "version 9 is not known here"),
    ],
)
def test_a_damaged_scores_file_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "scores.json").write_text(content)
    with pytest.raises(RunFolderError, match=message):
        read_plan(tmp_path)


def test_metrics_fit_the_kinds_that_tasks_accept():
    by_kind = {
        kind: {m for m, metric in METRICS.items() if kind in metric.kinds} for kind in FITTING
    }
    assert by_kind == {kind: set(names) for kind, names in FITTING.items()}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    worse = {"mood": coins(60, 0.3, 9, "mood")[10:], "titles": titles(9, 0.7), "wiki": text(3.2, 1)}
    return make(tmp_path_factory.mktemp("other"), FOLDERS | {"02-more": worse})


def test_runs_are_compared_on_their_common_examples(run, other):
    found = compare_runs([run, other])
    by_task = {one.task: one for one in found.tasks}
    mood = by_task["mood"]
    assert (mood.difference.n, mood.difference.left_out, mood.verdict) == (50, 10, "worse")
    assert mood.first.value == mood.difference.first
    assert mood.second.value == mood.difference.second
    assert by_task["wiki"].verdict == "unclear"
    assert [one.p_holm for one in found.tasks] == holm([one.difference.p for one in found.tasks])
    assert found.notes == (
        f"mood: 50 examples in both {run.name} and {other.name}; 10 in one only, left out",
    )
    assert found.stages == {run.name: "02-more", other.name: "02-more"}
    gain = found.gains[other.name]
    assert gain.value == pytest.approx(
        found.unified[other.name].value - found.unified[run.name].value
    )
    assert gain.high < 0


@pytest.mark.parametrize("stage", ["01-together", "together"])
def test_another_stage_can_be_compared(run, other, stage):
    found = compare_runs([run, other], stage)
    assert set(found.stages.values()) == {"01-together"}
    assert all(one.difference.difference == 0 for one in found.tasks)
    with pytest.raises(RunFolderError, match="no predictions of stage '07'; found 01-together"):
        compare_runs([run, other], stage="07")


def test_comparison_refuses_what_cannot_be_compared(run, tmp_path):
    with pytest.raises(RunFolderError, match="at least two run folders"):
        compare_runs([run])
    with pytest.raises(RunFolderError, match="no such run folder"):
        compare_runs([run, tmp_path / "nowhere"])
    plan = Plan({"alone": "accuracy"}, {"01-x": ("alone",)}, resampling=PLAN.resampling)
    lonely = make(
        tmp_path / "lonely", {"01-x": {"alone": chosen([("a", "a")], "ab", task="alone")}}, plan
    )
    with pytest.raises(RunFolderError, match="no evaluated task in common"):
        compare_runs([run, lonely])


def test_intransigence_against_a_run_that_learnt_all_together(run, tmp_path):
    """Of the run in two stages: mood was learnt in the first, titles last in the second."""
    joint = {"base": FOLDERS["base"], "01-all": {"mood": coins(60, 0.95, 8, "mood")[5:],
             "titles": titles(6, 0.9), "wiki": text(3.1)}}  # fmt: skip
    plan = Plan(
        metrics=PLAN.metrics,
        learned={"01-all": ("mood", "titles")},
        general=PLAN.general,
        resampling=PLAN.resampling,
    )
    together = make(tmp_path / "together", joint, plan)
    found = intransigence_of(run, together)

    def at(rows, task, ids=None):
        kept = [row for row in rows[task] if ids is None or row.id in ids]
        return score(kept, PLAN.metrics[task], PLAN.resampling).value

    ids = {row.id for row in joint["01-all"]["mood"]}
    mood = at(joint["01-all"], "mood") - at(FOLDERS["01-together"], "mood", ids)
    heads = at(joint["01-all"], "titles") - at(FOLDERS["02-more"], "titles")
    assert found.value == pytest.approx((mood + heads) / 2)
    assert found.low < found.value < found.high
    # It is no joint run of itself, and a run in one stage has nothing one after another.
    assert intransigence_of(run, run) is None
    assert intransigence_of(together, run) is None


def test_a_run_that_lacks_a_task_is_no_joint_model(run, tmp_path):
    plan = Plan({"mood": "accuracy"}, {"01-all": ("mood",)}, resampling=PLAN.resampling)
    some = make(tmp_path, {"01-all": {"mood": FOLDERS["base"]["mood"]}}, plan)
    assert intransigence_of(run, some) is None
