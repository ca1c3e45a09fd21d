"""Every key of a recipe says what it is."""

import pytest
from pydantic.fields import FieldInfo

import madrigal.recipe.schema  # noqa: F401  (defines all settings)
from madrigal.recipe.settings import Settings


def descendants(kind: type) -> list[type[Settings]]:
    return [found for child in kind.__subclasses__() for found in (child, *descendants(child))]


CLASSES = [c for c in descendants(Settings) if c.__module__.startswith("madrigal.")]
FIELDS = [
    pytest.param(field, id=f"{kind.__name__}.{name}")
    for kind in CLASSES
    for name, field in kind.model_fields.items()
    if name != "kind"
]


def test_settings_are_found():
    assert len(FIELDS) > 60


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_described_in_a_sentence(field: FieldInfo):
    assert field.description
    assert field.description.rstrip().endswith((".", ")", "`"))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_settings_are_closed_frozen_and_documented(kind):
    assert kind.model_config["extra"] == "forbid"
    assert kind.model_config["frozen"]
    assert kind.__doc__ or kind.__name__.startswith(("_", "Short"))


@pytest.mark.parametrize(
    "kind",
    [c for c in CLASSES if "kind" in c.model_fields],
    ids=lambda kind: kind.__name__,
)
def test_a_kind_says_what_it_needs_and_costs(kind):
    assert "method" in vars(kind)
    assert kind.method.needs
    assert kind.method.cost
