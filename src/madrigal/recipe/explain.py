"""Pydantic's errors as sentences: what was found, what must stand there, the cure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from madrigal.recipe.cure import cure, found, number
from madrigal.recipe.node import Key, Mistake, Node
from madrigal.recipe.shape import Shape, shapes
from madrigal.recipe.suggest import did_you_mean, short
from madrigal.recipe.unknown import unknown_key

_BOUNDS = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
}
_NAME = "^[A-Za-z0-9]"  # how the patterns of names begin
_WRONG_TYPE = (
    "string_type", "int_type", "int_from_float", "float_type", "bool_type", "literal_error",
    "tuple_type", "dict_type", "model_type", "model_attributes_type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error of pydantic stands, and whether it speaks of one branch of several only."""

    node: Node
    parent: Node
    parent_shape: Shape
    shape: Shape | None
    branch: bool = False
    key_itself: bool = False


def explain(error: ValidationError, root: Node, shape: Shape) -> list[Mistake]:
    """One mistake a place, in the order of the recipe's text."""
    told: dict[tuple[Key, ...], Mistake] = {}
    weak: dict[tuple[Key, ...], Mistake] = {}
    for detail in error.errors(include_url=False):
        place = _locate(detail["loc"], root, shape)
        mistake = Mistake(*_sentence(detail["type"], detail.get("ctx", {}), detail["msg"], place))
        # A list counts as too short where what stands in it is wrong, and that is told.
        full = detail["type"] == "too_short" and bool(place.node.value)
        (weak if place.branch or full else told).setdefault(mistake.node.path, mistake)
    for path, mistake in weak.items():
        if not any(other[: len(path)] == path for other in told):
            told[path] = mistake
    return list(told.values())


def _locate(loc: Sequence[Key], root: Node, shape: Shape) -> _Place:
    """Follows pydantic's path, which also names the branches of unions, through the nodes."""
    node = parent = root
    here, above = shape, shape
    rest = list(loc)
    while rest:
        if here is not None and _names_branch(here):
            rest.pop(0)
            if not rest:
                return _Place(node, parent, above, here, branch=here.branches > 1)
        key = rest.pop(0)
        if key == "[key]":
            return _Place(node, parent, above, here, key_itself=True)
        below = here.child(node, key) if here is not None else None
        parent, node, above, here = node, node.get(key), here or shape, below
    return _Place(node, parent, above, here)


def _names_branch(shape: Shape) -> bool:
    return shape.branches > 1 or len(shape.models) > 1


def _sentence(kind: str, context: dict[str, Any], said: str, place: _Place) -> tuple[Node, str]:
    node, shape = place.node, place.shape
    if place.key_itself:
        return node, "a name starts with a letter or digit; then letters, digits, '_' and '-' only"
    if kind == "extra_forbidden":
        return node, unknown_key(node, place.parent, place.parent_shape)
    if kind == "missing":
        return node, f"missing{_purpose(place)}"
    if node.path and node.path[-1] == "kind":
        return place.parent, _unknown_kind(node, place.parent_shape)
    if kind.startswith("union_tag"):
        return node, _unknown_kind(node.get("kind"), shape or Shape())
    if kind == "literal_error" and shape and isinstance(node.value, str):
        return node, f"unknown value {short(node.value)}{did_you_mean(node.value, shape.words)}"
    if kind in _BOUNDS:
        bound = _BOUNDS[kind].format(**{name: number(value) for name, value in context.items()})
        return node, f"found {found(node)}; must be {bound}{_purpose(place, ' (', ')')}"
    if kind in ("too_short", "string_too_short"):
        empty = {dict: "an empty mapping", list: "an empty list"}.get(type(node.value), "no text")
        return node, f"found {empty}; must hold something{_purpose(place, ' (', ')')}"
    if kind == "string_pattern_mismatch":
        if not context["pattern"].startswith(_NAME):
            return node, f"found {short(node.value)}; must be another text{_purpose(place)}"
        allowed = "start with a letter or digit, then letters, digits, '_' and '-' only"
        return node, f"found {short(node.value)}; must {allowed}"
    if shape is not None and kind in _WRONG_TYPE:
        return node, f"found {found(node)}; must be {shape}{cure(node, shape)}"
    return node, f"found {found(node)}; {said[:1].lower()}{said[1:]}"


def _unknown_kind(node: Node, shape: Shape) -> str:
    kinds = list(shape.kinds)
    if node.text is None:
        known = ", ".join(repr(kind) for kind in kinds)
        return f"no kind is given; add `kind:` with one of {known}"
    return f"unknown kind {short(node.text)}{did_you_mean(node.text, kinds)}"


def _purpose(place: _Place, before: str = ": ", after: str = "") -> str:
    """The first sentence of the key's description."""
    model = place.parent_shape.model(place.parent)
    key = place.node.path[-1] if place.node.path else ""
    if model is None or key not in shapes(model):
        return ""
    text = model.model_fields[str(key)].description or ""
    sentence = text.split(". ")[0].split("; ")[0].rstrip(".")
    return f"{before}{sentence[:1].lower()}{sentence[1:]}{after}"
