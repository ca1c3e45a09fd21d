"""Templates with fields in braces: `Review: {text}\\nSentiment:`."""

import difflib
import re
from collections.abc import Mapping

from madrigal.tasks.row import quoted

# No str.format: `{text.__class__}` or `{text!r:>9999}` must stay an unknown field.
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class UnknownFieldError(KeyError):
    """A template names a field that a row does not have; the sentence is `args[0]`."""


def fill(template: str, fields: Mapping[str, str]) -> str:
    """The template with each `{field}` replaced; `{{` and `}}` are literal braces."""

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in fields:
            raise UnknownFieldError(unknown_field(match[1], fields))
        return fields[match[1]]

    return _PART.sub(value, template)


def field_names(template: str) -> tuple[str, ...]:
    """The fields that a template names, in order, each once."""
    return tuple(dict.fromkeys(m[1] for m in _PART.finditer(template) if m[1] is not None))


def unknown_field(name: str, fields: Mapping[str, object]) -> str:
    """`no field 'label'; found 'text', 'lable'; did you mean 'lable'?`."""
    near = difflib.get_close_matches(name, list(fields), n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"no field '{name}'; found {quoted(fields)}{hint}"
