"""Somebody asks what a stage that learnt from rewards cost other tasks, and takes less of it."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

import acting
import retained
import tiny_run
from madrigal.cli.app import main
from madrigal.pipeline.tax import point_of
from madrigal.pipeline.trained import load_trained

LORA = {"base": "base", "adapter": {"kind": "lora", "rank": 4}}


def keys(**model):
    """Likelihood on both tasks, then `echo` alone from its own answers: `mood` pays."""
    held = acting.keys(acting.KINDS["rloo"], 4, learn=["echo"])
    held["model"] = held["model"] | model
    held["stages"][1]["optimiser"] = {"learning_rate": 0.02}
    return held


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that trained every parameter."""
    folder = tmp_path_factory.mktemp("whole")
    tiny_run.write_data(folder)
    return retained.train(folder, keys(), folder / "run")


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A run that trained an adapter in both stages."""
    folder = tmp_path_factory.mktemp("adapted")
    retained.write(folder)
    tiny_run.write_data(folder)
    return retained.train(folder, keys() | {"model": LORA}, folder / "run")


def told(run):
    return json.loads((run / "tax" / "02-act" / "tax.json").read_text(encoding="utf-8"))


def at(rows, share):
    return next(row for row in rows if row["share"] == share)


def merged(run, share):
    """All weights at a point, the adapter worked in."""
    from madrigal.model.merge import merged

    with point_of(run, "02-act", share) as trained:
        network = load_trained(trained)[0].network
        network = merged(network) if trained.is_adapter else network
        return {name: held.detach().clone() for name, held in network.state_dict().items()}


@pytest.mark.parametrize("kind", ["whole", "adapted"])
def test_points_lie_on_the_line_between_both_models(kind, request):
    run = request.getfixturevalue(kind)
    before, after = (merged(run, share) for share in (0.0, 1.0))
    apart = sum(float((after[name] - before[name]).abs().sum()) for name in before)
    assert apart > 1
    quarter = merged(run, 0.25)
    for name, found in quarter.items():
        wanted = 0.75 * before[name].double() + 0.25 * after[name].double()
        torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["whole", "adapted"])
def test_the_ends_score_what_the_run_scored_and_nothing_is_done_twice(kind, request, capsys):
    run = request.getfixturevalue(kind)
    assert main(["tax", str(run), "--points", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "0, before" in said
    assert "1, after" in said
    body = told(run)
    assert body["shares"] == [0, 0.5, 1]
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))["rows"]
    (mood,) = body["paid"]
    (echo,) = (one for one in body["gains"] if one["what"] != "reward")
    for share, row in ((0, "01-together"), (1, "02-act")):
        scored = next(one for one in scores if one["stage"] == row)["scores"]
        assert at(mood["points"], share)["value"] == scored["mood"]["value"]
        assert at(echo["points"], share)["value"] == scored["echo"]["value"]
    # Made anew, they are the same to the last bit: the run's own predictions are no short cut.
    kept = {}
    for path in sorted((run / "tax").rglob("at-*/*.jsonl")):
        kept[path] = path.read_bytes()
    mine = run / "tax/02-act/predictions"
    for share in ("at-0", "at-1"):
        for path in (mine / share).glob("*.jsonl"):
            path.unlink()
    hidden = run / "predictions"
    hidden.rename(run / "hidden")
    try:
        assert main(["tax", str(run), "--points", "0.5"]) == 0
    finally:
        (run / "hidden").rename(hidden)
    for path in (mine / "at-0" / "mood.jsonl", mine / "at-1" / "mood.jsonl"):
        again = [row["score"] for row in map(json.loads, path.read_text().splitlines())]
        assert again == [row["score"] for row in map(json.loads, kept[path].splitlines())]
    stamp = (mine / "at-0.5" / "mood.jsonl").stat().st_mtime_ns
    assert main(["tax", str(run), "--points", "0.5"]) == 0
    assert (mine / "at-0.5" / "mood.jsonl").stat().st_mtime_ns == stamp


def test_answers_are_measured_against_the_model_before(whole):
    assert main(["tax", str(whole), "--points", "0.5"]) == 0
    body = told(whole)
    (away,) = body["away"].values()
    assert at(away, 0)["value"] == pytest.approx(0, abs=1e-4)
    assert at(away, 1)["value"] > 0.05
    (reward,) = (one for one in body["gains"] if one["what"] == "reward")
    worth = json.loads((whole / "tax/02-act/worth/at-1/echo/reward.json").read_text())
    assert at(reward["points"], 1)["value"] == pytest.approx(sum(worth) / len(worth))
    assert len(worth) == 8  # test prompts
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "Alignment tax" in page
    assert "Front of echo" in page


def test_more_prompts_are_answered_when_more_are_asked_for(whole):
    """And the page says how many were answered, not how many were asked for."""
    run = whole.parent / "more"
    shutil.copytree(whole, run, ignore=shutil.ignore_patterns("tax"))
    worth = run / "tax/02-act/worth/at-1/echo/reward.json"
    seen = []
    for prompts, count in ((3, 3), (200, 8), (2, 8)):
        assert main(["tax", str(run), "--points", "0", "--prompts", str(prompts)]) == 0
        assert told(run)["prompts"] == len(json.loads(worth.read_text())) == count
        page = (run / "report.html").read_text(encoding="utf-8")
        assert f"the first {count} test prompts at most" in page
        answers = (run / "tax/02-act/answers/at-1/echo.jsonl").read_text().splitlines()
        seen.append([json.loads(line)["output"] for line in answers])
    assert seen[0] == seen[1][:3]


@pytest.mark.parametrize("merge", [False, True])
def test_a_chosen_point_is_a_model_of_its_own(adapted, tmp_path, merge):
    out = tmp_path / "chosen"
    words = ["tax", str(adapted), "--choose", "0.25", "--out", str(out), *["--merge"] * merge]
    assert main(words) == 0
    wanted = merged(adapted, 0.25)
    if merge:
        network = AutoModelForCausalLM.from_pretrained(out)
        found = network.state_dict()
        for name, held in wanted.items():
            torch.testing.assert_close(found[name], held)
    else:
        assert json.loads((out / "adapter_config.json").read_text())["r"] == 8
    assert "Point 0.25 of the way" in (out / "README.md").read_text(encoding="utf-8")
    assert main(["tax", str(adapted)]) == 0
    page = (adapted / "report.html").read_text(encoding="utf-8")
    assert "The point 0.25 was chosen" in page
    assert not list(adapted.glob(".point-*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--points", "0,1.5"], "--points: '1.5' is no point between 0 (before the stage) and 1"),
        (["--points", "half"], "--points: 'half' is no point between 0"),
        (["--choose", "2", "--out", "x"], "--choose: '2' is no point between 0"),
        (["--choose", "0.5"], "--choose 0.5: add --out DIR, a new folder for the model"),
        (["--out", "x"], "--out: only --choose writes a model; add --choose SHARE"),
        (["--stage", "together"], "stage together learns no task from preferences or rewards, so "),
        (["--stage", "atc"], "no finished stage 'atc'; did you mean 'act'?"),
        (["--judge", "echo"], "--judge echo: no 'TASK=RUN'; write --judge polite=runs/judge"),
        (["--judge", "ecko=x"], "--judge ecko: the run has no such task; did you mean 'echo'?"),
        (["--judge", "echo=nowhere"], "nowhere: no recipe.yaml; give the folder that"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(whole, words, sentence, capsys):
    assert main(["tax", str(whole), *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert sentence in said[0]


def judge(folder, place, seed):
    """A run with a reward model."""
    recipe = retained.keys([], retained.LORA, 0.0)
    stage = {"name": "judge", "learn": ["liked"], "steps": 4, "objective": {"liked": "reward"}}
    held = {"tasks": {"liked": recipe["tasks"]["liked"]}, "evaluate": {"base": False, "draws": 200}}
    run = folder / place
    run.parent.mkdir(exist_ok=True)
    return retained.train(folder, recipe | held | {"stages": [stage], "seed": seed}, run)


def test_judges_in_folders_of_one_name_are_not_mixed_up(adapted):
    """What the first said is not taken for what the second says, also in another call."""
    folder = adapted.parent
    runs = [judge(folder, f"{place}/judge", seed) for seed, place in enumerate("ab")]
    found = {}
    for wanted in (runs[:1], runs[1:], runs):
        words = [word for run in wanted for word in ("--judge", f"echo={run}")]
        assert main(["tax", str(adapted), "--points", "1", *words]) == 0
        gains = {one["what"]: one["points"] for one in told(adapted)["gains"]}
        found[len(found)] = {what: gains[what] for what in gains if what.endswith("judge")}
    assert [list(one) for one in found.values()] == [["judge"], ["judge"], ["a/judge", "b/judge"]]
    assert found[0]["judge"] != found[1]["judge"]
    assert list(found[2].values()) == [found[0]["judge"], found[1]["judge"]]
