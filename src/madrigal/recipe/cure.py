"""What was found, in words, and what to write instead."""

from madrigal.recipe.node import Node
from madrigal.recipe.shape import Shape
from madrigal.recipe.suggest import short


def found(node: Node) -> str:
    """What stands at a node, as the user would say it."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return (node.raw or str(value))[:40]
    if isinstance(value, str):
        return f"the text {short(value)}"
    return "a mapping" if isinstance(value, dict) else "a list"


def number(value: int | float) -> str:
    """A bound of the schema as a user would write it."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def cure(node: Node, shape: Shape) -> str:
    """`; write 400 without quotes`, or nothing where the sentence before says enough."""
    value = node.value
    if value is None:
        return "; write a value or remove the key"
    if isinstance(value, str):
        return _cure_text(value, shape)
    if isinstance(value, bool | int | float):
        if int in shape.scalars and isinstance(value, float) and value.is_integer():
            return f"; write {int(value)}"
        takes_text = str in shape.scalars or (shape.items and str in shape.items.scalars)
        takes_text = takes_text or (shape.values and str in shape.values.scalars)
        return f"; if text is meant, write '{node.raw[:40]}' in quotes" if takes_text else ""
    if isinstance(value, dict) and str in shape.scalars:
        return "; text with braces or ': ' needs quotes"
    if isinstance(value, dict) and shape.items is not None and shape.items.models:
        return "; start each element with '- '"
    if isinstance(value, list) and shape.values is not None:
        return "; write `name: value` without '- '"
    return ""


def _cure_text(text: str, shape: Shape) -> str:
    plain = text.replace(",", "").replace("_", "").strip()
    for scalar, read in ((int, int), (float, float)):
        try:
            number = read(plain)
        except ValueError:
            continue
        if scalar in shape.scalars:
            return f"; write {number} without quotes" if plain == text else f"; write {number}"
    if float in shape.scalars and plain.endswith("%"):
        return "; write a share, 0.5 for 50%"
    if bool in shape.scalars and text.lower() in ("yes", "no", "on", "off", "true", "false"):
        return f"; write {str(text.lower() in ('yes', 'on', 'true')).lower()}"
    return ""
