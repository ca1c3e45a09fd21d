"""Short forms written out, so that every place of a recipe has one path."""

from dataclasses import replace

from madrigal.recipe.node import KeyPath, Node
from madrigal.recipe.shape import Shape, short_key


def expand(node: Node, shape: Shape | None) -> Node:
    """The node with short forms replaced by what they stand for, lines kept.

    A bare word becomes `{kind: word}`, a bare path `{train: path}`, a bare name a list of one, and
    so does one kind where a list of them may stand.
    What does not fit the schema stays as it is; validation will tell.
    """
    if shape is None or not node.present:
        return node
    if _is_bare_kind(node, shape):
        return expand(replace(node, value=[moved(node, (*node.path, 0))]), shape)
    if isinstance(node.value, dict):
        children = {key: expand(n, shape.child(node, key)) for key, n in node.value.items()}
        return replace(node, value=children)
    key = short_key(shape, node.value)
    if key is not None:
        return expand(replace(node, value={key: moved(node, (*node.path, key))}), shape)
    if isinstance(node.value, list):
        return replace(node, value=[expand(element, shape.items) for element in node.value])
    if _is_bare_name(node, shape):
        return replace(node, value=[moved(node, (*node.path, 0))])
    return node


def _is_bare_kind(node: Node, shape: Shape) -> bool:
    of_kinds = shape.items is not None and bool(shape.items.kinds) and not shape.models
    return of_kinds and isinstance(node.value, str | dict)


def _is_bare_name(node: Node, shape: Shape) -> bool:
    takes_text = str in shape.scalars or node.value in shape.words
    items = shape.items
    names = items is not None and (str in items.scalars or bool(items.words))
    return isinstance(node.value, str) and names and not takes_text


def moved(node: Node, path: KeyPath) -> Node:
    """The node and all below it under another path."""
    if isinstance(node.value, dict):
        value = {key: moved(child, (*path, key)) for key, child in node.value.items()}
        return replace(node, path=path, value=value)
    if isinstance(node.value, list):
        elements = [moved(child, (*path, i)) for i, child in enumerate(node.value)]
        return replace(node, path=path, value=elements)
    return replace(node, path=path)
