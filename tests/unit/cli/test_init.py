"""A starter recipe: it loads, and it says what was found."""

import json
from pathlib import Path

import pytest

from madrigal.cli.app import main
from madrigal.recipe.load import load_recipe
from madrigal.tasks.load import load_tasks


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows = [{"text": f"it is number {i}", "label": ["no", "yes"][i % 2]} for i in range(40)]
    for name, part in (("reviews-train", rows[:30]), ("reviews-test", rows[30:])):
        lines = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / "data" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    titles = "prompt,completion\n" + "".join(f"title {i},The {i}\n" for i in range(300))
    (tmp_path / "titles.csv").write_text(titles, encoding="utf-8")
    text = "\n\n".join(f"Paragraph {i} of a long text." for i in range(40))
    (tmp_path / "my notes: 1.txt").write_text(text, encoding="utf-8")
    return tmp_path


FILES = ["data/reviews-train.jsonl", "data/reviews-test.jsonl", "titles.csv", "my notes: 1.txt"]


def test_the_recipe_loads_with_its_data(folder: Path, capsys):
    assert main(["init", *FILES]) == 0
    said = capsys.readouterr().out
    assert "reviews: classification, 30 train, 10 test\n" in said
    assert said.endswith("wrote recipe.yaml; next: madrigal check recipe.yaml\n")
    loaded = load_recipe(folder / "recipe.yaml")
    tasks = load_tasks(loaded.recipe, loaded.root)
    assert {name: task.kind for name, task in tasks.items()} == {
        "reviews": "choice",
        "titles": "answer",
        "my_notes_1": "text",
    }
    assert loaded.recipe.tasks["reviews"].labels == ("no", "yes")
    assert len(tasks["reviews"].splits["test"]) == 10
    assert loaded.recipe.stages[0].learn == ("reviews", "titles", "my_notes_1")
    assert loaded.recipe.stages[0].mixture.kind == "temperature", "300 to 40 is uneven"
    assert loaded.recipe.evaluate.baselines


def test_a_single_task_needs_neither_mixture_nor_baselines(folder: Path):
    assert main(["init", "titles.csv", "--out", "one.yaml"]) == 0
    text = (folder / "one.yaml").read_text(encoding="utf-8")
    assert "mixture" not in text
    assert "baselines" not in text
    assert load_recipe(folder / "one.yaml").recipe.stages[0].learn == ("titles",)


def test_a_table_that_is_not_understood_is_left_to_be_filled_in(folder: Path, capsys):
    odd = "".join(json.dumps({"a b": f"{i}", "y": i % 3}) + "\n" for i in range(20))
    (folder / "odd.jsonl").write_text(odd, encoding="utf-8")
    assert main(["init", "titles.csv", "odd.jsonl"]) == 0
    why = (
        "odd.jsonl:1: no known format has the fields 'a b', 'y'; rename them with `columns`, or "
        "write `prompt` and `answer` templates"
    )
    assert f"odd: written as a comment, to be filled in: {why}\n" in capsys.readouterr().out
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    assert (
        f"  # Not trained yet: {why}\n"
        "  # no known format: 20 train; fields a b, y\n"
        "  # odd:\n"
        "  #   data: {train: odd.jsonl, columns: {text: ..., label: ...}} # a tenth is held out"
    ) in text
    assert load_recipe(folder / "recipe.yaml").recipe.stages[0].learn == ("titles",)
    filled = text.replace("\n  # odd:", "\n  odd:").replace("\n  #   data", "\n    data")
    filled = filled.replace("text: ..., label: ...", 'text: "a b", label: y')
    (folder / "recipe.yaml").write_text(filled.replace("[titles]", "[titles, odd]"), "utf-8")
    loaded = load_recipe(folder / "recipe.yaml")
    assert load_tasks(loaded.recipe, loaded.root)["odd"].labels == ("0", "1", "2")


def test_one_label_is_not_written_as_if_it_could_be_trained(folder: Path):
    rows = "".join(json.dumps({"text": f"t {i}", "label": "yes"}) + "\n" for i in range(20))
    (folder / "one.jsonl").write_text(rows, encoding="utf-8")
    assert main(["init", "titles.csv", "one.jsonl"]) == 0
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    assert "  # Not trained yet: tasks.one: only the label 'yes' in the data, so there is" in text
    assert '  #   labels: ["yes", ...] # all that there can be\n' in text
    loaded = load_recipe(folder / "recipe.yaml")
    assert list(load_tasks(loaded.recipe, loaded.root)) == ["titles"]


def test_where_nothing_is_understood_nothing_is_written(folder: Path, capsys):
    (folder / "odd.jsonl").write_text('{"x": 1}\n', encoding="utf-8")
    assert main(["init", "odd.jsonl"]) == 2
    assert capsys.readouterr().err.startswith("odd.jsonl:1: no known format has the fields 'x'")
    assert not (folder / "recipe.yaml").exists()


def instructions(**header) -> dict:
    rows = [{"input": f"{i}", "output": [f"out {i}"]} for i in range(40)]
    return {"Definition": "Echo.", **header, "Instances": rows}


@pytest.mark.parametrize(
    ("content", "held"),
    [
        (instructions(Examples={}), "a tenth is held out for test"),
        (
            instructions(**{"Positive Examples": []}),
            "the first 100 (at most half) are held out for test",
        ),
    ],
    ids=["version 1", "version 2"],
)
def test_what_is_held_out_is_said_as_it_is(folder: Path, content: dict, held: str):
    (folder / "ni.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["init", "ni.json"]) == 0
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    assert f"  data: {{train: ni.json}} # {held}\n" in text


def test_paths_are_written_as_the_recipe_sees_them(folder: Path):
    (folder / "recipes").mkdir()
    assert main(["init", "titles.csv", "--out", "recipes/r.yaml"]) == 0
    loaded = load_recipe(folder / "recipes" / "r.yaml")
    assert loaded.recipe.tasks["titles"].data.train == "../titles.csv"
    assert load_tasks(loaded.recipe, loaded.root)["titles"].splits["train"]


def test_a_recipe_is_never_replaced(folder: Path, capsys):
    (folder / "recipe.yaml").write_text("mine", encoding="utf-8")
    assert main(["init", "titles.csv"]) == 2
    line = "recipe.yaml: is there already; remove it or choose another --out\n"
    assert capsys.readouterr().err == line
    assert (folder / "recipe.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["title.csv"], "title.csv: no such file; did you mean 'titles.csv'?"),
        (["titles.csv", "--out", "no/r.yaml"], "no/r.yaml: there is no folder 'no'"),
    ],
)
def test_what_cannot_be_read_leaves_nothing(folder: Path, capsys, words: list[str], line: str):
    before = sorted(folder.rglob("*"))
    assert main(["init", *words]) == 2
    assert capsys.readouterr().err == f"{line}\n"
    assert sorted(folder.rglob("*")) == before


def test_judged_answers_get_an_objective(folder: Path):
    pairs = [{"prompt": f"p {i}", "chosen": "x", "rejected": "y"} for i in range(40)]
    thumbs = [{"prompt": f"q {i}", "completion": "x", "label": i % 2 == 0} for i in range(40)]
    for name, rows in (("pairs", pairs), ("thumbs", thumbs)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    assert main(["init", "pairs.jsonl", "thumbs.jsonl", "titles.csv"]) == 0
    loaded = load_recipe(folder / "recipe.yaml")
    tasks = load_tasks(loaded.recipe, loaded.root)
    kinds = [(task.kind, task.format) for task in tasks.values()]
    assert kinds == [
        ("feedback", "pairs"), ("feedback", "thumbs"), ("answer", "prompt_completion")
    ]  # fmt: skip
    objective = loaded.recipe.stages[0].objective
    assert {name: one.kind for name, one in objective.items()} == {
        "pairs": "dpo", "thumbs": "kto"
    }  # fmt: skip
