"""The language that a user declares for files that do not say it."""

import json

import pytest

from madrigal.cli.app import main

ENGLISH = "The dog that we saw was not ours, and he ran home to the others."
GERMAN = "Der Hund, den wir gesehen haben, war nicht unser Hund, und er ist nach Hause gelaufen."
FRENCH = "Le chien que nous avons vu n'est pas dans la maison, mais il est avec les autres."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three records: too few to tell what is usual."""
    answers = (ENGLISH, GERMAN, FRENCH)
    rows = [{"prompt": f"{ENGLISH} {k}", "completion": said} for k, said in enumerate(answers, 1)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(out) -> dict[str, str]:
    lines = (out / "findings.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return {one["where"]: one["evidence"] for one in found if one["check"] == "language"}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ([], []),
        (["--language", "en"], ["answer:2", "answer:3"]),
        (["--language", "English"], ["answer:2", "answer:3"]),
        (["--language", "de"], ["prompt:1", "prompt:2", "prompt:3", "answer:1", "answer:3"]),
        (["--language", "en:de"], ["answer:1", "answer:3"]),
        (["--language", "en:de,French"], ["answer:1"]),
        (["--language", ":fr"], ["answer:1", "answer:2"]),
        (["--language", "en:"], []),
    ],
)
def test_texts_in_another_language_than_declared_are_named(folder, said, wrong):
    assert main(["curate", "a.jsonl", "--out", "out", *said]) == 0
    found = [
        json.loads(line) for line in (folder / "out" / "findings.jsonl").read_text().splitlines()
    ]
    assert [f"{one['evidence'].split()[0]}:{one['record'] + 1}" for one in found
            if one["check"] == "language"] == wrong  # fmt: skip


def test_the_evidence_says_what_was_found_and_what_was_declared(folder):
    assert main(["curate", "a.jsonl", "--out", "out", "--language", "en"]) == 0
    assert told(folder / "out")["a.jsonl:2"].startswith(
        "answer is in 'de', declared: 'en': der hund, den wir"
    )


def test_what_a_file_says_of_itself_comes_first(folder):
    content = {
        "Definition": ["Translate."], "Input_language": ["English"], "Output_language": ["German"],
        "Positive Examples": [], "Negative Examples": [],
        "Instances": [{"input": ENGLISH, "output": [said]} for said in (GERMAN, FRENCH)],
    }  # fmt: skip
    (folder / "task1.json").write_text(json.dumps(content))
    assert main(["curate", "task1.json", "--out", "out", "--language", "fr"]) == 0
    assert set(told(folder / "out")) == {"task1.json item 2"}


def test_other_languages_are_looked_at_anew_where_blocks_are_kept(folder):
    for said, count in (("en", 2), ("en,de,fr", 0), ("en", 2)):
        assert main(["curate", "a.jsonl", "--out", "out", "--language", said]) == 0
        assert len(told(folder / "out")) == count


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("germna", "--language germna: 'germna' is unknown; did you mean 'german'?"),
        ("en:de:fr", "--language en:de:fr: write one for all texts, or PROMPTS:ANSWERS"),
        ("", "--language : write one for all texts, or PROMPTS:ANSWERS"),
        ("en:klingon", "--language en:klingon: 'klingon' is unknown; there are: 'english', "
         "'german', "
         "'french', 'spanish', 'italian', 'portuguese', 'dutch', 'swedish', 'polish', 'turkish', "
         "'russian', 'greek' and 26 more"),
    ],
)  # fmt: skip
def test_a_language_that_is_not_known_is_one_line(folder, capsys, said, line):
    assert main(["curate", "a.jsonl", "--language", said]) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_recipe_takes_no_language(folder, capsys):
    (folder / "recipe.yaml").write_text(
        "name: a\nmodel: {base: madrigal/base-xs}\ntasks: {mood: {data: a.jsonl}}\n"
        "stages: [{name: s, learn: [mood], steps: 1}]\n"
    )
    assert main(["curate", "recipe.yaml", "--language", "en"]) == 2
    assert capsys.readouterr().err == (
        "--language: is for files; with a recipe name them one task a call\n"
    )
