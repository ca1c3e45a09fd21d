"""Examples of earlier tasks on the disk: encoded, so that the old data may be gone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from madrigal.errors import RunFolderError
from madrigal.tasks.encoded import Encoded, Example

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


def _packed(row: Encoded) -> dict[str, list[int]]:
    return {"tokens": row.tokens.tolist(), "trained": np.flatnonzero(row.trained).tolist()}


def _unpacked(body: Mapping[str, Sequence[int]]) -> Encoded:
    tokens = np.array(body["tokens"], dtype=np.int64)
    trained = np.zeros(len(tokens), dtype=bool)
    trained[np.array(body["trained"], dtype=np.int64)] = True
    return Encoded(tokens, trained)
