"""Natural Instructions, both versions: a definition, examples, and instances.

Version 2 (Wang et al., 2022): `Definition` (a list; a string in early files), `Positive Examples`
and `Negative Examples` of {input, output, explanation}, `Instances` of {input, output} whose
output lists all accepted answers. Version 1 (Mishra et al., 2022): `Things to Avoid`, `Emphasis &
Caution`, and `Examples` that hold both kinds, with {input, output, reason, suggestion}; a field
that says nothing is "-". Flat rows {definition, inputs, targets} are read too.

The prompt is that of Tk-Instruct, without its stray spaces and added full stops:

    Definition: ...

    Positive Example 1 -
    Input: ...
    Output: ...
    Explanation: ...

    Now complete the following example -
    Input: ...
    Output:
"""

from collections.abc import Mapping, Sequence
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, has, need, scalar, scalars, texts, user
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_NOTHING = ("", "-")
NO_OUTPUT = "instances have no output and are left out"


def has_test_slice(rows: Sequence[Row]) -> bool:
    """Whether all rows are of files of version 2, whose first instances are used for testing."""
    return all("Positive Examples" in row.header for row in rows)


def _matches(row: Row) -> bool:
    nested = "Definition" in row.header and has(row, "input", "output")
    return nested or has(row, "definition", "inputs", "targets")


def _drafts(row: Row, settings: InstructionSettings) -> list[Draft]:
    flat = "inputs" in row.values
    if not flat and "Definition" not in row.header:
        raise DataError(f"{row.where}: {unknown_field('Definition', row.header)} beside the rows")
    given = need(row, "inputs" if flat else "input")
    answers = _accepted(row, "targets" if flat else "output")
    if not answers:
        return [Draft(row.where, note=NO_OUTPUT, left_out=True)]
    header = {"Definition": row.values["definition"]} if flat else row.header
    examples = _examples(header, settings, given)
    blocks = {
        "definition": _definition(header, settings),
        "cautions": _cautions(header, settings),
        "examples": "\n\n".join(examples),
    }
    before = "\n\n".join(block for block in blocks.values() if block)
    ask = "Now complete the following example -\n" if examples else ""
    asked = f"{ask}Input: {given.strip()}\nOutput:"
    fields = {
        **scalars(row.values),
        "definition": _joined(header.get("Definition")),
        "input": given,
        **{key: blocks[key] for key in ("cautions", "examples")},
    }
    prompt = f"{before}\n\n{asked}" if before else asked
    return [
        Draft(
            row.where,
            user(prompt),
            answers,
            # Where the prompt is too long: the last example first, never the definition.
            droppable=(*reversed(examples),),
            cuttable=given.strip(),
            fields=fields,
        )
    ]


def _accepted(row: Row, name: str) -> tuple[str, ...]:
    """The accepted answers; none where a published instance has only empty ones."""
    value = row.values[name]
    if value in ("", [], [""]):
        return ()
    return tuple(dict.fromkeys(text.strip() for text in texts(row, name)))


def _joined(value: Any) -> str:
    """A field that is a string in some versions and a list in others; "-" says nothing."""
    items = value if isinstance(value, list) else [value]
    words = [(scalar(item) or "").strip() for item in items]
    return " ".join(word for word in words if word not in _NOTHING)


def _definition(header: Mapping[str, Any], settings: InstructionSettings) -> str:
    text = _joined(header.get("Definition")) if settings.definition else ""
    return f"Definition: {text}" if text else ""


def _cautions(header: Mapping[str, Any], settings: InstructionSettings) -> str:
    if not settings.cautions:
        return ""
    found = {key: _joined(header.get(key)) for key in ("Emphasis & Caution", "Things to Avoid")}
    return "\n".join(f"{key}: {text}" for key, text in found.items() if text)


def _examples(header: Mapping[str, Any], settings: InstructionSettings, given: str) -> list[str]:
    blocks: list[str] = []
    for kind, count in (("Positive", settings.positive), ("Negative", settings.negative)):
        known = header.get(f"{kind} Examples") or header.get("Examples", {}).get(
            f"{kind} Examples", []
        )
        # An example that is the instance itself would give the answer away.
        usable = [e for e in known if isinstance(e, dict) and e.get("input") != given]
        for number, example in enumerate(usable[:count], 1):
            blocks.append(_example(kind, number, example, settings.explanations))
    return blocks


def _example(kind: str, number: int, example: Mapping[str, Any], explained: bool) -> str:
    parts = {
        "Input": _joined(example.get("input")),
        "Output": _joined(example.get("output")),
        "Explanation": _joined(example.get("explanation", example.get("reason")))
        if explained
        else "",
        "Suggestion": _joined(example.get("suggestion")) if explained else "",
    }
    lines = [f"{name}: {text}" for name, text in parts.items() if text]
    return "\n".join([f"{kind} Example {number} -", *lines])


NATURAL_INSTRUCTIONS = Format(
    "natural_instructions", "Definition and Instances: [{input, output}]", _matches, _drafts
)
