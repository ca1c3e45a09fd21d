import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from judged import at_reference, flat, giving, pair, ranked
from madrigal.objectives import Kto, Surveys
from madrigal.objectives.mismatched import mismatched
from madrigal.tasks.encoded import Encoded

VALUES = [0.9, 0.1, 0.5, math.nan]
ROWS = flat(ranked(1, seed=s, value=[v], reference=[-5.0]) for s, v in enumerate(VALUES))
RATIOS = [1.0, 0.5, -2.0, 3.0]
NONE = torch.zeros(2, dtype=torch.float64)


def sigma(x):
    return 1 / (1 + math.exp(-x))


def outputs(rows=ROWS, ratios=RATIOS, survey=NONE):
    totals = torch.tensor(ratios, dtype=torch.float64) - 5.0
    return replace(giving(rows, totals), survey=survey)


def test_the_reference_itself_costs_a_half():
    objective = Kto()
    given = replace(at_reference(ROWS), survey=NONE)
    assert objective.loss(ROWS, given).item() / objective.count(ROWS) == pytest.approx(0.5)


def test_by_hand():
    good, bad = sigma(-0.2 * 1.0), sigma(0.2 * 0.5)
    objective = Kto(0.2)
    assert objective.loss(ROWS, outputs()).item() == pytest.approx(good + bad)
    assert objective.count(ROWS) == 2


def test_weights():
    found = Kto(0.2, desirable=3.0, undesirable=2.0).loss(ROWS, outputs()).item()
    assert found == pytest.approx(3 * sigma(-0.2) + 2 * sigma(0.2 * 0.5))


def test_threshold():
    """At 0.05 all three are good."""
    found = Kto(0.2, threshold=0.05).loss(ROWS, outputs()).item()
    assert found == pytest.approx(sum(sigma(-0.2 * r) for r in RATIOS[:3]))


def test_the_baseline_is_the_mean_of_the_survey_and_not_negative():
    objective = Kto(0.2)
    plain = objective.loss(ROWS, outputs()).item()
    for total, z in ((5.0, 1.25), (-5.0, 0.0)):
        survey = torch.tensor([total, 4.0], dtype=torch.float64)
        moved = objective.loss(ROWS, outputs(survey=survey)).item()
        shifted = objective.loss(ROWS, outputs(ratios=[r - z for r in RATIOS])).item()
        assert moved == pytest.approx(shifted)
        assert (moved != plain) == (z > 0)


def test_pairs_are_good_and_bad_answers():
    rows = list(pair(1.0, seed=4, reference=[-5.0, -5.0]))
    found = Kto(0.2).loss(rows, outputs(rows, RATIOS[:2])).item()
    assert found == pytest.approx(sigma(-0.2 * 1.0) + sigma(0.2 * 0.5))
    assert Kto().count(rows) == 2
    assert Kto().count(list(pair(math.nan, seed=4))) == 0


def test_answers_that_were_not_judged_leave_no_nan_behind():
    totals = torch.full((4,), -5.0, dtype=torch.float64, requires_grad=True)
    value = Kto().loss(ROWS, replace(giving(ROWS, totals), survey=NONE))
    (gradient,) = torch.autograd.grad(value, totals)
    assert gradient.isfinite().all()
    assert (gradient != 0).tolist() == [True, True, False, False]


def test_without_a_survey_it_says_so():
    with pytest.raises(ValueError, match="needs a survey of the step"):
        Kto().loss(ROWS, outputs(survey=None))


def test_the_survey_adds_up():
    objective = Kto()
    assert isinstance(objective, Surveys)
    whole = objective.survey(ROWS, outputs())
    assert whole.tolist() == pytest.approx([sum(RATIOS), 4.0])
    parts = [
        objective.survey([row], outputs([row], [r])) for row, r in zip(ROWS, RATIOS, strict=True)
    ]
    torch.testing.assert_close(torch.stack(parts).sum(0), whole)
    assert not whole.requires_grad
    assert objective.survey([], outputs([], [])).tolist() == [0, 0]


def plain(prompt, answer, middle=False):
    """A row; with `middle` an earlier answer of the model is trained too."""
    trained = np.array([False] * len(prompt) + [True] * len(answer))
    trained[1] |= middle
    return Encoded(np.array([*prompt, *answer]), trained)


def tokens(rows):
    return [row.tokens.tolist() for row in rows]


def test_each_prompt_gets_the_answer_before():
    examples = [(plain([1, 2], [3]),), (plain([4, 5], [6, 7]),), (plain([8, 9], [10]),)]
    found = mismatched(examples, 64)
    assert tokens(found) == [[1, 2, 10], [4, 5, 3], [8, 9, 6, 7]]
    assert [row.trained.tolist() for row in found][2] == [False, False, True, True]


def test_never_an_answer_to_the_same_prompt():
    same = [(plain([1, 2], [3]),), (plain([1, 2], [4]),), (plain([5, 6], [7]),)]
    assert tokens(mismatched(same, 64)) == [[1, 2, 7], [1, 2, 7], [5, 6, 4]]
    assert mismatched(same[:2], 64) == ()
    assert mismatched(same[:1], 64) == ()
    assert mismatched([], 64) == ()


def test_k_answers_take_those_of_the_other_prompt_in_turn():
    examples = [
        (plain([1, 2], [3]), plain([1, 2], [4]), plain([1, 2], [5])),
        (plain([6, 7], [8]), plain([6, 7], [9])),
    ]
    expected = [[1, 2, 8], [1, 2, 9], [1, 2, 8], [6, 7, 3], [6, 7, 4]]
    assert tokens(mismatched(examples, 64)) == expected


def test_earlier_answers_belong_to_the_prompt():
    examples = [(plain([1, 2, 3], [4], middle=True),), (plain([5, 6, 7], [8], middle=True),)]
    found = mismatched(examples, 64)
    assert tokens(found) == [[1, 2, 3, 8], [5, 6, 7, 4]]
    assert [int(row.trained.sum()) for row in found] == [1, 1]


def test_what_does_not_fit_loses_the_start_of_its_prompt():
    examples = [(plain([1, 2, 3, 4], [5]),), (plain([6], [7, 8, 9]),)]
    found = mismatched(examples, 5)
    assert tokens(found) == [[3, 4, 7, 8, 9], [6, 5]]
    assert [row.lost for row in found] == [2, 0]


def test_rows_without_an_answer_give_nothing():
    examples = [(plain([1, 2], []),), (plain([3, 4], [5]),), (plain([6, 7], [8]),)]
    assert tokens(mismatched(examples, 64)) == [[3, 4, 8], [6, 7, 5]]
