"""Records made from others: what changes and what must not, how many, and what is told of them."""

import re
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np
import pytest

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import Augment
from madrigal.tasks.augment import MARK, copied, with_augmentation
from madrigal.tasks.edits_by_rule import KEPT, edited
from madrigal.tasks.load import load_tasks
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.swaps import SWAPS, swapped
from madrigal.tasks.task import Task
from madrigal.tasks.templates_by_rule import reworded
from tasks_made import write_jsonl

LABELS = ("negative", "positive")


def review(text, label="positive", choices=LABELS):
    turns = (Turn("user", f"Review: {text}\nSentiment:"),)
    return Record("r.jsonl:1", turns, (label,), choices, fields={"text": text, "label": label})


def task(count=40, kind="choice"):
    texts = [f"the father of number {k} never found this slow film wonderful" for k in range(count)]
    records = tuple(review(text, LABELS[k % 2]) for k, text in enumerate(texts))
    splits = {"train": records, "validation": records[:3], "test": records[:5]}
    return Task("mood", kind, "accuracy", splits, labels=LABELS)


def chance(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(30))
def test_edits_touch_words_and_never_what_turns_the_meaning_round(seed):
    text = "they never thought this long evening could be without pleasure"
    new = edited(text, 0.5, {"pleasure"}, chance(seed))
    assert new != text
    for kept in ("never", "without", "pleasure", "be"):
        assert re.search(rf"\b{kept}\b", new)
    assert SequenceMatcher(None, text, new).ratio() > 0.5


def test_each_kind_of_edit_is_met_and_the_rate_is_kept():
    text = " ".join(["wonderful"] * 400)
    words = edited(text, 0.2, (), chance(1)).split(" ")
    dropped = 400 - len(words)
    marked = sum(word.endswith(",") for word in words)
    cased = sum(word == "Wonderful" for word in words)
    slipped = sum(word not in ("wonderful", "wonderful,", "Wonderful") for word in words)
    for count in (dropped, marked, cased, slipped):
        assert 5 < count < 40
    assert 50 < dropped + marked + cased + slipped < 110  # 80 are expected
    for word in words:
        if len(word) == 9 and word.lower() != "wonderful":
            assert sum(a != b for a, b in zip(word, "wonderful", strict=True)) == 1
            assert word[0] == "w"


def test_nothing_to_edit_stays():
    assert edited("not me", 0.5, (), chance()) == "not me"
    assert edited("never", 0.5, (), chance()) == "never"
    assert "never" in KEPT


@pytest.mark.parametrize(("before", "after"), [
    ("He gave his sister her book.", "She gave her brother his book."),
    ("MARY saw him in London", "JAMES saw her in Cairo"),
    ("they asked her to sing", "they asked him to sing"),
    ("the hero of theory", "the hero of theory"),
    ("Mr. Smith and Mrs. Jones", "Mrs. Smith and Mr. Jones"),
])  # fmt: skip
def test_swaps(before, after):
    assert swapped(before) == after


def test_swaps_go_both_ways():
    assert all(SWAPS[SWAPS[word]] == word for word in SWAPS if word not in ("his", "him"))


def test_only_the_row_s_own_words_change():
    for seed in range(20):
        new = copied(review("the father found it positive and wonderful"), "edits", 0.5,
                     chance(seed))  # fmt: skip
        asked = new.turns[-1].text
        assert asked.startswith("Review: ")
        assert asked.endswith("\nSentiment:")
        assert "positive" in asked  # a label's word is left alone
        assert new.answers == ("positive",)
        assert new.choices == LABELS
        assert new.fields[MARK] == "edits of r.jsonl:1"
        assert new.fields["text"] == "the father found it positive and wonderful"


def test_what_would_no_longer_fit_its_answer_is_not_swapped():
    free = Record("q", (Turn("user", "Who came, he or Mary?"),), ("Mary",),
                  fields={"prompt": "Who came, he or Mary?"})  # fmt: skip
    assert copied(free, "swaps", 0.1, chance()) is None
    other = Record("q", (Turn("user", "Who came, he or Mary?"),), ("nobody",),
                   fields={"prompt": "Who came, he or Mary?"})  # fmt: skip
    assert copied(other, "swaps", 0.1, chance()).turns[-1].text == "Who came, she or James?"


def test_so_many_as_the_shares_say_each_marked_and_told():
    plain = task()
    found = with_augmentation(plain, Augment(edits=0.5, swaps=0.25), 3)
    train = found.splits["train"]
    assert train[:40] == plain.splits["train"]
    made = train[40:]
    assert [one.fields[MARK].split(" of ")[0] for one in made] == ["edits"] * 20 + ["swaps"] * 10
    assert [one["by"] for one in found.augmented] == ["edits"] * 20 + ["swaps"] * 10
    assert [one["after"] for one in found.augmented] == [one.turns[-1].text for one in made]
    assert all(MARK not in one.fields for split in ("validation", "test")
               for one in found.splits[split])  # fmt: skip
    assert found.splits["test"] == plain.splits["test"]
    assert (
        "30 training records are made from 40: 20 by edits, 10 by swaps (a share of 43%)"
        in (found.notes[-1])
    )
    assert found.counts["train"] == 70
    assert with_augmentation(plain, Augment(edits=0.5, swaps=0.25), 3) == found
    assert with_augmentation(plain, Augment(edits=0.5, swaps=0.25), 4) != found


def test_of_records_without_a_listed_word_nothing_is_swapped():
    rows = tuple(review(f"the film number {k}") for k in range(9))
    found = with_augmentation(
        Task("mood", "choice", "accuracy", {"train": rows, "validation": (), "test": ()}),
        Augment(swaps=1.0), 0)  # fmt: skip
    assert len(found.splits["train"]) == 9


@pytest.mark.parametrize(("kind", "said"), [("text", "raw text"), ("feedback", "judged answers")])
def test_what_cannot_be_augmented_is_a_mistake(kind, said):
    with pytest.raises(DataError, match=f"tasks.mood.augment: the data are {said}"):
        with_augmentation(task(kind=kind), Augment(edits=0.5), 0)


def test_in_a_recipe_after_shots_and_never_in_what_is_held_out(tmp_path):
    rows = [{"text": f"the father of number {k} found it slow", "label": LABELS[k % 2]}
            for k in range(60)]  # fmt: skip
    write_jsonl(tmp_path / "mood.jsonl", rows)
    recipe = Recipe.model_validate({
        "name": "t", "model": {"base": "madrigal/base-xs"},
        "tasks": {"mood": {"data": "mood.jsonl", "shots": 10, "augment": {"edits": 1.0}}},
        "stages": [{"name": "s", "learn": ["mood"], "steps": 1}],
    })  # fmt: skip
    found = load_tasks(recipe, tmp_path)["mood"]
    assert len(found.splits["train"]) == 20
    origins = {one["from"] for one in found.augmented}
    assert origins == {one.where for one in found.splits["train"][:10]}
    for split in ("validation", "test"):
        assert not any(MARK in one.fields for one in found.splits[split])


@pytest.mark.parametrize("seed", range(30))
def test_templates_say_the_same_another_way_around_the_same_words(seed):
    text = "the answer that I write: does the father read this sentence?\nTask: none"
    asked = f"Classify the following sentence as positive or not.\nReview: {text}\nSentiment:"
    one = replace(review(text), turns=(Turn("user", asked),))
    new = copied(one, "templates", 0.1, chance(seed))
    said = new.turns[-1].text
    assert said != asked
    assert text in said
    assert said.replace(text, "").count("positive") == 1
    assert "Sentiment" in said.rpartition(text)[2]
    assert "Review" in said.partition(text)[0]
    assert (new.answers, new.choices) == (one.answers, one.choices)
    assert new.fields[MARK] == "templates of r.jsonl:1"


def test_each_rule_of_templates_is_met_and_their_words_are_no_labels():
    parts = ["Classify the sentence below.\nReview: ", "\nSentiment:"]
    found = {tuple(reworded(parts, {"text", "review"}, chance(seed))) for seed in range(200)}
    whole = ["·".join(one) for one in found]
    assert len(found) > 50
    for rule in ("Categorise", "\n\nSentiment", "Please do this.", "[Sentiment]:", "Sentiment ="):
        assert any(rule in one for one in whole)
    assert all("Review: " in one and "text" not in one for one in whole)


def test_a_prompt_without_template_is_asked_in_no_other_way():
    bare = Record("q", (Turn("user", "Classify the sentence"),), ("a",),
                  fields={"prompt": "Classify the sentence"})  # fmt: skip
    assert copied(bare, "templates", 0.1, chance()) is None
    unknown = replace(bare, fields={})
    assert copied(unknown, "templates", 0.1, chance()) is None


def test_what_is_copied_follows_from_what_records_say_and_not_from_where_they_stand():
    plain = task()
    shuffled = replace(plain, splits={**plain.splits, "train": plain.splits["train"][::-1]})

    def chosen(some, seed=3):
        made = with_augmentation(some, Augment(swaps=0.25), seed).splits["train"][40:]
        return {one.fields["text"] for one in made}

    assert len(chosen(plain)) == 10
    assert chosen(plain) == chosen(shuffled) != chosen(plain, 4)


@pytest.mark.parametrize(("count", "share", "made"), [(7, 0.5, 4), (9, 0.3, 3), (9, 0.25, 2)])
def test_a_share_is_rounded_to_the_nearest_number(count, share, made):
    found = with_augmentation(task(count), Augment(edits=share), 0)
    assert len(found.splits["train"]) == count + made


def test_where_the_answer_says_her_nothing_is_swapped():
    """Of `his` in the prompt would become `her`, and the answer would speak of another."""
    one = Record("q", (Turn("user", "Who has his book?"),), ("It lies with her.",),
                 fields={"prompt": "Who has his book?"})  # fmt: skip
    assert copied(one, "swaps", 0.1, chance()) is None


def test_a_copy_never_has_an_empty_prompt():
    one = Record("q", (Turn("user", "wonderful"),), ("good",), fields={"prompt": "wonderful"})
    made = [copied(one, "edits", 0.5, chance(seed)) for seed in range(40)]
    assert None in made
    assert all(new.turns[-1].text.strip() for new in made if new is not None)


def test_words_of_choices_that_are_no_answer_are_left_alone_too():
    """In a prompt that names the other label, that word stays as it is."""
    for seed in range(20):
        one = review("they call it negative where others are pleased with everything")
        new = copied(one, "edits", 0.5, chance(seed))
        assert "negative" in new.turns[-1].text
