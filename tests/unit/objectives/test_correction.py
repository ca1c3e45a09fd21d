import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from judged import pair
from madrigal.objectives import Correction, Dpo, Outputs

ROWS = list(pair(0.0, seed=1, reference=[-4.0, -6.0], lengths=[2, 3]))  # original, corrected
ROWS[1] = replace(ROWS[1], judged=replace(ROWS[1].judged, emphasis=np.array([0.0, 1.0, 0.0])))
LOGPS = torch.tensor([-2.0, -3.0, -1.0, -4.0, -2.0], dtype=torch.float64)
OUTPUTS = Outputs(torch.tensor([0, 0, 1, 1, 1]), LOGPS)


def loss(objective, rows=ROWS):
    return objective.loss(rows, OUTPUTS).item()


def test_both_terms():
    preferred = loss(Dpo(0.3))
    assert loss(Correction(0.3)) == pytest.approx(preferred + 7 / 3)
    assert loss(Correction(0.3, 0.5, 2.0)) == pytest.approx(0.5 * preferred + 2 * 7 / 3)
    assert loss(Correction(0.3, 0.5, 0.0)) == pytest.approx(0.5 * preferred)


def test_edited_tokens_may_count_more():
    expected = (1 + 5 * 4 + 2) / (1 + 5 + 1)
    assert loss(Correction(preference=0.0, edits=4.0)) == pytest.approx(expected)


def test_where_nothing_is_known_of_edits_all_tokens_count_alike():
    rows = [replace(row, judged=replace(row.judged, emphasis=None)) for row in ROWS]
    assert loss(Correction(edits=4.0), rows) == pytest.approx(loss(Correction(), rows))


def test_a_row_without_tokens_leaves_no_nan_behind():
    empty = replace(ROWS[0], trained=np.zeros(ROWS[0].length, dtype=bool))
    rows = [empty, ROWS[1]]
    logps = LOGPS[2:].clone().requires_grad_()
    value = Correction().loss(rows, Outputs(torch.ones(3, dtype=torch.int64), logps))
    (gradient,) = torch.autograd.grad(value, logps)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_learning_the_correction_alone_needs_no_reference():
    assert Correction().needs == {"logps", "reference"}
    objective = Correction(preference=0.0)
    assert objective.needs == {"logps"}
    rows = [replace(row, judged=replace(row.judged, reference=math.nan)) for row in ROWS]
    assert loss(objective, rows) == pytest.approx(7 / 3)
