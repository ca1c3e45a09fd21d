"""One evaluated example as one JSON line: every score is a function of such rows."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.evaluation.agreement import Judging
from madrigal.tasks.task import Kind


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model made of one example, and how it was judged.

    Examples of one `cluster` (a document, a passage) are resampled together. `score` is the
    example's own value of the task's metric, from 0 to 1, higher is better; `parsed` is False where
    the output could not be read as an answer (it then scores 0). `choices` gives the
    log-likelihood of each choice in nats, summed over its tokens, `lengths` its (tokens, bytes);
    where one choice begins another, the end token is among the tokens of all of them.
    `nats`, `tokens` and `bytes` are sums over the predicted text, for perplexity. `shots` is the
    number of in-context examples before the prompt, where some were asked for. `route` is the task
    whose private part answered, where a router chose it: its own name, or another's. `judging` is
    there for judged answers: the output is the one that the model finds best; `slices` are then
    fields of the data by which accuracies are told apart. `blocked` are the rules of a filter that
    blocked the answer, where one looked at it; the output is then what is said in its place, and
    `unfiltered` the answer.
    """

    task: str
    id: str
    where: str
    cluster: str
    kind: Kind
    prompt: str
    targets: tuple[str, ...]
    output: str
    score: float
    parsed: bool = True
    choices: Mapping[str, float] | None = None
    lengths: Mapping[str, tuple[int, int]] | None = None
    nats: float | None = None
    tokens: int | None = None
    bytes: int | None = None
    shots: int | None = None
    route: str | None = None
    judging: Judging | None = None
    slices: Mapping[str, str] | None = None
    blocked: tuple[str, ...] | None = None
    unfiltered: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as plain data; a field stands only where it was measured."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        held = {name: value for name, value in pairs if value is not None}
        return held if self.judging is None else held | {"judging": self.judging.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Prediction":
        """The inverse of `to_json`. Raises KeyError or TypeError on a foreign row."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        known["targets"] = tuple(row["targets"])
        if "lengths" in row:
            known["lengths"] = {text: (int(t), int(b)) for text, (t, b) in row["lengths"].items()}
        if "blocked" in row:
            known["blocked"] = tuple(row["blocked"])
        if "judging" in row:
            known["judging"] = Judging.from_json(row["judging"])
        return cls(**known)


def write_predictions(path: Path, rows: Iterable[Prediction]) -> None:
    """Write the rows as JSON lines: all of them or, after a crash, none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    with aside.open("wb") as file:
        for row in rows:
            line = json.dumps(row.to_json(), ensure_ascii=False, allow_nan=False) + "\n"
            # A lone surrogate of the data becomes its JSON escape and so reads back unchanged.
            file.write(line.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_predictions(path: Path) -> list[Prediction]:
    """Read what `write_predictions` wrote.

    Raises:
        RunFolderError: the file is missing, or a line is no prediction.
    """
    if not path.is_file():
        raise RunFolderError(f"{path}: no such predictions; run `madrigal evaluate` again")
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                rows.append(Prediction.from_json(json.loads(line)))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise RunFolderError(
                    f"{path}:{number}: not a prediction ({error}); run `madrigal evaluate` again"
                ) from None
    return rows


def read_folder(folder: Path) -> dict[str, list[Prediction]]:
    """Predictions of every task in a folder such as `predictions/base`, by task name."""
    return {path.stem: read_predictions(path) for path in sorted(folder.glob("*.jsonl"))}


def numbered(keys: Sequence[str]) -> list[str]:
    """Ids made of keys: the second example with the same content becomes `KEY-2`, and so on."""
    seen: dict[str, int] = {}
    ids = []
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
        ids.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    return ids
