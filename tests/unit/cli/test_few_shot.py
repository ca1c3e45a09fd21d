"""`madrigal few-shot`: its mistakes, one line each, and what it prints and writes."""

import json

import pytest

from madrigal.cli.app import main
from madrigal.report.few_shot import rows, sentences, write_page

RECIPE = """\
name: small
model: {base: madrigal/base-xs, adapter: {kind: lora, rank: 2}}
tasks:
  mood: {data: {bundled: sentiment, max_train: 40, max_test: 6}}
  wiki: {data: {train: wiki.txt}}
stages: [{name: s, learn: [mood], steps: 1}]
evaluate: {general: [wiki]}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wiki.txt").write_text("a line of text\n\n" * 300)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return "recipe.yaml"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["--task", "moood", "--shots", "1,x"],
            [
                "--shots 1,x: 'x' is no number of examples; write numbers from 1 with commas "
                "between, as 1,2,4,8",
                "--task moood: the recipe has no such task; did you mean 'mood'?",
            ],
        ),
        (
            ["--task", "mood", "--from", "nowhere"],
            ["--from nowhere: no recipe.yaml in it; write `base`, or the folder of a run"],
        ),
        (
            ["--task", "mood", "--stage", "s"],
            ["--stage s: has no effect without a run to begin from; leave it out"],
        ),
        (
            ["--task", "mood", "--shots", "2,4000"],
            [
                "recipe.yaml:4: tasks.mood.shots: 4000 are asked for, and there are 40 training "
                "examples; ask for at most 40"
            ],
        ),
        (
            ["--task", "wiki", "--shots", "2"],
            [
                "recipe.yaml:5: tasks.wiki.shots: raw text has no examples to count; use "
                "`data.max_train`"
            ],
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_written(recipe, words, lines, capsys, tmp_path):
    assert main(["few-shot", recipe, *words]) == 2
    assert capsys.readouterr().err.splitlines() == lines
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_no_run(recipe, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert main(["few-shot", "empty", "--task", "mood"]) == 2
    assert (
        "empty: no recipe.yaml; give the folder that `madrigal run` wrote"
        in capsys.readouterr().err
    )


def test_the_curve_is_printed_and_written(recipe, capsys, tmp_path):
    words = ["--task", "mood", "--shots", "2", "--draws", "2", "--steps", "1"]
    assert main(["few-shot", recipe, *words]) == 0
    told = capsys.readouterr().out
    assert "fine-tuned from the" in told
    assert "1 step of at most 8 examples" in " ".join(told.split())
    folder = tmp_path / "runs" / "small.few-shot" / "mood"
    body = json.loads((folder / "curve.json").read_text())
    assert [p["shots"] for p in body["ways"]["base"]] == [0, 2]
    page = (folder / "curve.html").read_text()
    assert page.count('<path class="line') == 2
    assert "http" not in page.replace("http-equiv", "")


def point(shots, value, low, high, **more):
    return {"shots": shots, "value": value, "low": low, "high": high, "draws": [value]} | more


BODY = {
    "task": "mood <b>",
    "metric": "accuracy",
    "n": 100,
    "chance": 0.5,
    "ways": {
        "base": [point(0, 0.5, 0.4, 0.6), point(1, 0.5, 0.4, 0.6), point(8, 0.9, 0.8, 0.95)],
        "context": [point(0, 0.5, 0.4, 0.6), point(1, 0.7, 0.6, 0.8, shown=1.0),
                    point(8, 0.6, 0.5, 0.7, shown=3.5)],
    },
    "differences": {"base - context": [point(1, -0.2, -0.3, -0.1), point(2, 0.1, -0.1, 0.2),
                                       point(8, 0.3, 0.2, 0.4)]},
}  # fmt: skip


def test_what_is_sure_is_said_number_by_number():
    assert sentences(BODY) == [
        "Fine-tuned from the base against shown in the context of the base: better at 8; worse at "
        "1; no clear difference at 2."
    ]


def test_the_table_says_how_many_examples_fitted():
    assert rows(BODY)[2] == (
        "8",
        ["90.0\xa0% (80.0 to 95.0)", "60.0\xa0% (50.0 to 70.0), 3.5 fitted"],
    )


def test_the_page_is_the_same_each_time_and_escapes_names(tmp_path):
    settings = {"steps": 3, "rows": 2, "optimiser": {"learning_rate": 0.1}}
    one = write_page(BODY, settings, ["note <i>"], tmp_path / "a.html").read_bytes()
    assert one == write_page(BODY, settings, ["note <i>"], tmp_path / "b.html").read_bytes()
    assert b"mood &lt;b&gt;" in one
    assert b"note &lt;i&gt;" in one
