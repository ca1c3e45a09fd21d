"""A judge behind an address rewards answers; it goes, comes back, and is asked nothing twice."""

import sys

import pytest
import yaml

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


@pytest.mark.slow
def test_a_run_stops_when_the_judge_is_gone_and_goes_on_as_if_nothing_had_been(
    server, tmp_path, capsys, monkeypatch
):
    settings(tmp_path, server)
    recipe = tiny_run.keys()
    del recipe["tasks"]["mood"]
    recipe["stages"] = [
        {"name": "please", "learn": ["echo"], "steps": 4, "batch": {"rows": 2},
         "checkpoint_every": 1,
         "objective": {"echo": {
             "kind": "rloo", "reward": {"kind": "function", "name": "judges.reward"}}}},
    ]  # fmt: skip
    recipe["evaluate"] = {"base": False, "draws": 200}
    path = tiny_run.write_recipe(tmp_path, recipe)

    def module(keep):
        monkeypatch.delitem(sys.modules, "judges", raising=False)
        (tmp_path / "judges.py").write_text(
            "from pathlib import Path\nfrom madrigal.pipeline.judging import judge\n"
            "HERE = Path(__file__).parent\n"
            f"reward = judge(HERE / 'judge.yaml', keep=HERE / '{keep}')\n"
        )

    module("kept")
    server.plan.extend([None] * 13 + [503] * 99)
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 3
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"stopped: {server.url}: answered 503")
    server.plan.clear()
    module("kept")
    assert main(["run", str(path), "--out", str(tmp_path / "run"), "--resume"]) == 0
    assert set(server.answered.values()) == {1}
    module("whole")
    assert main(["run", str(path), "--out", str(tmp_path / "whole")]) == 0
    weights = [
        (tmp_path / name / "stages" / "01-please" / "model" / "model.safetensors").read_bytes()
        for name in ("run", "whole")
    ]
    assert weights[0] == weights[1]
