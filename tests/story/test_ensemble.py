"""Somebody trains several reward models and joins them into one that knows how sure it is."""

import json
import shutil

import pytest

import retained
from madrigal.cli.app import main
from madrigal.model.ensemble import aggregate, load_ensemble
from madrigal.report.numbers import SPACE

STAGE = "01-judge"
PRIVATE = {"kind": "lora", "layers": "none", "private": {"rank": 3}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("ensemble")
    retained.write(found)
    rows = [json.loads(line) for line in (found / "liked.test.jsonl").read_text().splitlines()]
    other = [{"prompt": f"and {k}?", "chosen": row["rejected"], "rejected": "salt and wood"}
             for k, row in enumerate(rows)]  # fmt: skip
    long = {"prompt": "and?", "chosen": "salt " * 2 * retained.CONTEXT, "rejected": "wood"}
    for name, some in (("other", [*other, long]), ("own", [*rows, long])):
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (found / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def run(folder):
    """Two members on one base in one run, each with a part and a head of its own."""
    recipe = retained.keys([], PRIVATE)
    liked = recipe["tasks"]["liked"]
    liked = liked | {"data": liked["data"] | {"test": "own.jsonl", "on_bad": "drop"}}
    stage = {
        "name": "judge",
        "learn": ["one", "two"],
        "steps": 10,
        "batch": {"rows": 8},
        "mixture": "uniform",
        "optimiser": {"learning_rate": 0.01},
        "objective": {"one": "reward", "two": "reward"},
    }
    tasks = {"one": liked, "two": liked}
    recipe |= {"stages": [stage], "tasks": tasks, "evaluate": {"base": False, "draws": 200}}
    return retained.train(folder, recipe, folder / "run")


def rows(run, task):
    return retained.rows(run / "predictions" / STAGE / f"{task}.jsonl")


def joined(run, out, *more):
    return main(["ensemble", str(run), "--task", "one", "--task", "two", "--out", str(out), *more])


def test_members_of_one_run_are_joined_and_score_as_the_run_said(folder, run, tmp_path, capsys):
    out = tmp_path / "rewards"
    assert joined(run, out, "--elsewhere", str(folder / "other.jsonl")) == 0
    told = capsys.readouterr().out
    assert "together: minimum" in told
    assert "one, trained on" in told
    assert "other, not trained on" in told
    assert f"(chance 50{SPACE}%, ceiling unknown)" in told
    for name in ("one", "other"):  # each holds an answer that does not fit the context
        assert f"{name}: 1 bad row was dropped (data.on_bad): " in told
    ensemble = load_ensemble(out)
    one, two = rows(run, "one"), rows(run, "two")
    assert [row["judging"]["rewards"] for row in one] != [row["judging"]["rewards"] for row in two]
    for first, second in zip(one, two, strict=True):
        answers = first["judging"]["answers"]
        found = ensemble.scores(ensemble.rows(first["prompt"], answers))
        for number, row in enumerate((first, second)):
            level = ensemble.facts.centres[number]
            wanted = [score - level for score in row["judging"]["rewards"]]
            assert found[number].tolist() == pytest.approx(wanted, abs=1e-4)
        mean = ensemble.rewards(first["prompt"], answers)
        assert mean.tolist() == pytest.approx(found.mean(dim=0).tolist())
        lowest = load_ensemble(out, "minimum").rewards(first["prompt"], answers)
        assert lowest.tolist() == pytest.approx(aggregate(found, "minimum").tolist())


def test_what_was_measured_stands_beside_it(folder, run, tmp_path):
    out = tmp_path / "rewards"
    assert joined(run, out, "--elsewhere", str(folder / "other.jsonl"), "--aggregate", "penalised",
                  "--penalty", "0.1") == 0  # fmt: skip
    body = json.loads((out / "measured.json").read_text())
    assert set(body["aggregates"]) == {"mean", "minimum", "penalised"}
    assert set(body["disagreement"]) == {"one", "other"}
    assert all(part["spread"]["value"] > 0 for part in body["disagreement"].values())
    facts = json.loads((out / "ensemble.json").read_text())
    assert (facts["how"], facts["penalty"]) == ("penalised", 0.1)
    agreed = [sum(row["score"] for row in rows(run, task)) / 3 for task in ("one", "two")]
    found = [part["value"] for part in body["members"].values()]
    assert found == pytest.approx(agreed)


def test_answers_that_do_not_fit_are_refused_before_anything_is_written(
    folder, run, tmp_path, capsys
):
    """Where the members' own task does not drop such rows."""
    strict = folder / "strict"
    shutil.copytree(run, strict)
    recipe = (strict / "recipe.yaml").read_text(encoding="utf-8")
    changed = recipe.replace("on_bad: drop", "on_bad: error").replace(
        "own.jsonl", "liked.test.jsonl"
    )
    (strict / "recipe.yaml").write_text(changed, encoding="utf-8")
    other = folder / "other.jsonl"
    assert joined(strict, tmp_path / "x", "--elsewhere", str(other)) == 2
    told = capsys.readouterr().err
    assert f"{other.name}:4: the answer has" in told
    assert f"with a context of {retained.CONTEXT} at most" in told
    assert "leave such records out with --drop-bad" in told
    assert not (tmp_path / "x").exists()
    assert joined(strict, tmp_path / "x", "--elsewhere", str(other), "--drop-bad") == 0
    assert "bad row was dropped" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--aggregate", "minimun"], "--aggregate minimun: unknown; did you mean 'minimum'?"),
        (["--elsewhere", "gone.jsonl"], "--elsewhere gone.jsonl: there is no such file"),
        (["--task", "three"], "the run has no task 'three'"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(run, tmp_path, capsys, more, said):
    assert joined(run, tmp_path / "x", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_there_and_a_single_member_are_refused(run, tmp_path, capsys):
    assert main(["ensemble", str(run), "--task", "one", "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "is there already" in told
    assert "two members or more" in told
