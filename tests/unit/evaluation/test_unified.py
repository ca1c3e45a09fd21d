import numpy as np
import pytest

from madrigal.evaluation.continual import continual
from madrigal.evaluation.intervals import Drawn, Resampling, Score, wilson
from madrigal.evaluation.tango import tango
from madrigal.evaluation.unified import Scale, delta_m, unified, unified_gain

RESAMPLING = Resampling(draws=1000)


def cell(value, spread=0.01, seed=0):
    draws = value + spread * np.random.default_rng(seed).normal(size=1000)
    return Drawn(Score(value, value - spread, value + spread, 100), draws, 100)


def test_unified_score_by_hand():
    scores = {"a": cell(0.8), "b": cell(0.5)}
    references = {"a": cell(0.9), "b": cell(0.4)}
    scales = {"a": Scale(0.5), "b": Scale(0.0)}
    found = unified(scores, references, scales, RESAMPLING)
    assert found.tasks["a"].value == pytest.approx(0.3 / 0.4)
    assert found.tasks["b"].value == pytest.approx(0.5 / 0.4)
    assert found.mean.value == pytest.approx((0.75 + 1.25) / 2)
    assert found.geometric.value == pytest.approx((0.75 * 1.25) ** 0.5)
    assert (found.worst_task, found.worst.value) == ("a", pytest.approx(0.75))
    assert found.against_perfect == ()


def test_the_reference_itself_scores_one_and_guessing_zero():
    references = {"a": cell(0.9, seed=1), "b": cell(30.0, 0.5, seed=2)}
    scales = {"a": Scale(0.25), "b": Scale(1000.0, lower_is_better=True)}
    itself = unified(references, references, scales, RESAMPLING)
    # The same answers in a sample of 100 still hide this share of others.
    hidden = wilson(0, 100)[1] / (0.9 - 0.25) / 2
    assert (itself.mean.value, itself.mean.low, itself.mean.high) == pytest.approx(
        (1, 1 - hidden, 1 + hidden)
    )
    guess = {"a": cell(0.25), "b": cell(1000.0)}
    assert unified(guess, references, scales, RESAMPLING).mean.value == pytest.approx(0)


def test_without_a_usable_single_task_model_a_perfect_score_is_the_reference():
    scores = {"none": cell(0.6), "near chance": cell(0.6), "text": cell(10.0, 0.1)}
    references = {"near chance": cell(0.54)}
    scales = {"none": Scale(0.5), "near chance": Scale(0.5), "text": Scale(1000.0, True)}
    found = unified(scores, references, scales, RESAMPLING)
    assert found.against_perfect == ("none", "near chance", "text")
    assert found.tasks["near chance"].value == pytest.approx(0.2)
    assert found.tasks["text"].value == pytest.approx(1 - np.log(10) / np.log(1000))


def test_the_interval_is_that_of_the_parts_draws():
    scores = {"a": cell(0.8, 0.02, 1), "b": cell(0.6, 0.02, 2)}
    scales = {"a": Scale(0.5), "b": Scale(0.0)}
    found = unified(scores, {}, scales, RESAMPLING)
    draws = ((scores["a"].values - 0.5) / 0.5 + scores["b"].values) / 2
    assert (found.mean.low, found.mean.high) == pytest.approx(
        tuple(np.quantile(draws, [0.025, 0.975]))
    )


def test_a_task_below_chance_pulls_the_geometric_mean_to_zero():
    scores = {"a": cell(0.8), "b": cell(0.4)}
    found = unified(scores, {}, {"a": Scale(0.5), "b": Scale(0.5)}, RESAMPLING)
    assert found.geometric.value == 0.0
    assert found.mean.value == pytest.approx((0.6 - 0.2) / 2)
    assert unified({}, {}, {}, RESAMPLING) is None


def test_delta_m_by_hand():
    scores = {"a": cell(0.88), "b": cell(0.45), "c": cell(20.0), "d": cell(0.3)}
    single = {"a": cell(0.8), "b": cell(0.5), "c": cell(25.0), "d": cell(0.01)}
    scales = {t: Scale(0.0, lower_is_better=t == "c") for t in scores}
    mean, each, left_out = delta_m(scores, single, scales, RESAMPLING)
    assert each["a"].value == pytest.approx(10.0)  # gain convention: better is positive
    assert each["b"].value == pytest.approx(-10.0)
    assert each["c"].value == pytest.approx(100 * np.log(25 / 20))  # fewer nats is better
    assert left_out == ("d",)  # nothing to divide by
    assert mean.value == pytest.approx(np.mean([10.0, -10.0, 100 * np.log(25 / 20)]))
    assert mean.low < mean.value < mean.high


def test_delta_m_without_baselines_is_undefined():
    mean, each, left_out = delta_m({"a": cell(0.5)}, {}, {"a": Scale(0.0)}, RESAMPLING)
    assert (mean, each, left_out) == (None, {}, ())
    mean, each, left_out = delta_m(
        {"a": cell(0.5)}, {"a": cell(0.0)}, {"a": Scale(0.0)}, RESAMPLING
    )
    assert (mean, each, left_out) == (None, {}, ("a",))


def alike(value, n):
    """A sample of n examples that are all right (1), all wrong (0) or all of one score."""
    low, high = wilson(value * n, n)
    return Drawn(Score(float(value), low, high, n), np.full(1000, float(value)), n)


def one_window(perplexity):
    return Drawn(Score(perplexity, None, None, 1), np.full(1000, perplexity), 1)


def test_a_part_without_spread_brings_its_own_interval():
    found = unified({"a": alike(1, 20)}, {}, {"a": Scale(0.0)}, RESAMPLING)
    assert (found.mean.low, found.mean.high) == pytest.approx(wilson(20, 20))
    assert (found.worst.low, found.geometric.low) == pytest.approx((wilson(20, 20)[0],) * 2)
    both = {"a": alike(1, 20), "b": alike(1, 5)}
    found = unified(both, {}, {"a": Scale(0.5), "b": Scale(0.0)}, RESAMPLING)
    margins = [2 * (1 - wilson(20, 20)[0]), 1 - wilson(5, 5)[0]]
    assert found.mean.low == pytest.approx(1 - np.hypot(*margins) / 2)
    assert found.mean.high == pytest.approx(1)


def test_spread_and_hidden_spread_add_in_quadrature():
    scores = {"a": cell(0.8, 0.02, 1), "b": alike(0, 10)}
    found = unified(scores, {}, dict.fromkeys("ab", Scale(0.0)), RESAMPLING)
    spread = unified({"a": scores["a"]}, {}, {"a": Scale(0.0)}, RESAMPLING).mean
    assert found.mean.value - found.mean.low == pytest.approx((spread.value - spread.low) / 2)
    above = np.hypot(spread.high - spread.value, wilson(0, 10)[1]) / 2
    assert found.mean.high - found.mean.value == pytest.approx(above)


@pytest.mark.parametrize(("n", "certain"), [(1, False), (3, False), (20, True)])
def test_a_gain_from_all_wrong_to_all_right_is_as_sure_as_the_sample_is_large(n, certain):
    scales, one, two = {"a": Scale(1 / 3)}, {"a": alike(0, n)}, {"a": alike(1, n)}
    gain = unified_gain(one, two, {}, scales, RESAMPLING)
    assert gain.value == pytest.approx(1.5)
    low, high = tango(n, 0, n)
    assert (gain.low, gain.high) == pytest.approx((1.5 * low, 1.5 * high))
    assert (gain.low > 0) == certain


def test_delta_m_of_models_that_are_both_all_right_is_not_exactly_nothing():
    mean, each, _ = delta_m({"a": alike(1, 5)}, {"a": alike(1, 5)}, {"a": Scale(0.0)}, RESAMPLING)
    hidden = wilson(0, 5)[1]
    assert mean.value == 0
    assert (mean.low, mean.high) == pytest.approx((-100 * hidden, 100 * hidden))
    assert each["a"] == mean


def test_where_a_part_has_no_interval_neither_has_the_whole():
    scores = {"a": cell(0.8), "text": one_window(10.0)}
    base = {"a": cell(0.6), "text": one_window(20.0)}
    scales = {"a": Scale(0.0), "text": Scale(1000.0, lower_is_better=True)}
    found = unified(scores, {}, scales, RESAMPLING)
    mean, each, _ = delta_m(scores, base, scales, RESAMPLING)
    gain = unified_gain(base, scores, {}, scales, RESAMPLING)
    for whole in (found.mean, found.geometric, found.tasks["text"], mean, each["text"], gain):
        assert whole.value > 0
        assert (whole.low, whole.high) == (None, None)
    assert found.tasks["a"].low < 0.8 < found.tasks["a"].high


def test_the_unified_interval_covers_where_a_task_is_often_all_right():
    """Two tasks of 20 with a true share of 0.97: about half of the samples show no error."""
    hits = by_draws = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        cells = {}
        for task in "ab":
            k = int(random.binomial(20, 0.97))
            draws = random.binomial(20, k / 20, size=500) / 20
            cells[task] = Drawn(Score(k / 20, *wilson(k, 20), 20), draws, 20)
        found = unified(cells, {}, dict.fromkeys("ab", Scale(0.0)), RESAMPLING)
        hits += found.mean.low <= 0.97 <= found.mean.high
        low, high = np.quantile((cells["a"].values + cells["b"].values) / 2, [0.025, 0.975])
        by_draws += low <= 0.97 <= high
    assert hits / 300 > 0.92
    assert by_draws / 300 < 0.85


def test_average_and_transfer_of_parts_without_spread_have_a_width():
    matrix = [{"x": alike(0, 10), "y": alike(0, 10)}, {"x": alike(1, 10), "y": alike(0, 10)},
              {"x": alike(0, 10), "y": alike(1, 10)}]  # fmt: skip
    found = continual(matrix, [["x"], ["y"]], RESAMPLING)
    assert [found[k].value for k in ("average", "bwt", "forgetting", "fwt")] == [0.5, -1, 1, 0]
    for name in ("average", "bwt", "forgetting", "forgetting_any", "fwt"):
        assert found[name].high - found[name].low > 0.2
    # Both tasks right throughout when they were learnt: half of each one's own interval, squared.
    low = 1 - (1 - wilson(10, 10)[0]) / np.sqrt(2)
    assert (found["learning_accuracy"].low, found["learning_accuracy"].high) == pytest.approx(
        (low, 1)
    )


# R[i][j] of three stages that each train one task; the base model in front.
MATRIX = [
    {"x": 0.3, "y": 0.2, "z": 0.5},
    {"x": 0.9, "y": 0.3, "z": 0.5},
    {"x": 0.7, "y": 0.8, "z": 0.4},
    {"x": 0.8, "y": 0.6, "z": 0.9},
]
LEARNED = [["x"], ["y"], ["z"]]


def cells(matrix):
    return [{t: cell(v, 0.01, 10 * i + ord(t)) for t, v in row.items()}
            for i, row in enumerate(matrix)]  # fmt: skip


def test_continual_measures_by_hand():
    found = continual(cells(MATRIX), LEARNED, RESAMPLING)
    assert found["average"].value == pytest.approx((0.8 + 0.6 + 0.9) / 3)
    assert found["bwt"].value == pytest.approx(((0.8 - 0.9) + (0.6 - 0.8)) / 2)
    assert found["fwt"].value == pytest.approx(((0.3 - 0.2) + (0.4 - 0.5)) / 2)
    assert found["forgetting"].value == pytest.approx(((0.9 - 0.8) + (0.8 - 0.6)) / 2)
    assert found["bwt"].low < found["bwt"].value < found["bwt"].high


def test_continual_measures_of_a_task_trained_twice():
    found = continual(cells(MATRIX), [["x"], ["y"], ["x", "z"]], RESAMPLING)
    assert found["bwt"].value == pytest.approx(0.6 - 0.8)  # x was trained last in the last stage
    assert found["fwt"].value == pytest.approx(((0.3 - 0.2) + (0.4 - 0.5)) / 2)

    found = continual(cells(MATRIX), [["x"], ["x", "y"], ["z"]], RESAMPLING)
    assert found["bwt"].value == pytest.approx(((0.8 - 0.7) + (0.6 - 0.8)) / 2)


def test_forgetting_counts_from_training_on_and_not_what_the_base_model_knew():
    matrix = [MATRIX[0] | {"y": 0.95}, *MATRIX[1:]]
    found = continual(cells(matrix), LEARNED, RESAMPLING)
    assert found["forgetting"].value == pytest.approx(((0.9 - 0.8) + (0.8 - 0.6)) / 2)


def test_what_was_not_evaluated_is_left_out_and_never_zero():
    matrix = [dict(row) for row in MATRIX]
    del matrix[1]["y"], matrix[3]["x"]
    found = continual(cells(matrix), LEARNED, RESAMPLING)
    assert found["average"].value == pytest.approx((0.6 + 0.9) / 2)
    assert found["bwt"].value == pytest.approx(0.6 - 0.8)
    assert found["fwt"].value == pytest.approx(0.4 - 0.5)
    assert continual([{}, *cells(MATRIX)[1:]], LEARNED, RESAMPLING)["fwt"] is None


def test_one_stage_has_an_average_and_nothing_before_or_after():
    found = continual(cells(MATRIX[:2]), [["x", "y"]], RESAMPLING)
    assert found["average"].value == pytest.approx((0.9 + 0.3) / 2)
    assert [found[k] for k in ("bwt", "fwt", "forgetting")] == [None] * 3
    with pytest.raises(ValueError, match="one row a stage"):
        continual(cells(MATRIX), LEARNED[:1], RESAMPLING)
