"""The reference page of recipes, written from the schema: `python -m madrigal.recipe.reference`."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from madrigal.recipe.cure import number
from madrigal.recipe.schema import Recipe
from madrigal.recipe.settings import Settings, Short
from madrigal.recipe.shape import Shape, kind_of, shapes

_HEAD = """\
# Recipe

Every key that a recipe may hold. This page is written from the schema by
`python -m madrigal.recipe.reference > docs/reference/recipe.md`; a test holds it up to date.

A recipe is YAML 1.2: `yes` and `no` are text, `1e-3` is a number. A key that is not here is a
mistake, and so is a number in quotes. Where a mapping has a *short form*, one bare value may
stand for it: `adapter: lora` for `adapter: {kind: lora}`. Where a list of names stands, one bare
name will do. Relative paths are relative to the recipe's folder; `$MADRIGAL_DATA/` at the start
of a path is the folder that the environment variable names.

Any key can be set on the command line: `--set stages.together.steps=10`, where a stage is named
by its name or its number (from 0). `null` clears a key that may be left out.
"""


def reference() -> str:
    """The page as Markdown."""
    seen: dict[type[Settings], list[str]] = {}
    _collect("", Recipe, seen)
    return _HEAD + "".join(f"\n{_section(places, model)}" for model, places in seen.items())


def _collect(place: str, model: type[Settings], seen: dict[type[Settings], list[str]]) -> None:
    """Every kind of settings once, with all places where it may stand."""
    places = seen.setdefault(model, [])
    if place not in places:
        places.append(place)
    for name, shape in shapes(model).items():
        before = f"{place}.{name}" if place else name
        for part, step in ((shape, ""), (shape.items, "[N]"), (shape.values, ".NAME")):
            for inner in part.models if part is not None else ():
                _collect(f"{before}{step}", inner, seen)


def _section(places: Sequence[str], model: type[Settings]) -> str:
    kind = kind_of(model)
    title = ", ".join(f"`{place}`" if place else "The recipe" for place in places)
    title += f", kind `{kind}`" if kind else ""
    lines = [f"## {title}", "", inspect.cleandoc(model.__doc__ or "")]
    if issubclass(model, Short):
        lines += ["", f"Short form: a bare value is `{model.short}`."]
    rows = list(_rows(model))
    if rows:
        lines += ["", "| key | type | default | range | description |", "|---|---|---|---|---|"]
        lines += rows
    return "\n".join(lines) + "\n"


def _rows(model: type[Settings]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        cells = (
            f"`{name}`",
            _type(shapes(model)[name]),
            _default(field),
            limits(field),
            field.description or "",
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(shape: Shape) -> str:
    words = str(shape).replace("'", "`")
    return f"{words}, or null" if shape.optional else words


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        kind = kind_of(type(value))
        return f"`{kind}`" if kind else _changed(value)
    words = {None: "none", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if value in ((), {}):
        return "empty"
    return f"`{value}`"


def _changed(value: Settings) -> str:
    """A default mapping: only what it sets beside its own defaults."""
    given = value.model_dump(exclude_defaults=True)
    inside = ", ".join(f"{key}: {entry}" for key, entry in given.items())
    return f"`{{{inside}}}`" if inside else "its defaults"


def limits(field: FieldInfo) -> str:
    """`at least 0, below 1`: the range that a field's metadata states."""
    said = (
        ("gt", "above {}"), ("ge", "at least {}"), ("lt", "below {}"), ("le", "at most {}"),
    )  # fmt: skip
    found = [
        words.format(number(bound))
        for rule in field.metadata
        for name, words in said
        if (bound := _bound(rule, name)) is not None
    ]
    if any(_bound(rule, "min_length") for rule in field.metadata):
        found.append("not empty")
    if any(getattr(rule, "pattern", None) for rule in field.metadata):
        found.append("letters, digits, `_`, `-`")
    return ", ".join(found)


def _bound(rule: Any, name: str) -> Any:
    value = getattr(rule, name, None)
    return None if value is PydanticUndefined else value


if __name__ == "__main__":
    print(reference(), end="")
