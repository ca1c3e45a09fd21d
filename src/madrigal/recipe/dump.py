"""A resolved recipe as YAML: every key, and behind every value where it came from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from madrigal.recipe.loaded import LoadedRecipe, Origin
from madrigal.recipe.node import KeyPath, dotted

_HEAD = """\
# The recipe as resolved. Behind each value stands its origin: recipe, --set or default.
# Relative paths are relative to the folder of the recipe that was run.
"""
# Text that every YAML reader takes as text, without quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_PLAIN = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])


def dump_resolved(loaded: LoadedRecipe) -> str:
    """YAML that loads to the same `Recipe` again."""
    lines = _mapping(loaded.recipe.model_dump(), (), loaded.origins)
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _mapping(
    values: Mapping[str, Any], path: KeyPath, origins: Mapping[str, Origin]
) -> Iterator[str]:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and value:
            yield f"{scalar(key)}:"
            yield from (f"  {line}" for line in _mapping(value, here, origins))
        elif isinstance(value, tuple) and any(isinstance(part, dict) for part in value):
            yield f"{scalar(key)}:"
            for index, part in enumerate(value):
                for number, line in enumerate(_mapping(part, (*here, index), origins)):
                    yield f"  {'  ' if number else '- '}{line}"
        else:
            yield f"{scalar(key)}: {_value(value)}  # {origins[dotted(here)]}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_value(part) for part in value)}]"
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return "{}"
    return yaml.safe_dump(value).split("\n")[0]


def scalar(text: str) -> str:
    """Text as one YAML scalar, quoted where it must be."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**30).rstrip("\n")
