"""Examples of earlier tasks on the disk: encoded, so that the old data may be gone."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from madrigal.errors import RunFolderError
from madrigal.tasks.encoded import Encoded, Example, Judged

Examples = Mapping[str, Sequence[Example]]


def write_buffer(path: Path, held: Examples) -> int:
    """A JSON line an example: its task and its rows of tokens. Returns the bytes written."""
    lines = (
        json.dumps({"task": task, "rows": [_packed(row) for row in example]})
        for task, examples in held.items()
        for example in examples
    )
    return path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_buffer(path: Path) -> dict[str, list[Example]]:
    """What `write_buffer` wrote, by task.

    Raises:
        RunFolderError: it is gone or damaged.
    """
    found: dict[str, list[Example]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            body = json.loads(line)
            rows = tuple(_unpacked(row) for row in body["rows"])
            found.setdefault(body["task"], []).append(rows)
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise RunFolderError(
            f"{path}: the examples kept for replay are gone or damaged; start anew with another "
            "--out, or leave `replay` out"
        ) from problem
    return found


def _packed(row: Encoded) -> dict[str, Any]:
    held = {"tokens": row.tokens.tolist(), "trained": np.flatnonzero(row.trained).tolist()}
    return held if row.judged is None else held | {"judged": _plain(row.judged)}


def _unpacked(body: Mapping[str, Any]) -> Encoded:
    tokens = np.array(body["tokens"], dtype=np.int64)
    trained = np.zeros(len(tokens), dtype=bool)
    trained[np.array(body["trained"], dtype=np.int64)] = True
    judged = _judged(body["judged"]) if "judged" in body else None
    return Encoded(tokens, trained, judged=judged)


def _plain(judged: Judged) -> dict[str, Any]:
    """What is not known is left out: JSON has no word for it."""
    held = {f.name: getattr(judged, f.name) for f in fields(judged)}
    held["wins"] = [None if math.isnan(x) else x for x in judged.wins]
    emphasis = held.pop("emphasis")
    known = {n: v for n, v in held.items() if not (isinstance(v, float) and math.isnan(v))}
    return known if emphasis is None else known | {"emphasis": emphasis.tolist()}


def _judged(body: Mapping[str, Any]) -> Judged:
    held = dict(body)
    held["wins"] = tuple(math.nan if x is None else x for x in body["wins"])
    if "emphasis" in body:
        held["emphasis"] = np.array(body["emphasis"], dtype=np.float64)
    return Judged(**held)
