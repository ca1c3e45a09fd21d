"""How faithful a model is to people, on planted judgements."""

import math

import numpy as np
import pytest

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.calibration import BINS, best_scale, calibration
from madrigal.evaluation.compared import Compared, compared
from madrigal.evaluation.faithful import opinions
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.matrix import score_matrix
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction

NAN = math.nan
DRAWS = Resampling(draws=300)


def judged(number, wins, rewards=None, logps=None, lengths=None, slices=None, **more):
    """A prediction of K answers; `wins` is a chance (two answers), or a matrix."""
    square = ((NAN, wins), (1 - wins, NAN)) if isinstance(wins, int | float) else wins
    lengths = lengths or [4] * len(square)
    said = Judging(
        answers=tuple(f"{k}" * size for k, size in enumerate(lengths)),
        wins=tuple(tuple(map(float, row)) for row in square),
        logps=tuple(map(float, logps or [-1] * len(square))),
        tokens=tuple(2 for _ in square),
        rewards=None if rewards is None else tuple(map(float, rewards)),
        **more,
    )
    name = f"p{number}"
    return Prediction(
        "polite", name, "f:1", name, "feedback", "", (), "", 0.0, judging=said, slices=slices
    )


def planted(count=1500, scale=1.0, seed=0):
    """Pairs of which people prefer the first with chance sigma(ahead); scores are scale * ahead."""
    random = np.random.default_rng(seed)
    ahead = random.normal(0, 2, count)
    wins = random.random(count) < 1 / (1 + np.exp(-ahead))
    return [
        judged(n, float(w), (scale * a, 0))
        for n, (w, a) in enumerate(zip(wins, ahead, strict=True))
    ]


def only(rows, before=None):
    (found,) = opinions(rows, before, DRAWS)
    return found


def named(found, by):
    return {one.name: one for one in found.slices if one.by == by}


def test_accuracy_is_the_share_of_people_who_agree_without_ties():
    rows = [judged(0, 1.0, (2, 1)), judged(1, 0.25, (2, 1)), judged(2, 0.5, (2, 1)),
            judged(3, 0.75, (1, 1))]  # fmt: skip
    found = only(rows)
    assert found.opinion == "reward"
    assert found.accuracy.value == pytest.approx((1.0 + 0.25 + 0.5) / 3)
    assert found.most == pytest.approx((1.0 + 0.75 + 0.75) / 3)
    assert (found.pairs, found.ties, found.accuracy.n) == (4, 1, 3)


def test_a_prompt_with_many_answers_counts_once():
    order = [[NAN, 1, 1], [0, NAN, 1], [0, 0, NAN]]
    found = only([judged(0, order, (3, 2, 1)), judged(1, 1.0, (0, 1))])
    assert found.accuracy.value == 0.5
    assert found.accuracy.n == 4


def test_slices_by_strength():
    rows = [judged(n, 1.0, (1, 0), margin=3.0) for n in range(4)]
    rows += [judged(n, 1.0, (0, 1), margin=1.0) for n in range(4, 8)]
    found = only(rows)
    assert found.strength_of == "margin"
    assert {name: one.accuracy.value for name, one in named(found, "strength").items()} == {
        "clear": 1.0,
        "slight": 0.0,
    }


@pytest.mark.parametrize(
    ("more", "kind"),
    [({"values": (0.9, 0.1)}, "rating"), ({}, "votes"), ({"margin": 2.0}, "margin")],
)
def test_strength_is_the_first_thing_known(more, kind):
    assert only([judged(0, 0.8, (1, 0), **more)]).strength_of == kind


def test_votes_that_hardly_ever_differ_are_told_apart_still():
    rows = [judged(n, 1.0, (1, 0)) for n in range(9)] + [judged(9, 0.6, (0, 1))]
    found = named(only(rows), "strength")
    assert (found["clear"].accuracy.n, found["slight"].accuracy.n) == (9, 1)
    assert found["slight"].most == 0.6


def test_places_of_a_ranking():
    order = [[NAN, 1, 1], [0, NAN, 1], [0, 0, NAN]]
    rows = [judged(n, order, (3, 1, 2)) for n in range(3)]
    found = named(only(rows), "strength")
    assert found["clear"].accuracy.value == 1.0  # the first against the last
    assert found["slight"].accuracy.value == 0.5


def test_slices_by_length_of_the_better_answer():
    rows = [judged(0, 1.0, (1, 0), lengths=[9, 4]), judged(1, 0.0, (1, 0), lengths=[9, 4]),
            judged(2, 1.0, (1, 0), lengths=[20, 21])]  # fmt: skip
    found = named(only(rows), "length")
    assert {name: one.accuracy.value for name, one in found.items()} == {
        "longer": 1.0,
        "shorter": 0.0,
        "alike": 1.0,
    }


def test_slices_by_a_field_of_the_data():
    rows = [judged(n, 1.0, (n % 2, 0.5), slices={"subset": "ab"[n % 2]}) for n in range(40)]
    rows += [judged(n, 1.0, (1, 0), slices={"subset": "rare"}) for n in range(40, 43)]
    found = named(only(rows), "subset")
    assert {name: one.accuracy.value for name, one in found.items()} == {"a": 0.0, "b": 1.0}


def test_one_value_is_no_slice():
    rows = [judged(n, 1.0, (1, 0), slices={"subset": "a"}) for n in range(40)]
    assert not named(only(rows), "subset")


def test_who_prefers_the_longer():
    rows = [judged(n, float(n % 4 == 0), (1, 0), lengths=[9, 4]) for n in range(40)]
    rows.append(judged(40, 1.0, (0, 1), lengths=[5, 5]))
    found = only(rows)
    assert found.model_longer.value == 1.0
    assert found.people_longer.value == 0.25
    assert found.people_longer.n == 40


def test_correlation_of_score_and_length_is_within_prompts():
    random = np.random.default_rng(0)
    rows = []
    for number in range(300):
        base, lengths = 10.0 * number, random.integers(2, 60, 2).tolist()
        rows.append(
            judged(number, 1.0, [base + math.log(size) for size in lengths], lengths=lengths)
        )
    assert only(rows).length_correlation.value == pytest.approx(1.0)
    shuffled = [judged(n, 1.0, random.normal(size=2), lengths=random.integers(2, 60, 2).tolist())
                for n in range(300)]  # fmt: skip
    found = only(shuffled).length_correlation
    assert found.low < 0 < found.high
    assert only([judged(n, 1.0, (1, 0)) for n in range(5)]).length_correlation is None


def test_scores_that_are_log_odds_are_calibrated():
    found = only(planted()).calibration
    assert not found.scaled
    assert found.error.value == pytest.approx(found.floor, abs=0.015)
    assert found.fit == pytest.approx(1.0, abs=0.15)
    for one in found.bins:
        assert one.confidence == pytest.approx(one.right.value, abs=0.13)
    assert sum(one.right.n for one in found.bins) == 1500


def test_scores_that_are_too_large_are_over_confident_and_the_fit_says_by_how_much():
    found = only(planted(scale=4.0)).calibration
    assert found.error.low > 2 * found.floor
    assert found.fit == pytest.approx(0.25, rel=0.15)
    assert found.refitted.value < 0.4 * found.error.value
    assert all(one.right.value < one.confidence for one in found.bins[5:])


def test_the_error_of_three_pairs_by_hand():
    rows = [judged(0, 1.0, (0.1, 0)), judged(1, 0.0, (0.1, 0)), judged(2, 1.0, (9, 0))]
    sure = 1 / (1 + math.exp(-0.1)), 1 / (1 + math.exp(-9))
    wanted = abs((1 - sure[0]) + (0 - sure[0])) + abs(1 - sure[1])
    assert only(rows).calibration.error.value == pytest.approx(wanted / 3)


def test_the_interval_of_the_error_holds_that_of_many_more_pairs():
    """Each of 500 pairs, against the error of 20,000."""

    def error(count, seed):
        random = np.random.default_rng(seed)
        odds, number, none = random.normal(0, 2, count), np.arange(count), np.zeros(count)
        wins = (random.random(count) < 1 / (1 + np.exp(-odds))).astype(np.float64)
        pairs = Compared(wins, 3 * odds, none, none, "votes", number, number)
        return calibration(pairs, Resampling(draws=100), scaled=False).error

    truth = error(20_000, 0).value
    found = [error(500, seed) for seed in range(1, 21)]
    assert sum(one.low <= truth <= one.high for one in found) >= 17


def test_an_order_that_is_wrong_has_no_scale_and_one_that_is_right_has_no_end():
    pairs = compared([judged(0, 0.0, (1, 0)), judged(1, 0.0, (2, 0))], lambda r: r.judging.rewards)
    assert best_scale(pairs.ahead, pairs.wins, np.ones(2)) == 0.0
    assert best_scale(-pairs.ahead, pairs.wins, np.ones(2)) > 100
    found = calibration(pairs, DRAWS, scaled=True)
    assert [one.confidence for one in found.bins] == [0.5]


def test_the_fit_is_the_most_likely_scale():
    random = np.random.default_rng(1)
    ahead, wins = random.normal(size=200), random.random(200)
    weights = random.random(200)

    def likelihood(scale):
        odds = scale * ahead
        return weights @ (wins * -np.log1p(np.exp(-odds)) + (1 - wins) * -np.log1p(np.exp(odds)))

    ahead = np.where(ahead @ (weights * (wins - 0.5)) > 0, ahead, -ahead)
    best = best_scale(ahead, wins, weights)
    assert likelihood(best) >= max(likelihood(best * 0.98), likelihood(best * 1.02))


def test_bins_hold_every_confidence():
    rows = [judged(n, 1.0, (scale, 0)) for n, scale in enumerate((0.0, 1e-9, 50.0))]
    found = only(rows).calibration
    assert [one.right.n for one in found.bins] == [2, 1]
    assert BINS == 10


def test_without_a_head_it_is_the_likelihood_and_how_it_moved():
    before = [judged(n, 1.0, logps=(-4.0, -4.0)) for n in range(5)]
    after = [judged(n, 1.0, logps=(-3.0, -5.5)) for n in range(5)]
    likelihood, ratio = opinions(after, before, DRAWS)
    assert (likelihood.opinion, ratio.opinion) == ("likelihood", "log_ratio")
    assert likelihood.gap.value == pytest.approx(1.25)  # by token
    assert ratio.gap.value == pytest.approx(2.5)
    assert ratio.accuracy.value == 1.0
    assert ratio.calibration.scaled
    assert only(after).opinion == "likelihood"
    assert len(opinions(after, before[:3], DRAWS)) == 1


def test_the_interval_of_the_gap_holds_its_value():
    random = np.random.default_rng(0)
    before = [judged(n, 1.0, logps=(-4.0, -4.0)) for n in range(60)]
    after = [judged(n, 1.0, logps=(-4 + x, -4)) for n, x in enumerate(random.normal(1, 2, 60))]
    gap = opinions(after, before, DRAWS)[1].gap
    assert 0 < gap.low < gap.value < gap.high
    assert gap.value == pytest.approx(np.mean([r.judging.logps[0] + 4 for r in after]))


def test_answers_that_nobody_compared_tell_nothing():
    assert opinions([judged(0, [[NAN]], (1,))], None, DRAWS) == ()
    assert opinions([], None, DRAWS) == ()


def test_the_matrix_tells_it_by_stage_and_from_where_each_stage_began():
    base = [judged(n, 1.0, logps=(-4.0, -4.0)) for n in range(5)]
    first = [judged(n, 1.0, logps=(-3.0, -4.0)) for n in range(5)]
    last = [judged(n, 1.0, logps=(-3.0, -6.0)) for n in range(5)]
    plan = Plan(
        {"polite": "agreement"}, {"01-a": ("polite",), "02-b": ("polite",)}, resampling=DRAWS
    )
    found = score_matrix(
        {"base": {"polite": base}, "01-a": {"polite": first}, "02-b": {"polite": last}}, plan
    ).to_json()["summary"]["judged"]
    gaps = {
        s: [(one["opinion"], one["gap"]["value"]) for one in held["polite"]]
        for s, held in found.items()
    }
    assert gaps["base"] == [("likelihood", 0.0)]
    assert gaps["01-a"] == [("likelihood", 0.5), ("log_ratio", 1.0)]
    assert gaps["02-b"] == [("likelihood", 1.5), ("log_ratio", 2.0)]


@pytest.mark.parametrize("more", [{}, {"values": (0.5, NAN), "margin": 2.0}])
def test_a_prediction_reads_back_with_all_of_it(more):
    row = judged(0, 1.0, (1, 0), slices={"subset": "a"}, **more)
    again = Prediction.from_json(row.to_json())
    assert repr(again) == repr(row)
