"""Properties of scores, intervals and tests over generated inputs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.evaluation import batches
from madrigal.evaluation.continual import continual
from madrigal.evaluation.intervals import Drawn, Resampling, Score, score, wilson
from madrigal.evaluation.metrics import METRICS, value
from madrigal.evaluation.paired import difference, holm, mcnemar
from madrigal.evaluation.rank import _branches
from predicted import answered, chosen

RESAMPLING = Resampling(draws=200)
shares = st.floats(0, 1, allow_nan=False)
words = st.text("abc é", max_size=12)
texts = st.lists(st.tuples(words, words), min_size=1, max_size=12)
labels = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("xyz")), min_size=1, max_size=25
)
FREE = sorted(name for name, metric in METRICS.items() if "answer" in metric.kinds)


@given(st.integers(1, 500), shares, st.floats(0.5, 0.999))
def test_wilson_holds_the_share_and_stays_in_its_range(n, share, confidence):
    right = round(share * n)
    low, high = wilson(right, n, confidence)
    assert 0 <= low <= right / n <= high <= 1
    assert low < high
    # The mirror image: wrong answers have the mirrored interval.
    assert wilson(n - right, n, confidence) == pytest.approx((1 - high, 1 - low))


@given(st.lists(shares, max_size=12))
def test_holm_never_lowers_a_p_and_keeps_their_order(ps):
    adjusted = holm(ps)
    assert all(p <= a <= 1 for p, a in zip(ps, adjusted, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in itertools.pairwise(order))
    if ps:
        assert min(adjusted) == pytest.approx(min(1, len(ps) * min(ps)))


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_symmetric_and_a_probability(won, lost):
    assert 0 <= mcnemar(won, lost) <= 1
    assert mcnemar(won, lost) == mcnemar(lost, won)


@settings(deadline=None)
@given(texts, st.sampled_from(FREE), st.randoms())
def test_scores_stay_in_range_whatever_the_order_and_perfect_answers_score_one(
    pairs, metric, random
):
    rows = answered(pairs, metric)
    assert all(0 <= row.score <= 1 for row in rows)
    found = score(rows, metric, RESAMPLING)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.unparsed == sum(not output.strip() for output, _ in pairs)
    random.shuffle(rows)
    assert score(rows, metric, RESAMPLING) == found
    perfect = answered([(target, target) for _, target in pairs if target.strip()], metric)
    if perfect and metric != "bleu":  # BLEU of short texts has no 4-grams
        assert value(perfect, metric) == pytest.approx(1)


@settings(deadline=None)
@given(labels)
def test_macro_f1_does_not_depend_on_what_labels_are_called(pairs):
    renamed = [tuple({"x": "z", "y": "x", "z": "y"}[c] for c in pair) for pair in pairs]
    assert value(chosen(pairs, "xyz"), "macro_f1") == pytest.approx(
        value(chosen(renamed, "xyz"), "macro_f1")
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=12), st.sampled_from(FREE))
def test_a_difference_turns_its_sign_with_the_models(triples, metric):
    first = answered([(a, t) for a, _, t in triples], metric)
    second = answered([(b, t) for _, b, t in triples], metric)
    there = difference(first, second, metric, RESAMPLING)
    back = difference(second, first, metric, RESAMPLING)
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    assert (there.won, there.lost, there.tied) == (back.lost, back.won, back.tied)
    assert there.p == pytest.approx(back.p)
    assert there.low <= there.difference <= there.high


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 6).flatmap(
        lambda t: st.lists(st.lists(shares, min_size=t, max_size=t), min_size=t + 1, max_size=t + 1)
    )
)
def test_identities_of_the_continual_measures(table):
    """F(seen) >= -BWT, F(any) >= F(seen), and AP = LA + BWT (T - 1) / T."""
    size = len(table) - 1
    names = [f"t{j}" for j in range(size)]

    def cell(v):
        return Drawn(Score(v, v, v, 1), np.array([v, v]), 1)

    matrix = [dict(zip(names, map(cell, row), strict=True)) for row in table]
    found = continual(matrix, [[name] for name in names], RESAMPLING)
    learning = found["learning_accuracy"].value
    assert learning == pytest.approx(np.mean([table[j + 1][j] for j in range(size)]))
    if size == 1:
        assert found["bwt"] is found["forgetting"] is found["forgetting_any"] is None
        assert found["average"].value == pytest.approx(learning)
        return
    bwt = found["bwt"].value
    assert found["forgetting"].value >= -bwt - 1e-12
    assert found["forgetting_any"].value >= found["forgetting"].value - 1e-12
    assert found["average"].value == pytest.approx(learning + bwt * (size - 1) / size)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 5), st.integers(1, 4))
def test_identities_hold_whatever_the_stages_train(data, stages, tasks):
    """A task may be trained in several stages and a stage may train several tasks."""
    names = [f"t{j}" for j in range(tasks)]
    some = st.lists(st.sampled_from(names), min_size=1, unique=True)
    learned = data.draw(st.lists(some, min_size=stages, max_size=stages))
    row = st.lists(shares, min_size=tasks, max_size=tasks)
    table = data.draw(st.lists(row, min_size=stages + 1, max_size=stages + 1))
    matrix = [
        {n: Drawn(Score(v, v, v, 1), np.array([v, v]), 1) for n, v in zip(names, row, strict=True)}
        for row in table
    ]
    found = continual(matrix, learned, RESAMPLING)
    trained = {task for stage in learned for task in stage}
    earlier = trained - set(learned[-1])
    moved = len(earlier) * found["bwt"].value if earlier else 0.0
    expected = found["learning_accuracy"].value + moved / len(trained)
    assert found["average"].value == pytest.approx(expected)
    if earlier:
        assert found["forgetting"].value >= -found["bwt"].value - 1e-12
        assert found["forgetting_any"].value >= found["forgetting"].value - 1e-12


@given(st.lists(st.integers(1, 90), max_size=40), st.integers(1, 400), st.integers(0, 20))
def test_batches_hold_every_example_once_within_the_budget(lengths, budget, extra):
    found = list(batches.by_length(lengths, budget, extra))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * (max(lengths[i] for i in batch) + extra) <= budget
    flat = [lengths[i] for batch in found for i in batch]
    assert flat == sorted(flat)


answers = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), min_size=1, max_size=8
)


@given(answers.map(tuple))
def test_every_token_of_every_answer_is_read_once_and_no_row_begins_another(group):
    rows, reads = _branches(group)
    assert sorted((r.answer, r.place, r.token) for r in reads) == sorted(
        (i, place, token)
        for i, answer in enumerate(group)
        for place, token in enumerate(answer)
        if place
    )
    for read in reads:
        assert rows[read.row][: read.place] == group[read.answer][: read.place]
    assert not any(
        a == b[: len(a)] for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j
    )
