"""What each kind of objective can use of each kind of feedback, and what is said of the rest."""

import math

import pytest

from madrigal.tasks.encoded import Judged
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.usable import thumb, usable

NAN = math.nan
SCALE = (1.0, 5.0)
TURNS = (Turn("user", "p"),)


def record(kind, *values, where="f:1", annotators=None):
    judgements = tuple(
        Judgement(tuple(said), annotator)
        for said, annotator in zip(values, annotators or [""] * len(values), strict=True)
    )
    answers = tuple("xyzw"[: len(values[0])])
    scale = SCALE if kind == "rating" else None
    return Record(where, TURNS, feedback=Feedback(kind, answers, judgements, scale=scale))


RECORDS = {
    "pair": record("pair", (1.0, 0.0)),
    "tie": record("pair", (0.5, 0.5)),
    "split": record("pair", (1.0, 0.0), (0.0, 1.0)),
    "verdict": record("verdict", (0.0, 1.0)),
    "ranking": record("ranking", (2.0, 1.0, 0.0)),
    "half a ranking": record("ranking", (1.0, 0.0, None)),
    "rating": record("rating", (4.0,)),
    "middle rating": record("rating", (3.0,)),
    "ratings": record("rating", (4.0, 2.0)),
    "one of two rated": record("rating", (4.0, None)),
    "thumb": record("thumb", (1.0,)),
    "thumbs": record("thumb", (1.0, 0.0)),
    "thumbs up and down": record("thumb", (1.0,), (0.0,)),
    "correction": record("correction", (0.0, 1.0)),
    "plain": Record("f:1", TURNS, ("a",)),
}

ORDER = {
    "pair", "tie", "split", "verdict", "ranking", "half a ranking", "ratings", "thumbs",
    "correction",
}  # fmt: skip
RATED = {"rating", "middle rating", "ratings", "one of two rated", "thumb", "thumbs",
         "thumbs up and down"}  # fmt: skip
USED = {
    "pairs": ORDER,
    "ranking": ORDER - {"half a ranking"},
    "ratings": RATED,
    "rated_pairs": {"ratings", "thumbs"},
    "thumbs": (ORDER | RATED) - {"tie", "split", "middle rating", "thumbs up and down"},
    "corrections": {"correction"},
}


@pytest.mark.parametrize("need", USED)
@pytest.mark.parametrize("name", RECORDS)
def test_who_can_use_what(need, name):
    found = usable([RECORDS[name]], need)
    assert bool(found.kept) == (name in USED[need])
    assert len(found.reasons) == (name not in USED[need])


WHY = {
    ("pairs", "rating"): "they have one answer only, and nothing to compare it with",
    ("pairs", "one of two rated"): "they compare no two answers",
    ("ranking", "half a ranking"): "they do not compare every answer with every other",
    ("ratings", "pair"): "they say which answer is better, and not how good each one is",
    ("rated_pairs", "one of two rated"): "they rate one answer only",
    ("rated_pairs", "ranking"): "they say which answer is better, and not how good each one is",
    ("thumbs", "tie"): "they call no answer good or bad: all stand in the middle",
    ("corrections", "pair"): "they hold no correction",
    ("pairs", "plain"): "they hold no judged answers",
}


@pytest.mark.parametrize(("need", "name"), WHY)
def test_why_not(need, name):
    found = usable([RECORDS[name]], need)
    assert found.reasons == (
        f"1 of 1 records (the first is f:1) cannot be used: {WHY[need, name]}",
    )


def test_each_reason_is_told_once_with_its_number_and_first_place():
    good = [record("rating", (float(i % 3 + 1), 2.5), where=f"f:{i}") for i in range(1, 2001)]
    bad = [record("rating", (4.0,), where=f"g:{i}") for i in range(7, 1207)]
    found = usable([*good, *bad], "pairs")
    assert found.kept == tuple(good)
    assert found.reasons == (
        "1,200 of 3,200 records (the first is g:7) cannot be used: they have one answer only, and "
        "nothing to compare it with",
    )
    assert found.notes == ("the order of answers is made of their ratings",)


def test_ties_are_kept_and_told():
    found = usable([RECORDS["tie"], RECORDS["pair"], RECORDS["split"]], "pairs")
    assert len(found.kept) == 3
    assert found.notes == ("2 records hold ties only, which are kept as a chance of one half",)


def test_thumbs_of_ratings_go_by_the_threshold():
    some = [RECORDS["rating"], RECORDS["middle rating"]]
    found = usable(some, "thumbs", threshold=0.75)
    assert found.kept == (RECORDS["middle rating"],), "4 of 1 to 5 is just at the threshold"
    assert found.notes == ("thumbs are made of ratings: up above 0.75 of the scale, else down",)
    assert usable([RECORDS["pair"]], "thumbs").notes == (
        "thumbs are made of comparisons: up for better than half of the others",
    )


def test_who_is_not_trusted_says_nothing():
    pair = record("pair", (1.0, 0.0), annotators=["eve"])
    assert usable([pair], "pairs", {"eve": 0.0}).kept == ()
    assert usable([pair], "pairs", {"eve": 0.1}).kept == (pair,)


@pytest.mark.parametrize(
    ("value", "wins", "threshold", "good"),
    [
        (0.6, (NAN,), 0.5, 1.0),
        (0.6, (NAN, 0.0), 0.7, 0.0),
        (0.5, (NAN,), 0.5, NAN),
        (NAN, (NAN, 1.0, 0.5), 0.9, 1.0),
        (NAN, (0.4, NAN), 0.5, 0.0),
        (NAN, (0.5, NAN), 0.5, NAN),
        (NAN, (NAN, NAN), 0.5, NAN),
    ],
)
def test_a_thumb(value, wins, threshold, good):
    found = thumb(Judged(0, wins, value), threshold)
    assert found == good or (math.isnan(found) and math.isnan(good))
