from madrigal.report import numbers
from madrigal.report.numbers import Interval
from madrigal.report.scale import Scale, tick_text, ticks

SP = "\N{NO-BREAK SPACE}"


def test_scores_read_as_people_write_them():
    assert numbers.score(Interval(0.842, 0.81, 0.871), "accuracy") == f"84.2{SP}% (81.0 to 87.1)"
    assert numbers.score(Interval(0.842), "accuracy") == f"84.2{SP}%"
    assert numbers.score(Interval(0.3125, 0.3, 0.33), "rouge_l") == "31.2 (30.0 to 33.0)"
    assert numbers.score(Interval(12.34, 11.9, 12.9), "perplexity") == "12.3 (11.9 to 12.9)"
    assert numbers.score(Interval(5123.4), "perplexity") == "5,123"
    assert numbers.score(None, "accuracy") == "–"


def test_differences_have_a_sign_and_their_interval():
    value = Interval(0.031, -0.01, 0.052)
    assert numbers.difference(value, "accuracy") == f"+3.1{SP}points (−1.0 to +5.2)"
    assert numbers.difference(Interval(-1.5), "perplexity") == "−1.50"


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert numbers.signed(0.0002, "accuracy") == "0.0"
    assert numbers.signed(-0.0002, "accuracy") == "0.0"
    assert numbers.plain(-0.0002, "accuracy") == "0.0"
    assert numbers.percent(-0.0002) == f"0.0{SP}%"
    assert numbers.percent(-0.02) == f"−2.0{SP}%"


def test_quantities():
    assert numbers.duration(4.23) == f"4.2{SP}s"
    assert numbers.duration(59.97) == f"1{SP}min 00{SP}s"
    assert numbers.duration(220) == f"3{SP}min 40{SP}s"
    assert numbers.duration(7500) == f"2{SP}h 05{SP}min"
    assert numbers.size(512) == f"512{SP}B"
    assert numbers.size(1_234_000_000) == f"1.23{SP}GB"
    assert numbers.compact(950) == "950"
    assert numbers.compact(12_345) == f"12.3{SP}k"
    assert numbers.compact(1_180_000) == f"1.18{SP}M"
    assert numbers.power_of_ten(3.2e15) == f"3.20{SP}×{SP}10¹⁵"
    assert numbers.percent(0.125) == f"12.5{SP}%"
    assert numbers.counted(1, "task") == "1 task"
    assert numbers.counted(1200, "task") == "1,200 tasks"


def test_dates_lose_their_fractions():
    assert numbers.when("2026-11-21T05:30:12.123+00:00") == "2026-11-21 05:30:12 UTC"
    assert numbers.when("2026-11-21T05:30:12Z") == "2026-11-21 05:30:12 UTC"
    assert numbers.when("yesterday") == "yesterday"


def test_only_finite_numbers_are_numbers():
    found = [numbers.number(v) for v in (1, 0.5, True, None, "3", float("nan"), float("inf"))]
    assert found == [1.0, 0.5, None, None, None, None, None]


def test_ticks_are_round_and_inside():
    assert ticks(0, 100, 5) == [0, 20, 40, 60, 80, 100]
    assert ticks(0, 0.93) == [0, 0.2, 0.4, 0.6000000000000001, 0.8]
    assert ticks(3, 3) == [3]
    for low, high in ((-0.3, 4.1), (1e-5, 2e-3), (0, 123_456), (-7, -2)):
        found = ticks(low, high)
        assert 2 <= len(found) <= 9
        assert all(low <= value <= high for value in found)


def test_ticks_of_one_axis_are_written_alike():
    assert [tick_text(value, 1e-3) for value in (0, 5e-4, 1e-3)] == ["0", "5e−4", "1e−3"]
    assert [tick_text(value, 20_000) for value in (0, 5_000, 20_000)] == ["0", "5k", "20k"]
    assert tick_text(-0.25) == "−0.25"
    fine = [tick_text(value, 2e-3) for value in (5e-4, 1e-3, 1.5e-3, 2e-3)]
    assert fine == ["5e−4", "1e−3", "1.5e−3", "2e−3"], "no two ticks alike"
    assert tick_text(2_500_000) == "2.5M"


def test_a_scale_holds_values_inside_the_paper():
    scale = Scale(0, 10, 100, 200)
    assert [scale(value) for value in (-5, 0, 5, 20)] == [100, 100, 150, 200]
    assert Scale(3, 3, 0, 1)(3) == 0
