"""The alignment tax of made-up answers, where what was gained and paid is known."""

import pytest

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.tax import Said, Seen, tax
from predicted import chosen

SHARES = (0.0, 0.25, 0.5, 1.0)
N = 60


def scores(right, task):
    """Of N questions the first `right` are answered."""
    return chosen([("a" if n < right else "b", "a") for n in range(N)], "ab", task=task)


def answers(nats):
    return [Said(f"{n:05d}", f"{n:05d}", "?", "!", (1,), True, nats) for n in range(N)]


def planted(falling, worth=lambda share, n: share + n % 2):
    """`falling` says how many questions of `maths` are right at a share; `calm` stays."""
    return {
        share: Seen(
            predictions={"maths": scores(falling(share), "maths"), "calm": scores(30, "calm"),
                         "chat": scores(N // 2, "chat")},
            answers={"chat": answers(4 * share)},
            worth={"chat": {"reward": [worth(share, n) for n in range(N)]}},
        )
        for share in SHARES
    }  # fmt: skip


METRICS = {"maths": "accuracy", "calm": "accuracy", "chat": "accuracy"}


def found(falling, **more):
    return tax(planted(falling, **more), METRICS, ["chat"], Resampling(draws=400))


def test_a_planted_front():
    told = found(lambda share: round(50 - 30 * share))
    assert [one.task for one in told.paid] == ["maths", "calm"]
    maths, calm = told.paid
    assert maths.points[1.0].change.value == pytest.approx(-30 / N)
    assert maths.lost(1.0)
    assert not calm.lost(1.0)
    assert maths.points[1.0].p is not None
    assert maths.points[1.0].p < 1e-6
    reward, score = told.gains
    assert (reward.task, reward.what, score.what) == ("chat", "reward", "accuracy")
    for share in SHARES:
        assert reward.points[share].change.value == pytest.approx(share)
        assert told.away["chat"][share].value == pytest.approx(4 * share)
        assert told.mean[share].value == pytest.approx(-round(30 * share) / N / 2)
    assert reward.points[1.0].value == pytest.approx(1.5)


def test_how_far_one_can_go_unpaid():
    # 2 of 60 lost is no sure loss, 15 of 60 is.
    assert found(lambda share: 50 - (0, 2, 15, 30)[SHARES.index(share)]).free() == 0.25
    assert found(lambda share: 50).free() == 1.0
    assert found(lambda share: 50 - (0, 30, 0, 0)[SHARES.index(share)]).free() == 0.0


def test_the_mean_has_the_bounds_of_its_parts_in_quadrature():
    told = found(lambda share: round(50 - 30 * share))
    maths, calm = (one.points[1.0].change for one in told.paid)
    mean = told.mean[1.0]
    assert mean.low is not None
    below = ((maths.value - maths.low) ** 2 + (calm.value - calm.low) ** 2) ** 0.5 / 2
    assert mean.low == pytest.approx(mean.value - below)


def test_an_answer_without_a_number_counts_at_no_point():
    told = found(
        lambda share: 50, worth=lambda share, n: None if (n, share) == (0, 1.0) else share + n
    )
    reward = told.gains[0]
    assert reward.points[0.0].value == pytest.approx(sum(range(1, N)) / (N - 1))


def test_lower_is_better_for_perplexity():
    from predicted import windows

    def text(more):
        nats = [20 + n % 3 + more * (1 + n % 2) for n in range(N)]
        return windows(nats, [10] * N, [10] * N, task="maths")

    seen = {share: Seen({"maths": text(5 * share), "chat": scores(30, "chat")})
            for share in (0.0, 1.0)}  # fmt: skip
    told = tax(seen, {"maths": "perplexity", "chat": "accuracy"}, ["chat"], Resampling(draws=400))
    assert told.paid[0].lost(1.0)
    assert told.mean[1.0].low is None  # another scale
