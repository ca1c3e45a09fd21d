"""Somebody has few records and lets a model behind an address say them in other words."""

import json

import pytest
import yaml

import tiny_run
from madrigal.cli.app import main
from speaking_server import serving

LABELS = ("sad", "happy")
OTHER = {"river": "stream", "calm": "quiet", "walked": "went", "Fluss": "stream"}


def says(body):
    """A paraphrase with other words; a translation that marks the language, and back."""
    head, _, text = body["messages"][-1]["content"].partition("\n\n")
    if "into German" in head:
        return text.replace("river", "Fluss").replace("calm", "ruhig")
    if "into English" in head:
        return text.replace("Fluss", "stream").replace("ruhig", "quiet")
    if "number 3 " in text:
        return "I'm sorry, but I can't say number 3 in other words."
    if "number 5 " in text:
        return text
    for old, new in OTHER.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def server():
    with serving() as running:
        running.says = says
        yield running


def recipe(folder, **more):
    text = "they walked by the calm river number {} in the garden"
    rows = [{"text": text.format(k), "label": LABELS[k % 2]} for k in range(24)]
    for name, some in (("train", rows[:16]), ("test", rows[16:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    keys = tiny_run.keys() | {
        "tasks": {"mood": {"data": {"train": "train.jsonl", "test": "test.jsonl",
                                    "split": {"validation": 0.0}},
                           "prompt": "{text}\nMood:"} | more},
        "stages": [{"name": "learn", "learn": ["mood"], "steps": 2, "batch": {"rows": 4}}],
        "evaluate": {"base": False, "draws": 200},
    }  # fmt: skip
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def settings(folder, server, **more):
    generator = {"kind": "remote", "url": server.url, "model": "tiny", "at_once": 2, "tries": 2,
                 "first_pause": 0.01, "timeout": 5.0}  # fmt: skip
    keys = {"recipe": "recipe.yaml", "task": "mood", "share": 1.0, "generator": generator} | more
    path = folder / "words.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_from_an_address_to_copies_that_a_run_learns_from(server, tmp_path, capsys):
    recipe(tmp_path)
    path, out = settings(tmp_path, server), tmp_path / "out"
    assert main(["augment", str(path), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "14 of 16 kept, beside 16 training records" in told
    assert "left out, a refusal: 1" in told
    assert "left out, the same words: 1" in told
    assert "tasks.mood.augment.written: out/written.jsonl" in told
    rows = {row["from"]: row for row in read(out / "written.jsonl")}
    assert rows["train.jsonl:1"] == {
        "from": "train.jsonl:1", "by": "paraphrase",
        "texts": [{"before": "they walked by the calm river number 0 in the garden",
                   "after": "they went by the quiet stream number 0 in the garden"}],
    }  # fmt: skip
    assert not any("test.jsonl" in place for place in rows)
    assert {row["from"]: row["why"] for row in read(out / "ledger.jsonl")}["train.jsonl:6"] == (
        "the same words"
    )
    # Learnt from with another template, and marked in the card of the run.
    learnt = {"written": "out/written.jsonl"}
    again = recipe(tmp_path, prompt="How is this?\n{text}\nMood:", augment=learnt)
    assert main(["run", str(again), "--out", str(tmp_path / "run")]) == 0
    card = json.loads((tmp_path / "run" / "data" / "mood.json").read_text())
    made = {one["from"]: one for one in card["augmented"]}
    assert len(made) == 14
    assert made["train.jsonl:1"] == {
        "from": "train.jsonl:1", "by": "paraphrase",
        "after": "How is this?\nthey went by the quiet stream number 0 in the garden\nMood:",
    }  # fmt: skip
    manifest = (tmp_path / "run" / "manifest.json").read_text()
    assert "written.jsonl" in manifest


def test_by_way_of_another_language_with_a_share(server, tmp_path):
    recipe(tmp_path)
    path, out = settings(tmp_path, server, through="German", share=0.5), tmp_path / "out"
    assert main(["augment", str(path), "--out", str(out)]) == 0
    rows = read(out / "written.jsonl")
    assert len(rows) == 8
    assert {row["by"] for row in rows} == {"way of German"}
    assert all("quiet stream" in row["texts"][0]["after"] for row in rows)
    asked = [body["messages"][-1]["content"].split("\n")[0] for _, body in server.requests]
    assert sum("into German" in one for one in asked) == 8
    assert sum("into English" in one for one in asked) == 8
    other = tmp_path / "other"
    path = settings(tmp_path, server, through="German", share=0.5, seed=1)
    assert main(["augment", str(path), "--out", str(other)]) == 0
    assert {row["from"] for row in read(other / "written.jsonl")} != {row["from"] for row in rows}


def test_an_address_that_goes_down_is_gone_on_with_and_nothing_is_asked_twice(
    server, tmp_path, capsys
):
    recipe(tmp_path)
    path, out, whole = settings(tmp_path, server), tmp_path / "out", tmp_path / "whole"
    server.plan.extend([None] * 5 + [503] * 50)
    assert main(["augment", str(path), "--out", str(out)]) == 3
    assert "was answered is kept and not asked for again" in capsys.readouterr().err
    server.plan.clear()
    assert main(["augment", str(path), "--out", str(out)]) == 0
    assert set(server.answered.values()) == {1}
    assert main(["augment", str(path), "--out", str(whole)]) == 0
    for name in ("written.jsonl", "ledger.jsonl", "summary.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_with_shots_only_copies_of_the_chosen_are_learnt(server, tmp_path):
    recipe(tmp_path)
    out = tmp_path / "out"
    assert main(["augment", str(settings(tmp_path, server)), "--out", str(out)]) == 0
    again = recipe(tmp_path, shots=4, augment={"written": "out/written.jsonl"})
    assert main(["run", str(again), "--out", str(tmp_path / "run")]) == 0
    card = json.loads((tmp_path / "run" / "data" / "mood.json").read_text())
    assert 1 <= len(card["augmented"]) <= 4


@pytest.mark.parametrize(("keys", "said"), [
    ({"task": "mod"}, "words.yaml: task: no task is called 'mod'; there are mood"),
    ({"ask": "Say it"}, "words.yaml: ask: has no {text} in it"),
    ({"ask": "Say {text}", "through": "German"}, "words.yaml: ask: has no {language} in it"),
    ({"generator": {"kind": "rules", "words": ["a"]}}, "generator: rules write no texts"),
    ({"share": 2.0}, "words.yaml:10: share: found 2.0; must be at most 1"),
    ({"recipe": "none.yaml"}, "none.yaml: no such file"),
])  # fmt: skip
def test_a_mistake_is_one_line(server, tmp_path, capsys, keys, said):
    recipe(tmp_path)
    path = settings(tmp_path, server, **keys)
    assert main(["augment", str(path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1
    assert not server.requests
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_not_written_to(server, tmp_path, capsys):
    recipe(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "novel.txt").write_text("mine")
    assert main(["augment", str(settings(tmp_path, server)), "--out", str(tmp_path / "out")]) == 2
    assert "holds 'novel.txt', which is not of `augment`; name another" in capsys.readouterr().err


@pytest.mark.parametrize(("rows", "said"), [
    ([{"text": "a", "label": "b"}], "is no row that `madrigal augment` wrote"),
    ([{"from": "train.jsonl:99", "by": "paraphrase", "texts": [{"before": "a", "after": "b"}]}],
     "none of the 1 rows of out.jsonl fits a training record"),
    ([{"from": "train.jsonl:1", "by": "paraphrase", "texts": [{"before": "zebra", "after": "b"}]}],
     "none of the 1 rows of out.jsonl fits a training record"),
])  # fmt: skip
def test_a_file_that_does_not_fit_is_told(tmp_path, capsys, rows, said):
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = recipe(tmp_path, augment={"written": "out.jsonl"})
    assert main(["check", str(path)]) == 2
    told = capsys.readouterr().err
    assert "tasks.mood.augment.written: " in told
    assert said in told
