"""Properties of the quality of feedback over generated votes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotated import pair, votes_of
from madrigal.evaluation.intervals import Resampling
from madrigal.feedback.agreement import alpha, krippendorff
from madrigal.feedback.contradictions import contradictions
from madrigal.feedback.cycles import cycles
from madrigal.feedback.dawid_skene import dawid_skene
from madrigal.feedback.inspect import inspect
from madrigal.feedback.mace import mace
from madrigal.feedback.near import groups
from madrigal.feedback.votes import comparisons

FEW = Resampling(draws=20)
METRICS = ("nominal", "ordinal", "interval")


def rows(*levels: float):
    """Up to 40 votes of up to five annotators about up to eight items."""
    vote = st.tuples(st.integers(0, 7), st.integers(0, 4), st.sampled_from(levels))
    return st.lists(vote, min_size=2, max_size=40)


def table(said):
    item, who, value = zip(*said, strict=True)
    return votes_of(item, value, who, pairs=min(value) < 0)


@given(rows(0.0, 1.0, 2.0), st.sampled_from([0.0, 0.01, 1.0]))
def test_the_objective_of_dawid_and_skene_never_falls(said, smoothing):
    votes = table(said)
    found = dawid_skene(votes, iterations=30, smoothing=smoothing, tolerance=0.0)
    rises = np.diff(found.objective)
    rounding = 1e-9 * np.abs(found.objective[1:]) + 1e-12
    assert (rises >= -rounding).all()
    assert np.allclose(found.confusion.sum(axis=2), 1)
    assert np.allclose(found.truth.sum(axis=1), 1)
    assert found.prior.sum() == pytest.approx(1)


@given(rows(0.0, 1.0, 2.0), st.integers(0, 99))
def test_mace_gives_chances_and_the_same_for_the_same_seed(said, seed):
    votes = table(said)
    one, other = (mace(votes, restarts=2, iterations=10, seed=seed) for _ in range(2))
    assert ((one.competence > 0) & (one.competence < 1)).all()
    assert np.allclose(one.habit.sum(axis=1), 1)
    assert np.array_equal(one.truth, other.truth)


@given(rows(0.0, 1.0, 2.0), st.sampled_from(METRICS))
def test_alpha_is_at_most_one_and_knows_no_scale_or_order(said, metric):
    votes = table(said)
    found = alpha(votes.item, votes.value, metric)
    if np.isnan(found):
        return
    assert found <= 1 + 1e-12
    turned = np.arange(len(votes.item))[::-1]
    assert alpha(votes.item[turned], votes.value[turned], metric) == pytest.approx(found)
    assert alpha(votes.item, 3 - 2 * votes.value, metric) == pytest.approx(found)
    if metric == "ordinal":
        assert alpha(votes.item, np.exp(votes.value), metric) == pytest.approx(found)


@given(rows(-1.0, 0.0, 1.0), st.sampled_from(["nominal", "ordinal"]))
@settings(max_examples=30)
def test_alpha_of_comparisons_does_not_hang_on_which_answer_is_first(said, metric):
    votes = table(said)
    votes = replace(votes, answers=np.arange(2 * len(votes.prompt)).reshape(-1, 2))
    swapped = np.random.default_rng(0).random(len(votes.prompt)) < 0.5
    turned = replace(votes, value=np.where(swapped[votes.item], -votes.value, votes.value))
    one, other = (krippendorff(some, metric, FEW) for some in (votes, turned))
    assert (one is None) == (other is None)
    if one is not None:
        assert one.value == pytest.approx(other.value)


@given(st.permutations(range(6)), st.data())
def test_an_order_has_no_cycles_whatever_the_votes_look_like(order, data):
    edges = [(a, b) for k, a in enumerate(order) for b in order[k + 1 :]]
    records = []
    for number, (a, b) in enumerate(edges):
        turned = data.draw(st.booleans())
        answers = (f"t{b}", f"t{a}") if turned else (f"t{a}", f"t{b}")
        records.append(pair(number, answers, [("", -1 if turned else 1)], prompt="p"))
    found = cycles(comparisons(records), None, FEW)
    assert (found.triples, found.knots, found.rate.n) == (0, (), 20)


@given(st.lists(st.text("ab ", max_size=12), max_size=12))
def test_equal_texts_are_in_one_group_and_its_number_is_the_first(texts):
    found = groups(texts)
    assert all(number <= i and found[number] == number for i, number in enumerate(found))
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            if one == other:
                assert found[i] == found[j]


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=6), st.booleans())
def test_turning_a_record_round_changes_no_contradiction(verdicts, turn):
    answers = ("a first and rather long answer", "quite another thing, in other words")
    straight = [pair(k, answers, [("", v)], "p") for k, v in enumerate(verdicts)]
    turned = [
        pair(k, answers[::-1], [("", -v)], "p") if turn and k % 2 else record
        for k, (v, record) in enumerate(zip(verdicts, straight, strict=True))
    ]
    one, other = (contradictions(comparisons(some), 0.0, FEW) for some in (straight, turned))
    assert one.exact.value == other.exact.value == float({-1, 1} <= set(verdicts))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-1, 0, 1])), max_size=10))
@settings(max_examples=30)
def test_every_question_is_answered_or_says_why_not(said):
    """Whatever the records, each question leaves a finding or a reason."""
    records = [
        pair(k, (f"one {item}", f"two {item}"), [(f"a{k % 3}", verdict)], f"p{item}")
        for k, (item, verdict) in enumerate(said)
    ]
    findings = inspect(records, resampling=FEW)
    assert len(findings.parts) == (1 if records else 0)
    for part in findings.parts:
        answered = {
            "agreement": part.agreement,
            "ceiling": part.ceiling,
            "annotators": part.by_annotator,
            "flips": part.flips,
            "cycles": part.cycles,
            "self_disagreement": part.self_disagreement,
            "order_swaps": part.order_swaps,
            "length": part.length or part.length_correlation,
            "position": part.position,
            "contradictions": part.contradictions,
        }
        for question, found in answered.items():
            assert (found is None) == (question in part.missing), question
