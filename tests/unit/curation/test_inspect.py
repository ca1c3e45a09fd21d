"""What a run is told about its data: of the records as they are loaded, all splits and tasks."""

import json

import pytest

from curated import write
from madrigal.curation.inspect import gravest, inspect
from madrigal.curation.loaded import Loaded, limit_of
from madrigal.recipe.load import load_recipe
from madrigal.tasks.load import load_tasks

PLACES = "river tower garden market harbour mill chapel forest bridge station"
WORDS = PLACES.split()


def text(k: int) -> str:
    """Texts that have no run of eight words in common."""
    return " ".join(f"{WORDS[(k * j + j) % 10]}{k}" for j in range(1, 14))


def loaded(folder, train, test, more=(), most=0) -> Loaded:
    write(folder / "a.train.jsonl", train)
    write(folder / "a.test.jsonl", test)
    write(
        folder / "b.jsonl",
        more or [{"text": text(900 + k), "label": "xy"[k % 2]} for k in range(4)],
    )
    write(folder / "b.test.jsonl", rows(950, 2))
    (folder / "recipe.yaml").write_text(
        "name: r\nmodel: {base: new, adapter: full}\ntasks:\n"
        "  a: {data: {train: a.train.jsonl, test: a.test.jsonl, split: {validation: 0}}}\n"
        "  b: {data: {train: b.jsonl, test: b.test.jsonl, split: {validation: 0}}}\n"
        "stages: [{name: s, learn: [a], steps: 1}]\nevaluate: {general: [b]}\n"
    )
    recipe = load_recipe(folder / "recipe.yaml", []).recipe
    return Loaded.of(load_tasks(recipe, folder), recipe.tasks, most)


def rows(start: int, count: int) -> list[dict]:
    return [{"text": text(k), "label": "xy"[k % 2]} for k in range(start, start + count)]


def test_held_out_text_in_the_training_records_of_another_task_is_shown_beside_it(tmp_path):
    test = rows(500, 10)
    longer = {"text": f"as they say {test[3]['text']} and so on", "label": "y"}
    found = inspect(loaded(tmp_path, rows(0, 20), test, more=[*rows(900, 5), longer]))
    told = found.cards["a"]["found"]["contamination"]
    assert told["splits"] == {"test": 1}
    (example,) = told["examples"]
    assert example["other"] == "b.jsonl:6"
    assert (example["other_task"], example["other_split"]) == ("b", "train")
    assert [part for part, mark in example["pieces"] if mark] == [test[3]["text"]]
    assert [part for part, mark in example["beside"] if mark] == [test[3]["text"]]
    assert found.cards["b"]["found"]["contamination"]["splits"] == {"train": 1}
    line = next(line for line in gravest(found.cards) if line.startswith("a: "))
    assert (
        "held-out text in training (1 test of 30 records), as a.test.jsonl:4 beside b.jsonl:6"
        in line
    )


def test_what_loading_leaves_out_is_not_found_again(tmp_path):
    test = rows(500, 10)
    found = inspect(loaded(tmp_path, [*rows(0, 20), test[2]], test))
    assert "leak" not in found.cards["a"]["found"]
    assert "contamination" not in found.cards["a"]["found"]


def test_of_many_records_some_of_each_split_are_looked_at(tmp_path):
    found = inspect(loaded(tmp_path, rows(0, 90), rows(500, 10), most=40))
    assert found.cards["a"]["looked_at"] == {"train": 23, "validation": 0, "test": 10}
    assert found.cards["a"]["records"] == {"train": 90, "validation": 0, "test": 10}
    assert found.cards["b"]["looked_at"]["train"] == 4


@pytest.mark.parametrize(
    ("sizes", "most", "limit"),
    [
        ([100, 10, 4], 40, 26),
        ([100, 100], 40, 20),
        ([5, 3], 40, 5),
        ([50, 50, 50], 1, 1),
        ([9], 0, 9),
    ],
)
def test_the_limit_gives_what_small_splits_leave_to_the_others(sizes, most, limit):
    assert limit_of(sizes, most) == limit
    if limit > 1 and most:
        assert sum(min(size, limit) for size in sizes) <= most


def test_personal_data_and_keys_are_masked_where_a_record_is_shown(tmp_path):
    bad = [
        {"text": "write to jane.roe@mail.net about the harbour", "label": "x"},
        {"text": "the key is AKIAABCDEFGHIJKLMNOP they said to us", "label": "y"},
    ]
    found = inspect(loaded(tmp_path, [*rows(0, 20), *bad], rows(500, 5)))
    card = json.dumps(found.cards["a"])
    assert "personal_data" in card
    assert "secret" in card
    assert "jane.roe@mail.net" not in card
    assert "AKIAABCDEFGHIJKLMNOP" not in card
    assert "write to [mail] about" in card


def test_the_same_records_give_the_same_card_and_findings(tmp_path):
    data = ([*rows(0, 40), *rows(3, 5)], rows(500, 10))
    one, other = (inspect(loaded(tmp_path, *data), deep=True) for _ in range(2))
    assert json.dumps(one.cards) == json.dumps(other.cards)
    assert one.findings == other.findings
    assert one.cards["a"]["found"]["exact_duplicate"]["records"] == 5
    assert "label_noise" in one.cards["a"]["checked"]


def test_copies_that_the_recipe_asks_for_are_no_duplicates(tmp_path):
    loaded(tmp_path, rows(0, 40), rows(500, 10))
    path = tmp_path / "recipe.yaml"
    asks = "prompt: 'Text: {text}\\nLabel:', augment: {edits: 1.0, templates: 1.0}, data:"
    path.write_text(path.read_text().replace("a: {data:", f"a: {{{asks}"))
    recipe = load_recipe(path, []).recipe
    tasks = load_tasks(recipe, tmp_path)
    assert len(tasks["a"].splits["train"]) > 80
    card = inspect(Loaded.of(tasks, recipe.tasks)).cards["a"]
    assert card["looked_at"]["train"] == 40
    assert not {"exact_duplicate", "near_duplicate"} & card["found"].keys()
