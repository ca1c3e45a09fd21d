"""The schema as everything beside pydantic sees it."""

from collections.abc import Iterator
from typing import get_args

import pytest

from madrigal.recipe.schema import Recipe
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import kind_of, shape_of, shapes


def every_settings_class(model: type[Settings] = Recipe) -> Iterator[type[Settings]]:
    yield model
    for shape in shapes(model).values():
        for part in (shape, shape.items, shape.values):
            for inner in part.models if part is not None else ():
                yield from every_settings_class(inner)


CLASSES = sorted(set(every_settings_class()), key=lambda model: model.__name__)


def test_the_whole_schema_is_walked():
    names = {model.__name__ for model in CLASSES}
    assert {"Recipe", "TaskSettings", "HubSource", "LoraAdapter", "Balanced", "Likelihood"} <= names


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_every_key_is_described(model: type[Settings]):
    assert (model.__doc__ or "").strip().endswith(".")
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        assert field.description, f"{model.__name__}.{name} has no description"
        assert field.description.endswith("."), f"{model.__name__}.{name}: a sentence ends"


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_every_number_has_a_range(model: type[Settings]):
    for name, shape in shapes(model).items():
        if int in shape.scalars or float in shape.scalars:
            assert bounds(model.model_fields[name]), f"{model.__name__}.{name} has no range"


def bounds(field) -> list:
    """The limits of a number, also of one among other choices."""
    parts = [m for part in get_args(field.annotation) for m in getattr(part, "__metadata__", ())]
    return [*field.metadata, *parts]


@pytest.mark.parametrize("model", CLASSES, ids=lambda model: model.__name__)
def test_a_kind_is_the_name_and_the_default_of_its_class(model: type[Settings]):
    kind = kind_of(model)
    if kind is not None:
        assert model.model_fields["kind"].default == kind


def test_a_type_that_a_recipe_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="a recipe cannot hold <class 'bytes'>"):
        shape_of(bytes)
