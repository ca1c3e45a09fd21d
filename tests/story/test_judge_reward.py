"""A judge behind an address rewards answers; it goes, comes back, and is asked nothing twice."""

import json

import pytest
import yaml

import tiny
import tiny_run
from madrigal.cli.app import main
from madrigal.errors import RecipeError
from madrigal.pipeline.judging import judge
from speaking_server import serving


@pytest.fixture
def server():
    with serving() as running:
        running.says = lambda body: "5" if "e" in answer(body) else "2"
        yield running


def answer(body):
    return body["messages"][0]["content"].partition("[Answer]\n")[2].partition("\n\n[End")[0]


def settings(folder, server, **more):
    remote = {
        "kind": "remote", "url": server.url, "model": "tiny", "tries": 2, "first_pause": 0.01,
        "at_once": 2, "log_probabilities": False,
    }  # fmt: skip
    (folder / "judge.yaml").write_text(yaml.safe_dump({"judge": remote} | more))
    return folder / "judge.yaml"


def test_scores_are_the_judges(server, tmp_path):
    score = judge(settings(tmp_path, server, rule="Be strict."))
    assert score(["How?", "Why?"], ["hello", "no"], [(), ()]) == [1.0, 0.25]
    text = server.requests[0][1]["messages"][0]["content"]
    assert "Be strict. Say one number from 1 (bad) to 5 (good)" in text
    (tmp_path / "judge.yaml").write_text("judge: {kind: rules}\nrules: x\n")
    with pytest.raises(RecipeError, match=r"judge.yaml:2: rules: unknown key"):
        judge(tmp_path / "judge.yaml")


def recipe(folder, reward, **objective):
    keys = tiny_run.keys()
    del keys["tasks"]["mood"]
    keys["stages"] = [
        {"name": "please", "learn": ["echo"], "steps": 4, "batch": {"rows": 2},
         "checkpoint_every": 1,
         "objective": {"echo": {"kind": "rloo", "reward": reward} | objective}},
    ]  # fmt: skip
    keys["evaluate"] = {"base": False, "draws": 200}
    return tiny_run.write_recipe(folder, keys)


def weights(run):
    return (run / "stages" / "01-please" / "model" / "model.safetensors").read_bytes()


FILTER = {"kind": "filter", "file": "plain", "weight": 0.5}


@pytest.mark.slow
def test_a_run_stops_when_the_judge_is_gone_and_goes_on_as_if_nothing_had_been(
    server, tmp_path, capsys
):
    settings(tmp_path, server)
    path = recipe(tmp_path, [{"kind": "judge", "file": "judge.yaml"}, FILTER])
    server.plan.extend([None] * 13 + [503] * 99)
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 3
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"stopped: {server.url}: answered 503")
    assert "what was answered is kept and not asked for again" in told
    server.plan.clear()
    assert main(["run", str(path), "--out", str(tmp_path / "run"), "--resume"]) == 0
    assert set(server.answered.values()) == {1}
    kept = tmp_path / "run" / "stages" / "01-please" / "judged" / "echo" / "reward" / "0"
    assert len((kept / "answers.jsonl").read_text().splitlines()) == len(server.answered)
    assert main(["run", str(path), "--out", str(tmp_path / "whole")]) == 0
    assert set(server.answered.values()) == {2}  # a folder of its own, nothing of the first run's
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.slow
def test_a_judge_of_this_machine_is_asked_again_and_the_run_is_the_same(tmp_path):
    held = {"judge": {"kind": "model", "base": "base"}, "rule": "Be kind."}
    (tmp_path / "judge.yaml").write_text(yaml.safe_dump(held))
    model = tiny.model(seed=3)
    model.network.save_pretrained(tmp_path / "base")
    model.tokenizer.save_pretrained(tmp_path / "base")
    path = recipe(tmp_path, [{"kind": "judge", "file": "judge.yaml"}], failures=0.9)
    runs = [tmp_path / "run", tmp_path / "whole"]
    for run in runs:
        assert main(["run", str(path), "--out", str(run)]) == 0
    rewards = [json.loads(line)["means"]["reward"] for line in
               (runs[0] / "stages/01-please/rollouts.jsonl").read_text().splitlines()]  # fmt: skip
    assert all(0 <= one <= 1 for one in rewards)
    assert weights(runs[0]) == weights(runs[1])


@pytest.mark.parametrize(
    ("reward", "sentence"),
    [
        ({"kind": "judge", "file": "nowhere.yaml"}, "nowhere.yaml"),
        (
            {"kind": "judge", "file": "judge.yaml"},
            "judge.yaml: judge.key: the environment variable",
        ),
        ({"kind": "filter", "file": "filter.yaml"}, "filter.yaml:1: rules: no rule, so nothing"),
    ],
)
def test_what_a_reward_needs_is_looked_for_before_the_run(
    reward, sentence, server, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("NO_KEY", raising=False)
    path = settings(tmp_path, server)
    held = yaml.safe_load(path.read_text())
    held["judge"]["key"] = "NO_KEY"
    path.write_text(yaml.safe_dump(held))
    (tmp_path / "filter.yaml").write_text("rules: []\n")
    for key in ("reward", "gold"):
        given = {"reward": "exact"} | {key: reward}
        out = tmp_path / key
        path = recipe(tmp_path, given.pop("reward"), **given)
        assert main(["run", str(path), "--out", str(out)]) == 2
        told = capsys.readouterr().err
        assert f"stages[0].objective.echo.{key}: " in told
        assert sentence in told
        assert not out.exists()
