"""YAML text to a node tree: safely, with line numbers, with all mistakes that can be told at once.

Scalars follow the core schema of YAML 1.2, not PyYAML's 1.1: `yes` and `no` are text (labels of
real tasks), `1e-3` is a number (learning rates), `1:30` and `2024-01-01` are text.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from madrigal.recipe.node import KeyPath, Mistake, Node, Scalar, dotted
from madrigal.recipe.suggest import short
from madrigal.recipe.syntax import syntax_mistake

MOST_NODES = 30_000  # after aliases are expanded; a recipe of 1,600 tasks has about 10,000
DEEPEST = 40  # levels; the schema has eight

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", "<<", "<"),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes only; nothing is ever constructed from a tag."""

    yaml_implicit_resolvers = {}


for _name, _pattern, _first in _RESOLVERS:
    _starts = [""] if _first == "" else ["" if c == "\0" else c for c in _first]
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _starts)


def parse(text: str, name: str, at: KeyPath = ()) -> tuple[Node, list[Mistake]]:
    """The node tree of YAML `text`, and what is wrong with it.

    `name` opens the messages. With `at` the text is the value of a `--set` with that path, which
    stands on no line of a file.
    """
    reader = _Reader(name, at)
    try:
        loader = _Loader(text)
        try:
            top = loader.get_single_node()
        finally:
            loader.dispose()
        if top is None:
            return Node(at, name, set_path=at), []
        return reader.node(top, at, top), reader.mistakes
    except yaml.YAMLError as error:
        line, sentence = syntax_mistake(error, text)
        return _broken(reader, at, line, sentence)
    except RecursionError:
        return _broken(reader, at, 1, "nested too deeply to be a recipe")
    except _TooLargeError as error:
        return _broken(reader, at, error.line, str(error))


def _broken(reader: "_Reader", at: KeyPath, line: int, text: str) -> tuple[Node, list[Mistake]]:
    node = Node(at, reader.where(line), set_path=reader.at)
    return node, [Mistake(node, text)]


class _TooLargeError(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass
class _Reader:
    """Turns PyYAML's nodes into ours, and collects mistakes on the way."""

    name: str
    at: KeyPath
    mistakes: list[Mistake] = field(default_factory=list)
    count: int = 0
    open: set[int] = field(default_factory=set)  # ids of the nodes that are being read

    def where(self, line: int) -> str:
        return self.name if self.at else f"{self.name}:{line}"

    def node(self, source: yaml.Node, path: KeyPath, key: yaml.Node) -> Node:
        """`key` is the node whose line stands for the value: its key, or the value itself."""
        line = key.start_mark.line + 1
        self.count += 1
        if self.count > MOST_NODES:
            message = f"more than {MOST_NODES} values once aliases are expanded; write it plainly"
            raise _TooLargeError(line, message)
        if len(path) > DEEPEST:
            raise _TooLargeError(line, "nested too deeply to be a recipe")
        if id(source) in self.open:
            raise _TooLargeError(line, "an alias stands inside the value that it names")
        self.open.add(id(source))
        try:
            return self._node(source, path, self.where(line))
        finally:
            self.open.discard(id(source))

    def _node(self, source: yaml.Node, path: KeyPath, where: str) -> Node:
        if isinstance(source, MappingNode) and source.tag == f"{_TAG}map":
            return Node(path, where, self._mapping(source, path), set_path=self.at)
        if isinstance(source, SequenceNode) and source.tag == f"{_TAG}seq":
            elements = [self.node(child, (*path, i), child) for i, child in enumerate(source.value)]
            return Node(path, where, elements, set_path=self.at)
        place = Node(path, where, set_path=self.at)
        if isinstance(source, ScalarNode) and source.tag.startswith(_TAG):
            value = self._scalar(source, place)
            return Node(path, where, value, raw=source.value, set_path=self.at)
        self._refuse_tag(source.tag.replace(_TAG, "!!"), place)
        return place

    def _scalar(self, source: ScalarNode, place: Node) -> Scalar:
        kind, text = source.tag.removeprefix(_TAG), source.value
        try:
            if kind == "int":
                return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
            if kind == "float":
                return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
        except ValueError:
            self.mistakes.append(Mistake(place, f"{short(text)} is not a number that can be read"))
            return None
        if kind in ("null", "bool"):
            return None if kind == "null" else text.lower() == "true"
        if kind not in ("str", "merge"):
            self._refuse_tag(f"!!{kind}", place)
        return text

    def _refuse_tag(self, tag: str, place: Node) -> None:
        self.mistakes.append(Mistake(place, f"tag {short(tag)} is refused; write a plain value"))

    def _mapping(self, source: MappingNode, path: KeyPath) -> dict[str, Node]:
        children: dict[str, Node] = {}
        lines: dict[Hashable, int] = {}
        merged: list[yaml.Node] = []
        for key, value in source.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                place = Node(path, self.where(line), set_path=self.at)
                cure = "text that starts with '{' or '[' needs quotes"
                self.mistakes.append(Mistake(place, f"a key must be a plain name; {cure}"))
            elif key.tag == _MERGE:
                merged.append(value)
            elif key.value in lines:
                place = Node((*path, key.value), self.where(line), set_path=self.at)
                first = "" if self.at else f" (first on line {lines[key.value]})"
                self.mistakes.append(Mistake(place, f"stands twice{first}; rename or remove one"))
            else:
                lines[key.value] = line
                children[key.value] = self.node(value, (*path, key.value), key)
        for value in merged:
            self._merge(value, path, children)
        return children

    def _merge(self, source: yaml.Node, path: KeyPath, children: dict[str, Node]) -> None:
        """`<<: *other` gives what the mapping does not say itself."""
        parts = source.value if isinstance(source, SequenceNode) else [source]
        for part in parts:
            read = self.node(part, path, part)
            if not isinstance(read.value, dict):
                at = dotted((*path, "<<"))
                self.mistakes.append(Mistake(read, f"'<<' at {at!r} must name a mapping"))
                continue
            for key, child in read.value.items():
                children.setdefault(key, child)
