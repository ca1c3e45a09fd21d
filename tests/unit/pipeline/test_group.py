"""The short run that measures affinities: how long, and which parts of the stage it leaves out."""

import pytest

from madrigal.pipeline.group import short_steps, shortened
from madrigal.recipe.stage import StageSettings


@pytest.mark.parametrize(("steps", "short"), [(1000, 100), (700, 70), (120, 60), (25, 25)])
def test_a_tenth_at_least_sixty_at_most_all(steps, short):
    assert short_steps(steps) == short


def test_all_tasks_from_the_start_at_the_stages_rates_measured_at_every_step():
    stage = StageSettings.model_validate(
        {
            "name": "one", "learn": ["a", "b", "c"], "epochs": 3.0, "validate_every": 5,
            "early_stop": {"patience": 1}, "gradients": {"metric": "adam", "by_layer": True},
            "curriculum": {"enter": {"b": 0.5}}, "balance": {"kind": "upgrad"},
        }
    )  # fmt: skip
    short = shortened(stage, 40)
    assert (short.steps, short.epochs, short.validate_every) == (40, None, 0)
    assert (short.early_stop, short.curriculum) == (None, None)
    assert (short.gradients.measure_every, short.gradients.metric) == (1, "adam")
    assert (short.balance, short.optimiser, short.batch) == (
        stage.balance, stage.optimiser, stage.batch,
    )  # fmt: skip
    StageSettings.model_validate(short.model_dump())
    updates = stage.gradients.model_copy(update={"metric": "update"})
    plain = shortened(stage.model_copy(update={"gradients": updates}), 40)
    assert plain.gradients.metric == "raw"  # what a step does to a loss is asked
