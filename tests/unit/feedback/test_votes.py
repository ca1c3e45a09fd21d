"""Records as a table of votes."""

from dataclasses import replace

import numpy as np
import pytest

from annotated import pair, rated
from madrigal.feedback.votes import comparisons, ratings
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn


def better(votes):
    """For each vote, the text it prefers, or None for a tie."""
    for item, value in zip(votes.item, votes.value, strict=True):
        first, second = votes.answers[item]
        yield None if value == 0 else votes.texts[first if value > 0 else second]


def test_a_pair_says_which_text_is_better_wherever_it_stands():
    records = [
        pair(0, ("long", "short"), [("ann", 1), ("bob", -1), ("", 0)], prompt="p"),
        pair(1, ("short", "long"), [("ann", 1)], prompt="p"),
    ]
    votes = comparisons(records)
    assert list(better(votes)) == ["long", "short", None, "short"]
    assert len(votes.prompt) == 1  # one item: the same prompt and answers
    assert votes.names == ("ann", "bob")
    assert votes.annotator.tolist() == [0, 1, -1, 0]
    assert votes.record.tolist() == [0, 0, 0, 1]


def test_which_answer_is_first_says_nothing_about_where_it_stood():
    records = [pair(k, (f"chosen {k}", f"rejected {k}"), [("", 1)]) for k in range(400)]
    assert 150 < int((comparisons(records).value > 0).sum()) < 250


def test_a_ranking_with_a_hole_gives_the_pairs_that_were_judged():
    feedback = Feedback("ranking", ("a", "b", "c", "d"), (Judgement((3.0, 1.0, None, 1.0)),))
    votes = comparisons([Record("f:1", (Turn("user", "p"),), feedback=feedback)])
    assert sorted(map(str, better(votes))) == ["None", "a", "a"]
    assert set(votes.judgement.tolist()) == {0}


def test_equal_answers_are_not_compared():
    assert not len(comparisons([pair(0, ("same", "same"), [("", 1)])]).item)


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_shown_goes_with_the_pair(turned):
    answers = ("b", "a") if turned else ("a", "b")
    shown = (1, 0) if turned else (0, 1)  # "a" is shown first both times
    votes = comparisons([pair(0, answers, [("", 1)], shown=shown)])
    first, _ = votes.answers[0]
    assert (votes.texts[first] == "a") == (votes.shown[0] == 1)
    assert (votes.texts[first] == answers[0]) == (votes.stands[0] == 1)


def test_people_of_whom_only_the_number_is_known_vote_that_often():
    said = (Judgement((1.0,), people=2), Judgement((0.0,), people=1))
    record = Record("f:1", (Turn("user", "p"),), feedback=Feedback("thumb", ("a",), said))
    assert ratings([record]).value.tolist() == [1, 1, 0]


def test_aspects_stay_apart():
    said = (Judgement((1.0,), aspect="quality"), Judgement((4.0,), aspect="fluency"))
    record = Record("f:1", (Turn("user", "p"),), feedback=Feedback("rating", ("a",), said))
    assert ratings([record], "fluency").value.tolist() == [4.0]
    assert not len(ratings([record]).item)


def test_a_prompt_is_one_and_without_one_texts_have_nothing_in_common():
    pairs = [pair(k, (f"a{k}", f"b{k}"), [("", 1)], prompt="p") for k in range(3)]
    assert comparisons(pairs).cluster.tolist() == [0, 0, 0]
    bare = [replace(record, turns=()) for record in pairs]
    assert comparisons(bare).cluster.tolist() == [0, 1, 2]


def test_a_mirrored_table_holds_each_comparison_in_both_orders():
    votes = comparisons([pair(k, (f"a{k}", f"b{k}"), [("ann", 1), ("", 0)]) for k in range(5)])
    mirrored = votes.mirrored
    assert sorted(better(mirrored), key=str) == sorted(list(better(votes)) * 2, key=str)
    assert mirrored.value.sum() == 0
    assert (mirrored.cluster == np.tile(votes.cluster, 2)).all()


def test_ratings_of_several_answers_to_a_prompt_compare_them():
    feedback = Feedback("rating", ("a", "b"), (Judgement((2.0, 5.0)),), scale=(1.0, 5.0))
    record = Record("f:1", (Turn("user", "p"),), feedback=feedback)
    assert list(better(comparisons([record]))) == ["b"]
    assert not len(comparisons([rated(0, "a", [("", 3.0)])]).item)
