"""What the schema allows at a place of the recipe, read off the settings classes.

Everything that walks a recipe beside pydantic (short forms, `--set`, messages, the reference page)
asks here, so that it cannot disagree with the schema.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from madrigal.recipe.node import Key, Node
from madrigal.recipe.settings import Settings, Short

_SCALARS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand at a place: any of the parts that are filled."""

    models: tuple[type[Settings], ...] = ()  # several are told apart by their `kind`
    values: Union["Shape", None] = None  # a mapping with free names
    items: Union["Shape", None] = None  # a list
    words: tuple[str, ...] = ()  # one of these words
    scalars: tuple[type, ...] = ()
    optional: bool = False  # null is allowed
    default: object = None  # of the field; None also where there is none

    @property
    def kinds(self) -> Mapping[str, type[Settings]]:
        """Settings classes by the word in `kind`; empty where there is no such choice."""
        found = {kind_of(model): model for model in self.models}
        return {kind: model for kind, model in found.items() if kind}

    @property
    def branches(self) -> int:
        """Alternatives that pydantic tries one after another, `kind` and null aside."""
        parts = (bool(self.models), self.values, self.items, self.words, *self.scalars)
        return sum(part is not None and part is not False and part != () for part in parts)

    def model(self, node: Node) -> type[Settings] | None:
        """The settings class that a mapping is meant for."""
        if self.kinds:
            kind = node.get("kind").text
            default = next(iter(self.kinds)) if len(self.models) == 1 else None
            return self.kinds.get(kind or default or "")
        return self.models[0] if self.models else None

    def child(self, node: Node, key: Key) -> Union["Shape", None]:
        """What may stand under `key` of `node`; None where nothing may."""
        if isinstance(key, int):
            return self.items
        model = self.model(node)
        if model is not None and key in model.model_fields:
            return shapes(model)[key]
        return self.values

    def __str__(self) -> str:
        return " or ".join(self._words())

    def _words(self) -> list[str]:
        said = [repr(word) for word in self.words]
        if self.kinds:
            said.append("one of the kinds " + ", ".join(repr(kind) for kind in self.kinds))
        elif self.models or self.values is not None:
            of = f" of names to {self.values}" if self.values and not self.values.models else ""
            said.append(f"a mapping{of}")
        if self.items is not None:
            said.append("a list" + ("" if self.items.models else f" of {self.items}"))
        return said + [_SCALARS[scalar] for scalar in self.scalars]


def kind_of(model: type[Settings]) -> str | None:
    """The word that stands in `kind` for this class."""
    field = model.model_fields.get("kind")
    return None if field is None else get_args(field.annotation)[0]


@lru_cache
def shapes(model: type[Settings]) -> Mapping[str, Shape]:
    """The shape of every field of a settings class."""
    return {
        name: replace(shape_of(field.annotation), default=field.default)
        for name, field in model.model_fields.items()
    }


def shape_of(annotation: Any) -> Shape:
    """The shape of a type of the schema: TypeError for a type that a recipe cannot hold."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(inside[0])
    if origin in (Union, types.UnionType):
        return _merged([shape_of(part) for part in inside])
    if origin is Literal:
        return Shape(words=inside)
    if origin is dict:
        return Shape(values=shape_of(inside[1]))
    if origin is tuple:
        return Shape(items=shape_of(inside[0]))
    if annotation is type(None):
        return Shape(optional=True)
    if annotation in _SCALARS:
        return Shape(scalars=(annotation,))
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return Shape(models=(annotation,))
    raise TypeError(f"a recipe cannot hold {annotation}")


def _merged(parts: list[Shape]) -> Shape:
    return Shape(
        models=tuple(model for part in parts for model in part.models),
        values=next((part.values for part in parts if part.values is not None), None),
        items=next((part.items for part in parts if part.items is not None), None),
        words=tuple(word for part in parts for word in part.words),
        scalars=tuple(scalar for part in parts for scalar in part.scalars),
        optional=any(part.optional for part in parts),
    )


def short_key(shape: Shape, value: object) -> str | None:
    """The key that a bare `value` fills where a mapping is meant; None where it fills none."""
    if shape.kinds:
        return "kind" if isinstance(value, str) else None
    model = shape.models[0] if shape.models else None
    if model is not None and issubclass(model, Short) and isinstance(value, model.short_types):
        return model.short
    return None
