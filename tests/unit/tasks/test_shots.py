"""A few training examples of a task: how many of which label, which draw, and what is refused."""

import itertools
from collections import Counter

import pytest

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.tasks.load import load_tasks
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.shots import with_shots
from madrigal.tasks.task import Task
from tasks_made import mistakes_of, write_jsonl

LABELS = ("bad", "fair", "good")


def task(counts, kind="choice"):
    """Training records of each label, one label after another."""
    records = tuple(
        Record("x", (Turn("user", f"{label} {i}"),), (label,), LABELS if kind == "choice" else ())
        for label, count in counts.items()
        for i in range(count)
    )
    splits = {"train": records, "validation": (), "test": records[:2]}
    return Task("mood", kind, "accuracy", splits)


MANY = {"bad": 60, "fair": 25, "good": 5}


def keys_of(found):
    return {record.key for record in found.splits["train"]}


def labels(found):
    return Counter(record.answers[0] for record in found.splits["train"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 14, 15])
def test_labels_are_even_whatever_their_shares(count):
    found = labels(with_shots(task(MANY), count, 0, seed=3))
    assert found.total() == count
    assert max(found.values()) - min(found[label] for label in LABELS) <= 1


def test_where_a_label_runs_out_the_others_go_on():
    assert labels(with_shots(task(MANY), 41, 0, seed=3)) == {"bad": 18, "fair": 18, "good": 5}
    assert labels(with_shots(task(MANY), 90, 0, seed=3)) == MANY


def test_which_label_is_first_is_left_to_chance():
    firsts = {next(iter(labels(with_shots(task(MANY), 1, d, seed=3)))) for d in range(20)}
    assert firsts == set(LABELS)


def test_fewer_examples_are_among_more_of_the_same_draw():
    sets = [keys_of(with_shots(task(MANY), n, 1, seed=3)) for n in (1, 2, 4, 8, 16)]
    assert all(few < more for few, more in itertools.pairwise(sets))


def test_another_draw_or_seed_takes_others_and_the_same_the_same():
    def keys(draw, seed):
        return keys_of(with_shots(task(MANY), 10, draw, seed))

    assert keys(0, 3) == keys(0, 3)
    assert len({frozenset(keys(d, s)) for d in range(3) for s in range(3)}) == 9


def test_the_place_of_a_record_in_its_file_does_not_count():
    there = task(MANY)
    turned = Task(
        "mood", "choice", "accuracy", there.splits | {"train": there.splits["train"][::-1]}
    )
    one, two = (with_shots(some, 10, 0, 3) for some in (there, turned))
    assert keys_of(one) == keys_of(two)


def test_choices_of_each_record_go_round_the_place_of_the_right_one():
    records = tuple(
        Record(
            "x", (Turn("user", f"q{i}"),), (f"{i}-{i % 4}",), tuple(f"{i}-{c}" for c in range(4))
        )
        for i in range(40)
    )
    splits = {"train": records, "validation": (), "test": ()}
    found = with_shots(Task("quiz", "choice", "accuracy", splits), 8, 0, 1).splits["train"]
    assert Counter(r.choices.index(r.answers[0]) for r in found) == dict.fromkeys(range(4), 2)


def test_free_answers_are_drawn_without_strata_and_all_is_told():
    found = with_shots(task(MANY, "answer"), 30, 0, seed=3)
    assert labels(found)["bad"] > 15  # as they are in the data
    assert found.counts["train"] == 30
    assert found.notes == ("30 of 90 training examples, draw 0",)
    assert found.splits["test"] == task(MANY, "answer").splits["test"]


def test_a_recipe_trains_on_its_shots(tmp_path):
    write_jsonl(
        tmp_path / "mood.jsonl", [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(60)]
    )
    data = {"train": "mood.jsonl"}
    one = {"name": "one", "learn": ["mood"], "steps": 1}

    def drawn(**keys):
        recipe = {"name": "r", "tasks": {"mood": {"data": data, **keys}}, "stages": [one]}
        return load_tasks(Recipe.model_validate(recipe), tmp_path)["mood"].splits

    whole, few = drawn(), drawn(shots=6)
    assert len(few["train"]) == 6 < len(whole["train"])
    assert few["test"] == whole["test"]
    assert few["validation"] == whole["validation"]
    assert drawn(shots=6, draw=1)["train"] != few["train"]


def test_too_many_shots_and_raw_text_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"tasks\.mood\.shots: 91 are asked for, and there are 90 "):
        with_shots(task(MANY), 91, 0, 0)
    (tmp_path / "wiki.txt").write_text("some words\n\n" * 300)
    write_jsonl(
        tmp_path / "few.jsonl", [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(20)]
    )
    tasks = {
        "wiki": {"data": {"train": "wiki.txt"}, "shots": 3},
        "few": {"data": {"train": "few.jsonl"}, "shots": 50},
    }
    found = mistakes_of(tmp_path, tasks, [{"name": "s", "learn": list(tasks), "steps": 1}])
    assert found[0] == ("tasks.wiki.shots: raw text has no examples to count; use `data.max_train`")
    assert found[1].startswith("tasks.few.shots: 50 are asked for, and there are ")
