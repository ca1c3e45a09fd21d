"""Somebody lets a model criticise and revise its answers by principles, and trains on the rest."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

import tiny_run
from madrigal.cli.app import main
from madrigal.experience.cached import Kept
from speaking_server import KEY, serving

FILES = ("revisions.jsonl", "preferences.jsonl", "ledger.jsonl", "summary.json", "card.html")
SUBJECTS = ("bread", "roses", "bicycles", "clocks", "kites", "soup", "boats", "stories")


def says(body):
    """First answers hold a bomb where the subject has a long name; critiques and revisions."""
    turns = body["messages"]
    if turns[-1]["content"].startswith("[Conversation]"):
        return "A"
    if len(turns) >= 5:
        return turns[-4]["content"].replace("with a bomb", "with care")
    if len(turns) >= 3:
        return "It speaks of a bomb."
    subject = turns[-1]["content"].split()[-1].rstrip("?")
    return f"You make {subject} with a bomb." if len(subject) > 5 else f"You make {subject} slowly."


@pytest.fixture
def server():
    with serving() as running:
        running.says = says
        yield running


def settings(folder, generator, **more):
    asked = [{"prompt": f"How do I make {one}?"} for one in SUBJECTS]
    helpful = [{"prompt": f"Say {n}.", "completion": f"{n}, of course"} for n in range(30)]
    for name, rows in (("asked", asked), ("helpful", helpful)):
        lines = [json.dumps(row) + "\n" for row in rows]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    keys = {
        "name": "tidy",
        "seed": 5,
        "prompts": [{"data": "asked.jsonl"}],
        "helpful": {"data": "helpful.jsonl", "share": 0.5},
        "generator": generator,
        "judge": {"kind": "rules", "words": ["bomb*"]},
        "over_refusal": False,
    } | more
    path = folder / "tidy.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def remote(server, **more):
    return {
        "kind": "remote", "url": server.url, "model": "tiny", "at_once": 2, "tries": 2,
        "first_pause": 0.01, "timeout": 5.0, "price": {"read": 1.0, "written": 10.0},
    } | more  # fmt: skip


def read(out, name):
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def made(out):
    return {name: (out / name).read_bytes() for name in FILES}


def test_from_an_address_to_files_that_a_run_learns_from(server, tmp_path, capsys):
    path, out = settings(tmp_path, remote(server)), tmp_path / "out"
    assert main(["constitution", str(path), "--out", str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "3 revisions of 8 prompts kept: 6 examples to learn from, 3 of them helpful" in told
    assert "the revision changes nothing 5" in told
    ledger = {row["prompt"][0]["content"]: row for row in read(out, "ledger.jsonl")}
    bicycles = ledger["How do I make bicycles?"]
    assert bicycles["answer"] == "You make bicycles with a bomb."
    assert bicycles["rounds"][0]["revision"] == "You make bicycles with care."
    assert bicycles["rounds"][0]["critique"] == "It speaks of a bomb."
    assert (bicycles["kept"], bicycles["why"]) == (True, "kept")
    assert ledger["How do I make soup?"]["why"] == "the revision changes nothing"
    summary = json.loads((out / "summary.json").read_text())
    usage = summary["usage"]
    assert {role: {k: v["calls"] for k, v in part.items()} for role, part in usage.items()} == {
        "generator": {"answer": 8}, "critic": {"critique": 8, "revise": 8},
        "judge": {"choose": 6},
    }  # fmt: skip
    assert usage["critic"]["revise"]["cost"] == pytest.approx(8 * (7 * 1 + 3 * 10) / 1e6)
    assert summary["openings"]["revisions"]["words"] == "you make bicycles with"
    recipe = tiny_run.keys() | {
        "tasks": {
            "revised": {"data": str(out / "revisions.jsonl"), "max_new_tokens": 4},
            "preferred": {"data": str(out / "preferences.jsonl")},
        },
        "stages": [
            {"name": "learn", "learn": ["revised", "preferred"], "steps": 2, "batch": {"rows": 4},
             "objective": {"preferred": "dpo"}},
        ],
        "evaluate": {"base": False, "draws": 200},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["run", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_an_address_that_goes_down_is_waited_for_and_nothing_is_asked_twice(
    server, tmp_path, capsys
):
    path, out = settings(tmp_path, remote(server)), tmp_path / "out"
    server.plan.extend([None] * 11 + [503] * 50)
    assert main(["constitution", str(path), "--out", str(out)]) == 3
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"stopped: {server.url}: answered 503")
    assert told.endswith("what was answered is kept and not asked for again")
    assert len(told.splitlines()) == 1
    server.plan.clear()
    assert main(["constitution", str(path), "--out", str(out)]) == 0
    assert set(server.answered.values()) == {1}
    server.answered.clear()
    whole = tmp_path / "whole"
    assert main(["constitution", str(path), "--out", str(whole)]) == 0
    assert made(out) == made(whole)
    assert sum(server.answered.values()) == 24
    assert main(["constitution", str(path), "--out", str(whole)]) == 0  # again: nothing is asked
    assert sum(server.answered.values()) == 24


@pytest.mark.slow
def test_killed_and_given_again_it_makes_the_same_files(server, tmp_path):
    server.slow = 0.03
    path, out = settings(tmp_path, remote(server)), tmp_path / "out"
    command = [sys.executable, "-m", "madrigal", "constitution", str(path), "--out", str(out)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while sum(server.answered.values()) < 13 and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert main(["constitution", str(path), "--out", str(out)]) == 0
    # Only what was under way when it was killed can have been answered to nobody.
    assert sum(server.answered.values()) - len(server.answered) <= 2
    whole = tmp_path / "whole"
    assert main(["constitution", str(path), "--out", str(whole)]) == 0
    assert made(out) == made(whole)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    recipe = tiny_run.keys()
    recipe["stages"] = recipe["stages"][:1]
    recipe["evaluate"] = {"base": False, "draws": 200}
    path = tiny_run.write_recipe(folder, recipe)
    assert main(["run", str(path), "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_of_ones_own_interrupted_at_any_answer_goes_on_to_the_same_files(
    run, tmp_path, monkeypatch
):
    local = {"kind": "run", "run": str(run), "sampling": {"max_tokens": 8}}
    path = settings(tmp_path, local, rounds=2, pairs="both", over_refusal=True)
    whole = tmp_path / "whole"
    assert main(["constitution", str(path), "--out", str(whole)]) == 0
    put = Kept.put
    for after in (1, 70, 200):
        out, count = tmp_path / f"out{after}", [0]

        def dying(self, key, said, count=count, after=after):
            count[0] += 1
            if count[0] > after:
                raise KeyboardInterrupt
            put(self, key, said)

        monkeypatch.setattr(Kept, "put", dying)
        assert main(["constitution", str(path), "--out", str(out)]) == 130
        monkeypatch.setattr(Kept, "put", put)
        assert main(["constitution", str(path), "--out", str(out)]) == 0
        assert made(out) == made(whole)
    refusals = json.loads((whole / "summary.json").read_text())["refusals"]
    assert refusals["fine_answers"]["n"] == 68
    other = tmp_path / "other"
    path.write_text(path.read_text().replace("seed: 5", "seed: 6"))
    assert main(["constitution", str(path), "--out", str(other)]) == 0
    assert made(other)["ledger.jsonl"] != made(whole)["ledger.jsonl"]


def test_models_are_probed_and_compared(run, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("river\ngarden  # places\nmarket\n")
    (tmp_path / "asked.jsonl").write_text(
        "".join(json.dumps({"prompt": f"where in the {n}?"}) + "\n" for n in range(12))
    )
    command = ["probe", str(run), "--prompts", str(tmp_path / "asked.jsonl"), "--words",
               str(tmp_path / "words.txt"), "--out", str(tmp_path / "probe"), "--max-tokens", "6",
               "--max", "10"]  # fmt: skip
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "over-refused, look harmful" in told
    found = json.loads((tmp_path / "probe" / "probe.json").read_text())
    shares = found["models"][str(run)]["shares"]
    assert (shares["harmful"]["n"], shares["over-refused, plain"]["n"]) == (10, 20)
    rows = read(tmp_path / "probe", "said.jsonl")
    harmful = sum(
        any(w in row["answers"][str(run)].split() for w in ("river", "garden", "market"))
        for row in rows[:10]
    )
    assert shares["harmful"]["value"] >= harmful / 10


def refused(folder, keys, capsys):
    path = folder / "tidy.yaml"
    whole = yaml.safe_load(path.read_text()) | keys
    path.write_text(yaml.safe_dump({k: v for k, v in whole.items() if v is not None}))
    assert main(["constitution", str(path), "--out", str(folder / "out")]) == 2
    assert not (folder / "out").exists()
    return [line.replace(str(path), "tidy.yaml") for line in capsys.readouterr().err.splitlines()]


def test_mistakes_are_told_at_once_and_before_anything_is_asked(server, tmp_path, capsys):
    settings(tmp_path, remote(server))
    found = refused(
        tmp_path,
        {
            "prompts": [{"data": "gone.jsonl"}],
            "constitution": ["strict"],
            "generator": {"kind": "rules", "words": ["x"]},
            "critic": {"kind": "run", "run": "nowhere"},
            "judge": {"kind": "rules"},
        },
        capsys,
    )
    assert len(found) == 5
    text = "\n".join(found)
    assert "gone.jsonl" in text
    assert "strict: no such file" in text
    assert "generator: rules write no first answers; name a run, model or address" in text
    assert "nowhere: no recipe.yaml" in text
    assert "judge: no words; name some in `words`, or a `file` with one a line" in text
    assert not server.requests


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"rounds": 0}, "tidy.yaml:.*: rounds: found 0; must be at least 1"),
        ({"judgment": {}}, "unknown key; did you mean 'judge'?"),
        ({"generator": {"kind": "remot"}}, "unknown kind 'remot'; did you mean 'remote'?"),
        ({"generator": None}, "generator: missing"),
        ({"tags": ["harms"]}, "tags: no principle of 'plain' has 'harms'"),
        ({"helpful": {"data": "asked.jsonl"}}, "helpful: asked.jsonl:1: no known format"),
    ],
)
def test_one_mistake_is_one_line(server, tmp_path, capsys, keys, said):
    import re

    settings(tmp_path, remote(server))
    found = refused(tmp_path, keys, capsys)
    assert len(found) == 1
    assert re.search(said.replace("?", r"\?"), found[0])


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    server, tmp_path, capsys, monkeypatch
):
    server.key = KEY
    settings(tmp_path, remote(server, key="PLANTED_KEY"))
    monkeypatch.delenv("PLANTED_KEY", raising=False)
    (found,) = refused(tmp_path, {}, capsys)
    assert "generator.key: the environment variable PLANTED_KEY is not set; export it" in found
    (found,) = refused(tmp_path, {"generator": remote(server, key=KEY)}, capsys)
    assert "generator.key: is no name of an environment variable" in found
    assert KEY not in found
    path, out = settings(tmp_path, remote(server, key="PLANTED_KEY")), tmp_path / "out"
    monkeypatch.setenv("PLANTED_KEY", KEY)
    assert main(["constitution", str(path), "--out", str(out)]) == 0
    said = capsys.readouterr()
    written = "".join(p.read_text() for p in out.iterdir())
    assert KEY not in written + said.out + said.err
    monkeypatch.setenv("PLANTED_KEY", "sk-wrong-91")
    other = tmp_path / "other"
    assert main(["constitution", str(path), "--out", str(other)]) == 2
    told = capsys.readouterr().err
    assert "answered 401" in told
    assert "sk-wrong-91" not in told + "".join(p.read_text() for p in other.iterdir())


def test_a_folder_of_something_else_is_left_alone(server, tmp_path, capsys):
    path, out = settings(tmp_path, remote(server)), tmp_path / "out"
    os.makedirs(out)
    (out / "thesis.txt").write_text("mine")
    assert main(["constitution", str(path), "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert f"--out {out}: holds 'thesis.txt', which is not of a constitution; name another" in told
