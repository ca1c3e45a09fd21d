"""What can be chosen from, in tables."""

from typing import get_args

import pytest

from madrigal.cli.app import main
from madrigal.cli.commands import LISTINGS as OFFERED
from madrigal.cli.list import LISTINGS, kinds
from madrigal.evaluation.summary import DEFINITIONS
from madrigal.recipe.model import ModelSettings
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import Shape, shapes
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.task import FormatName, MetricName

CHOICES = {
    "balancers": shapes(StageSettings)["balance"],
    "objectives": shapes(StageSettings)["objective"].values,
    "adapters": shapes(ModelSettings)["adapter"],
    "mixtures": shapes(StageSettings)["mixture"],
}


def test_what_help_offers_is_there():
    assert set(OFFERED) == set(LISTINGS)


@pytest.mark.parametrize("what", CHOICES)
def test_every_kind_is_in_its_list(what: str, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list", what]) == 0
    printed = capsys.readouterr().out
    shape = CHOICES[what]
    assert shape is not None
    for kind, model in shape.kinds.items():
        assert f"\n{kind} " in printed
        assert model.method.needs in printed


@pytest.mark.parametrize(
    "model",
    [model for shape in CHOICES.values() if shape for model in shape.models],
    ids=lambda model: model.__name__,
)
def test_every_kind_states_its_method(model: type[Settings]):
    assert "method" in vars(model), "say its paper, what it needs and what it costs"
    paper = model.method.paper
    assert not paper or paper in (model.__doc__ or ""), "the docstring cites the paper"


def test_no_choice_is_no_rows():
    assert kinds(Shape())[1] == []


def test_every_metric_measure_and_format_is_listed(capsys):
    for what, names in (
        ("metrics", get_args(MetricName)),
        ("measures", DEFINITIONS),
        ("formats", get_args(FormatName)),
    ):
        assert main(["list", what]) == 0
        listed = {line.split(" ")[0] for line in capsys.readouterr().out.splitlines()}
        assert set(names) - {"auto"} <= listed
