"""Agreement with people: by hand, at the ends, and read back."""

import json
import math

import pytest

from madrigal.errors import RunFolderError
from madrigal.evaluation.agreement import Judging, agreement, ceiling
from madrigal.evaluation.metrics import METRICS, value
from madrigal.evaluation.prediction import Prediction

NAN = math.nan


def judging(wins, worth, tokens=None, rewards=None):
    lengths = tokens or (1,) * len(worth)
    answers = tuple("abcdef"[: len(worth)])
    return Judging(answers, wins, tuple(float(w) for w in worth), lengths, rewards)


def pair(first, worth, **more):
    return judging(((NAN, first), (1 - first, NAN)), worth, **more)


@pytest.mark.parametrize(
    ("first", "worth", "wanted"),
    [
        (1.0, (-1, -2), 1.0),
        (1.0, (-2, -1), 0.0),
        (2 / 3, (-1, -2), 2 / 3),
        (2 / 3, (-2, -1), 1 / 3),
        (0.5, (-2, -1), 0.5),
        (1.0, (-1, -1), 0.5),
    ],
)
def test_a_pair(first, worth, wanted):
    assert agreement(pair(first, worth)) == pytest.approx(wanted)


def test_the_model_goes_by_nats_a_token_unless_it_has_a_reward_head():
    longer = pair(1.0, (-6, -4), tokens=(6, 2))
    assert longer.best == "a"
    assert agreement(longer) == 1
    assert agreement(pair(1.0, (-6, -4), tokens=(6, 2), rewards=(0.1, 0.3))) == 0


def test_a_ranking_counts_the_pairs_that_were_compared():
    wins = ((NAN, 1.0, 1.0), (0.0, NAN, NAN), (0.0, NAN, NAN))
    assert agreement(judging(wins, (-2, -1, -3))) == 0.5
    assert agreement(judging(((NAN,),), (-1,))) == 0.5
    assert judging(wins, (-2, -1, -3)).liked == ("a",)


def test_the_ceiling_is_what_siding_with_most_people_gets():
    held = [pair(2 / 3, (-1, -2)), pair(0.0, (-2, -1)), judging(((NAN,),), (-1,))]
    assert ceiling(held) == pytest.approx((2 / 3 + 1) / 2)
    assert ceiling(held) >= (agreement(held[0]) + agreement(held[1])) / 2
    assert math.isnan(ceiling([judging(((NAN,),), (-1,))]))


def row(judged):
    return Prediction("t", "1", "f:1", "1", "feedback", "p", ("a",), "a", 1.0, judging=judged)


def test_it_reads_back_and_is_scored_again():
    wins = ((NAN, 0.75, NAN), (0.25, NAN, 1.0), (NAN, 0.0, NAN))
    before = row(judging(wins, (-2, -1, -3), (2, 1, 5), (0.5, 0.25, 0.0)))
    after = Prediction.from_json(json.loads(json.dumps(before.to_json(), allow_nan=False)))
    assert after.to_json() == before.to_json()
    assert value([after], "agreement") == value([before], "agreement") == agreement(before.judging)
    assert METRICS["agreement"].chance([after]) == 0.5


def test_rows_of_something_else_are_refused():
    with pytest.raises(RunFolderError, match="agreement needs 'judging'"):
        value([row(None)], "agreement")
