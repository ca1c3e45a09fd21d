"""Constitutions: ours in YAML, and the two JSON shapes in which others are found."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from madrigal.errors import DataError
from madrigal.mixture.chance import bits
from madrigal.recipe.constitution import ConstitutionSettings, FewShotExample, PrincipleSettings
from madrigal.recipe.read import read_settings

BUNDLED = {"plain": Path(__file__).with_name("constitution.yaml")}
_REQUEST = re.compile(r"^\s*(?:critique|revision)\s?request\s*:\s*", re.IGNORECASE)
_KNOWN = (
    "known are {name: {prompt, edit_request}}, a list of questions, and {constitutions: [{critic, "
    "revision}]}"
)


def read_constitution(named: Sequence[str], root: Path) -> ConstitutionSettings:
    """One constitution from a bundled name or files, one after another. Paths start at `root`.

    Raises:
        UserMistake: a file that is none, two principles of one name, or none that can be used.
    """
    parts = [_read(name, root) for name in named]
    principles = tuple(one for part in parts for one in part.principles)
    names = [one.id for one in principles]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{', '.join(named)}: two principles are called {twice!r}; give each an `id` of its own"
        )
    first = parts[0]
    few_shot = tuple(one for part in parts for one in part.few_shot)
    return first.model_copy(update={"principles": principles, "few_shot": few_shot})


def _read(name: str, root: Path) -> ConstitutionSettings:
    if name in BUNDLED:
        return read_settings(BUNDLED[name], ConstitutionSettings, f"constitution {name!r}")
    path = Path(name) if Path(name).is_absolute() else root / name
    if path.suffix == ".json":
        return from_json(path)
    return read_settings(path, ConstitutionSettings)


def from_json(path: Path) -> ConstitutionSettings:
    """A constitution in one of the shapes that others have published.

    `{name: {"prompt": [critique request], "edit_request": revision request}}` and a list of
    questions which of two answers is better (Bai et al., 2022, arXiv 2212.08073); and
    `{"constitutions": [{"critic", "revision"}], "system_chat": [worked examples of six turns]}`
    (Hugging Face, 2024).

    Raises:
        DataError: none of them.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise DataError(f"{path}: is no JSON: {problem}") from problem
    try:
        return _from(body, path)
    except (KeyError, TypeError, IndexError, AttributeError, ValidationError) as problem:
        raise DataError(f"{path}: is no constitution in a known shape; {_KNOWN}") from problem


def _from(body: Any, path: Path) -> ConstitutionSettings:
    if isinstance(body, list):
        # Names of several files must not meet: questions and requests are published apart.
        found = [{"id": f"choose-{n}", "choose": _text(one)} for n, one in enumerate(body, 1)]
        return _settings(path, found)
    if "constitutions" in body:
        found = [
            {
                "id": f"principle-{number}",
                "critique": _text(one["critic"]),
                "revision": _text(one["revision"]),
            }
            for number, one in enumerate(body["constitutions"], 1)
        ]
        return _settings(path, found, [*map(_worked, body.get("system_chat") or ())])
    found = [
        {
            "id": re.sub(r"\W+", "-", name).strip("-") or "principle",
            "critique": _text(one["prompt"]),
            "revision": _text(one["edit_request"]),
        }
        for name, one in body.items()
    ]
    return _settings(path, found)


def _settings(
    path: Path, principles: Sequence[Mapping[str, str]], few_shot: Sequence[FewShotExample] = ()
) -> ConstitutionSettings:
    made = tuple(PrincipleSettings.model_validate(one) for one in principles)
    return ConstitutionSettings(name=path.stem, principles=made, few_shot=tuple(few_shot))


def _text(value: Any) -> str:
    """A request as a text, or as a list that holds it."""
    text = value if isinstance(value, str) else "\n".join(value)
    found = _REQUEST.sub("", text).strip()
    if not found:
        raise KeyError("an empty request")
    return found


def _worked(turns: Sequence[Mapping[str, str]]) -> FewShotExample:
    """Prompt, answer, critique request, critique, revision request, revision."""
    said = [turn["content"].strip() for turn in turns]
    if len(said) != 6:
        raise KeyError("a worked example has six turns")
    return FewShotExample(prompt=said[0], answer=said[1], critique=said[3], revision=said[5])


def tagged(constitution: ConstitutionSettings, tags: Sequence[str]) -> ConstitutionSettings:
    """Only the principles with one of these tags; all where none is named.

    Raises:
        DataError: no principle has one.
    """
    if not tags:
        return constitution
    kept = tuple(one for one in constitution.principles if set(one.tags) & set(tags))
    if not kept:
        known = sorted({tag for one in constitution.principles for tag in one.tags})
        raise DataError(
            f"tags: no principle of {constitution.name!r} has {', '.join(map(repr, tags))}; "
            f"there are {', '.join(map(repr, known)) or 'none'}"
        )
    return constitution.model_copy(update={"principles": kept})


def revising(constitution: ConstitutionSettings) -> tuple[PrincipleSettings, ...]:
    """Principles by which answers can be criticised and revised."""
    return tuple(_usable(constitution, "critique", "revision"))


def choosing(constitution: ConstitutionSettings) -> tuple[PrincipleSettings, ...]:
    """Principles by which one of two answers can be chosen."""
    return tuple(_usable(constitution, "choose"))


def _usable(constitution: ConstitutionSettings, *keys: str) -> Iterator[PrincipleSettings]:
    for one in constitution.principles:
        if one.weight > 0 and all(getattr(one, key) for key in keys):
            yield one


def principle_for(
    principles: Sequence[PrincipleSettings], count: int, *key: str | int
) -> list[PrincipleSettings]:
    """`count` principles by weight, without repeats as long as there are others.

    Which ones follows from `key` alone.
    """
    left, found = list(principles), []
    for number in bits(count, "principle", *key):
        left = left or list(principles)
        upto = list(accumulate(one.weight for one in left))
        mark = float(number >> 11) * 2.0**-53 * upto[-1]
        found.append(left.pop(min(bisect_right(upto, mark), len(left) - 1)))
    return found
