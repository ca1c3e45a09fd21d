"""Judgements become one as one counts by hand."""

import math

import pytest

from madrigal.tasks.consensus import consensus
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn

NAN = math.nan


def found(kind, count, *judgements, trust=None, scale=None):
    said = Feedback(kind, tuple("xyzw"[:count]), judgements, scale=scale)
    return consensus(said) if trust is None else consensus(said, trust)


def same(got, wanted):
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(got, wanted, strict=True)
    )


def test_a_vote_counts_as_many_people_as_gave_it_and_a_tie_half():
    one = Judgement((1.0, 0.0), people=2)
    wins = found("pair", 2, one, Judgement((0.0, 1.0)), Judgement((0.5, 0.5))).wins
    assert same(wins[0], (NAN, 2.5 / 4))
    assert same(wins[1], (1.5 / 4, NAN))


def test_people_count_as_they_are_trusted():
    trust = {"ann": 3.0, "bob": 1.0, "eve": 0.0}.__getitem__
    people = [
        Judgement((1.0, 0.0), "ann"),
        Judgement((0.0, 1.0), "bob"),
        Judgement((0.0, 1.0), "eve"),
    ]
    assert found("verdict", 2, *people, trust=trust).wins[0][1] == 0.75
    nobody = found("verdict", 2, people[2], trust=trust)
    assert math.isnan(nobody.wins[0][1]), "who counts nothing says nothing"


def test_a_ranking_compares_all_its_answers():
    result = found("ranking", 3, Judgement((1.0, 1.0, 0.0)))
    assert same(result.wins[0], (NAN, 0.5, 1.0))
    assert same(result.wins[2], (0.0, 0.0, NAN))
    assert all(math.isnan(value) for value in result.values), "an order is no number"


def test_what_nobody_compared_is_not_known():
    result = found("ranking", 3, Judgement((1.0, 0.0, None)))
    assert same(result.wins[2], (NAN, NAN, NAN))
    assert same(result.wins[0], (NAN, 1.0, NAN))


def test_ratings_are_scaled_to_one_and_compared_person_by_person():
    people = [
        Judgement((5.0, 3.0), "ann"),
        Judgement((1.0, 3.0), "bob"),
        Judgement((5.0, 3.0), "c"),
    ]
    result = found("rating", 2, *people, scale=(1.0, 5.0))
    assert result.values == (pytest.approx((11 / 3 - 1) / 4), 0.5)
    assert result.wins[0][1] == pytest.approx(2 / 3)


def test_answers_that_were_rated_alone_are_compared_by_their_means():
    alone = [
        Judgement((2.0, None, None)),
        Judgement((4.0, None, None)),
        Judgement((None, 3.0, None)),
    ]
    result = found("rating", 3, *alone, scale=(1.0, 5.0))
    assert same(result.values, (0.5, 0.5, NAN))
    assert same(result.wins[0], (NAN, 0.5, NAN))
    result = found("thumb", 2, Judgement((1.0, None)), Judgement((None, 0.0)))
    assert result.values == (1.0, 0.0)
    assert same(result.wins[0], (NAN, 1.0))


def test_a_share_of_thumbs_up():
    result = found("thumb", 1, Judgement((1.0,), people=3), Judgement((0.0,)))
    assert result.values == (0.75,)
    assert math.isnan(result.wins[0][0])


def test_a_chance_that_the_judge_gave_stands_for_the_verdict():
    one, other = Judgement((1.0, 0.0), chance=0.75), Judgement((0.0, 1.0), chance=0.25)
    assert same(found("verdict", 2, one, other).wins[0], (NAN, 0.5))
    assert found("verdict", 2, one, other).wins[1][0] == 0.5
    assert same(found("verdict", 2, one, Judgement((0.0, 1.0))).wins[0], (NAN, 0.375))


def test_records_without_chances_keep_the_key_that_they_had():
    said = Feedback("pair", ("x", "y"), (Judgement((1.0, 0.0)),))
    sure = Feedback("pair", ("x", "y"), (Judgement((1.0, 0.0), chance=1.0),))
    assert Record("a", (Turn("user", "q"),), feedback=said).key == "9d808558bdf2b4cc"
    assert Record("a", (Turn("user", "q"),), feedback=sure).key != "9d808558bdf2b4cc"
