"""A recipe as it was written: every value with its place, before any schema looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass

Key = str | int
KeyPath = tuple[Key, ...]
Scalar = str | int | float | bool | None


def dotted(path: KeyPath) -> str:
    """`("stages", 0, "steps")` as `stages[0].steps`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a recipe and where it was written.

    `where` opens a message: `recipe.yaml:12`, or `--set seed=x`. `raw` is a scalar as it stands
    in the source, so that a message can quote what the user sees. A node that is asked for and
    not there has `present` False and stands where its parent stands.
    """

    path: KeyPath
    where: str
    value: Scalar | list["Node"] | dict[str, "Node"] = None
    raw: str = ""
    present: bool = True
    # The path that a `--set` named, where the value comes from one; empty for the recipe's own.
    set_path: KeyPath = ()

    def get(self, *keys: Key) -> "Node":
        """The node below, or an absent one."""
        node = self
        for key in keys:
            node = node._child(key)
        return node

    def _child(self, key: Key) -> "Node":
        if isinstance(self.value, dict) and isinstance(key, str) and key in self.value:
            return self.value[key]
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            return self.value[key]
        return Node((*self.path, key), self.where, present=False, set_path=self.set_path)

    def names(self) -> tuple[str, ...]:
        """The keys of a mapping; nothing for any other value."""
        return tuple(self.value) if isinstance(self.value, dict) else ()

    def entries(self) -> tuple[tuple[str, "Node"], ...]:
        """Keys and values of a mapping; nothing for any other value."""
        return tuple(self.value.items()) if isinstance(self.value, dict) else ()

    def elements(self) -> tuple["Node", ...]:
        """Elements of a list; nothing for any other value."""
        return tuple(self.value) if isinstance(self.value, list) else ()

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, in the order in which they were written."""
        yield self
        children = self.value.values() if isinstance(self.value, dict) else self.elements()
        for child in children:
            yield from child.walk()

    @property
    def text(self) -> str | None:
        """The value where it is text."""
        return self.value if isinstance(self.value, str) else None

    @property
    def number(self) -> int | float | None:
        """The value where it is a number."""
        if isinstance(self.value, bool):
            return None
        return self.value if isinstance(self.value, int | float) else None

    def plain(self) -> object:
        """The value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a node. `str()` is the line that the user sees."""

    node: Node
    text: str

    def __str__(self) -> str:
        place = dotted(self.node.path)
        if not place or self.node.path == self.node.set_path:
            return f"{self.node.where}: {self.text}"
        return f"{self.node.where}: {place}: {self.text}"


def node_of(value: object, where: str, path: KeyPath = ()) -> Node:
    """Plain Python data as a node tree in which everything stands at one place."""
    if isinstance(value, dict):
        children = {str(k): node_of(v, where, (*path, str(k))) for k, v in value.items()}
        return Node(path, where, children)
    if isinstance(value, list | tuple):
        return Node(path, where, [node_of(v, where, (*path, i)) for i, v in enumerate(value)])
    if value is None or isinstance(value, str | int | float):
        return Node(path, where, value, raw="" if value is None else str(value))
    raise TypeError(f"a recipe holds only plain values, not {type(value).__name__}")
