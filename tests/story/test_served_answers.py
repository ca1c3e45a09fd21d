"""A stage whose answers an inference server writes: weights are handed over, nothing is lost."""

import json

import pytest

import retained
import tiny_run
from acting import KINDS, STEPS, keys, rollouts
from completing_server import NAME, completing
from madrigal.cli.app import main
from madrigal.errors import RunStopped

# peft uses an old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")


@pytest.fixture
def server(tmp_path):
    retained.write(tmp_path)
    tiny_run.write_data(tmp_path)
    (tmp_path / "shared").mkdir()
    with completing(tmp_path / "base") as running:
        yield running


def recipe(server, kind="rloo", **changes):
    given = {"url": server.url, "model": NAME, "adapters": "shared", "tries": 2}
    given |= {"first_pause": 0.01, **changes}
    held = keys(KINDS[kind] | {"server": given})
    held["model"] = {"base": "base", "adapter": {"kind": "lora", "rank": 4}}
    held["model"]["precision"] = "float32"  # as the server's
    return held


@pytest.mark.parametrize("kind", ["rloo", "grpo"])
def test_killed_and_resumed_is_bit_identical(kind, server, tmp_path):
    held = recipe(server, kind)
    whole = retained.train(tmp_path, held, tmp_path / "whole")
    out = tmp_path / "killed"
    for place, step in ((STEPS, 3), ("stages/02-act/rollouts.jsonl", 5)):
        assert retained.dies(tmp_path, held, out, ("line", place, step))
    retained.train(tmp_path, held, out, resume=True)
    assert retained.untimed(out) == retained.untimed(whole)


def test_the_server_has_the_weights_of_each_step(server, tmp_path):
    run = retained.train(tmp_path, recipe(server), tmp_path / "run")
    told = rollouts(run)
    assert all(row["means"]["gap"] < 1e-4 for row in told)
    names = [body["model"] for body in server.bodies]
    assert len(set(names)) == len(told) == 6  # another adapter at each step
    assert len(server.networks) == 1  # and the server keeps the last alone
    assert [one.name for one in (tmp_path / "shared").iterdir()] == [names[-1]]
    body = server.bodies[0]
    assert (body["n"], body["temperature"], body["top_p"]) == (4, 1.0, 1.0)
    assert body["ignore_eos"]
    assert len({body["seed"] for body in server.bodies}) == len(server.bodies)


def test_a_server_that_does_not_take_the_adapter_is_found_out(server, tmp_path):
    server.deaf = True
    held = recipe(server, gap=1e-3)
    with pytest.raises(RunStopped) as caught:
        retained.train(tmp_path, held, tmp_path / "run")
    assert "nats a token away from the trainer's, more than the 0.001 that `gap`" in str(
        caught.value
    )
    server.deaf = False
    server.networks.clear()
    retained.train(tmp_path, held, tmp_path / "run", resume=True)


def test_a_server_that_goes_away_stops_the_stage_and_it_goes_on(server, tmp_path):
    held = recipe(server)
    whole = retained.train(tmp_path, held, tmp_path / "whole")
    server.networks.clear()
    out = tmp_path / "run"
    assert retained.dies(tmp_path, held, out, ("line", STEPS, 4))
    server.plan.extend([200, 503, 200])  # one failure passes
    server.fails = 0
    asked = len(server.bodies)

    def then_fails(choices):
        server.fails = 503
        return choices

    server.bend = then_fails
    with pytest.raises(RunStopped, match=r"answered 503 .*2 times; go on with --resume"):
        retained.train(tmp_path, held, out, resume=True)
    assert len(server.bodies) > asked
    server.fails, server.bend = 0, lambda choices: choices
    retained.train(tmp_path, held, out, resume=True)
    same = {n for n, body in retained.untimed(whole).items() if retained.untimed(out)[n] == body}
    assert {STEPS, "scores.json", "stages/02-act/rollouts.jsonl"} <= same


@pytest.mark.parametrize(
    ("bend", "sentence"),
    [
        (lambda found: found[:3], "gave 3 answers where 4 were asked for"),
        (
            lambda found: [one | {"token_ids": one["token_ids"] * 9} for one in found],
            "tokens where 6 were asked for at most",
        ),
    ],
)
def test_answers_that_were_not_asked_for(bend, sentence, server, tmp_path):
    server.bend = bend
    with pytest.raises(RunStopped, match=rf"{sentence}.*; go on with --resume"):
        retained.train(tmp_path, recipe(server), tmp_path / "run")


def test_a_model_that_the_server_does_not_have(server, tmp_path):
    with pytest.raises(RunStopped, match="has no model 'other', it has tiny-base; set `model`"):
        retained.train(tmp_path, recipe(server, model="other"), tmp_path / "run")
    server.longest = 20
    with pytest.raises(RunStopped, match="start it with --max-model-len 128"):
        retained.train(tmp_path, recipe(server), tmp_path / "again")


def check(folder, held, capsys):
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(held), encoding="utf-8")
    assert main(["check", str(path)]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_what_cannot_work_is_refused_before(server, tmp_path, capsys, monkeypatch):
    full = recipe(server)
    full["model"]["adapter"] = "full"
    full["stages"][1]["objective"]["echo"]["temperature"] = 0.7
    said = check(tmp_path, full, capsys)
    assert "weights are handed to a server as LoRA adapters, and `model.adapter` is full" in said
    assert "servers tell log-probabilities at temperature 1" in said
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    said = check(tmp_path, recipe(server, key="NO_SUCH_KEY", adapters="nowhere"), capsys)
    assert "server.key: the environment variable NO_SUCH_KEY is not set" in said
    assert "nowhere is no folder; make one that the server sees too" in said
