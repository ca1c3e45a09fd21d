"""Ways of writing made one where a user asks for it: Unicode form, white space, quotation marks."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

Way = Literal["unicode", "whitespace", "quotes"]

_SPACES = re.compile(r"[^\S\n]+")
_ENDS = re.compile(r" ?\n ?")
_EMPTY = re.compile(r"\n{3,}")
_QUOTES = str.maketrans(
    dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‘’‚‛‹›", "'") | {"\u2032": "'"}
)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _spaced(text: str) -> str:
    """Single spaces, none at the ends of lines, at most one empty line, nothing around it all."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _EMPTY.sub("\n\n", _ENDS.sub("\n", _SPACES.sub(" ", lines))).strip()


def _straight(text: str) -> str:
    return text.translate(_QUOTES)


# In the order in which they are done.
WAYS: Mapping[Way, Callable[[str], str]] = {
    "unicode": _composed,  # NFC: what looks the same is the same
    "whitespace": _spaced,
    "quotes": _straight,
}


def normal(value: Any, ways: Collection[Way]) -> Any:
    """A value of a row with every text in it written so; names of fields stay."""
    if isinstance(value, str):
        for name, way in WAYS.items():
            if name in ways:
                value = way(value)
        return value
    if isinstance(value, list):
        return [normal(one, ways) for one in value]
    if isinstance(value, dict):
        return {key: normal(one, ways) for key, one in value.items()}
    return value
