"""`--set key=value` on a node tree."""

import re
from dataclasses import replace

from madrigal.errors import RecipeError
from madrigal.recipe.expand import expand
from madrigal.recipe.node import Key, KeyPath, Mistake, Node, dotted
from madrigal.recipe.parse import parse
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import Shape, kind_of
from madrigal.recipe.suggest import did_you_mean, short
from madrigal.recipe.unknown import unknown_key


def override(root: Node, shape: Shape, text: str) -> tuple[Node, list[Mistake]]:
    """The tree with one `key=value` put in, and what is wrong with it.

    The key is a path of names with dots; an element of a list is named by its index (from 0) or,
    for stages, by its name: `stages.0.steps=10`, `stages.together.steps=10`, `stages[0].steps=10`.
    The value is YAML. Where only text may stand it is taken as it is, unless YAML makes text of it.
    """
    where = f"--set {text}"
    key, equals, value = text.partition("=")
    words = [word for word in re.split(r"[.\[\]]+", key.strip()) if word]
    if not equals or not words:
        place = Node((), where)
        return root, [Mistake(place, "no 'key=value'; write --set stages.0.steps=10")]
    try:
        path, here = _resolve(root, shape, words)
    except _NoPlaceError as error:
        return root, [Mistake(Node((), where), str(error))]
    node, mistakes = _value(value.strip(), where, path, here)
    if mistakes:
        return root, mistakes
    return _put(root, shape, path, expand(node, here)), []


def place_of(root: Node, shape: Shape, key: str) -> tuple[KeyPath, Shape | None]:
    """The path that a key of `--set` names in an expanded tree, and what may stand there.

    Raises:
        RecipeError: it leads nowhere; the sentence has no place before it.
    """
    words = [word for word in re.split(r"[.\[\]]+", key.strip()) if word]
    try:
        path, here = _resolve(root, shape, words)
    except _NoPlaceError as error:
        raise RecipeError(str(error)) from None
    if here is None:
        parent = root.get(*path[:-1])
        _, above = _resolve(root, shape, [str(part) for part in path[:-1]])
        raise RecipeError(unknown_key(root.get(*path), parent, above or Shape()))
    return path, here


class _NoPlaceError(Exception):
    """The path of a `--set` leads nowhere."""


def _resolve(root: Node, shape: Shape, words: list[str]) -> tuple[KeyPath, Shape | None]:
    """The path that the words name, and the shape of its end. Unknown last keys pass: pydantic
    says best what is wrong with them."""
    node: Node = root
    here: Shape | None = shape
    for depth, word in enumerate(words):
        at = dotted(node.path) or "the recipe"
        if isinstance(node.value, list):
            key: Key = _index(node, word, at)
        elif node.present and node.value is not None and not isinstance(node.value, dict):
            raise _NoPlaceError(f"{at} is {short(node.value)}, not a mapping; set it as a whole")
        else:
            key = word
        below = here.child(_with_default_kind(node, here), key) if here is not None else None
        if below is None and depth < len(words) - 1:
            name = dotted((*node.path, key))
            said = unknown_key(node.get(key), node, here or Shape())
            raise _NoPlaceError(f"{name}: {said}")
        node, here = node.get(key), below
    return node.path, here


def _index(node: Node, word: str, at: str) -> int:
    elements = node.elements()
    if word.isascii() and word.isdigit() and int(word) < len(elements):
        return int(word)
    names = [element.get("name").text or str(i) for i, element in enumerate(elements)]
    if word in names:
        return names.index(word)
    raise _NoPlaceError(f"{at} has no element {word!r}{did_you_mean(word, names, 'there are')}")


def _value(text: str, where: str, path: KeyPath, shape: Shape | None) -> tuple[Node, list[Mistake]]:
    node, mistakes = parse(text, where, path)
    if shape is not None and shape.scalars == (str,) and shape.branches == 1:
        null = text.lower() in ("", "~", "null")
        if node.text is None and not (null and shape.optional):
            return Node(path, where, text, raw=text, set_path=path), []
    return node, mistakes


def _put(root: Node, shape: Shape | None, path: KeyPath, new: Node) -> Node:
    if len(root.path) == len(path):
        return new
    key = path[len(root.path)]
    below = shape.child(_with_default_kind(root, shape), key) if shape is not None else None
    child = _put(root.get(key), below, path, new)
    if isinstance(root.value, list):
        elements = list(root.value)
        elements[int(key)] = child
        return replace(root, value=elements)
    if not isinstance(root.value, dict):
        root = replace(_with_default_kind(root, shape), where=new.where, set_path=path)
    children = dict(root.value) if isinstance(root.value, dict) else {}
    return replace(root, value={**children, str(key): child}, present=True)


def _with_default_kind(node: Node, shape: Shape | None) -> Node:
    """A place that the recipe leaves out takes the kind that the schema would give it."""
    if isinstance(node.value, dict | list) or shape is None or not shape.kinds:
        return node
    default = shape.default
    if not isinstance(default, Settings):
        return node
    kind = kind_of(type(default))
    inner = Node((*node.path, "kind"), node.where, kind, raw=str(kind), present=False)
    return replace(node, value={"kind": inner})
