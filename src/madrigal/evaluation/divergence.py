"""KL to the base, example by example: rows of a file, and their mean with its interval."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Resampling, vary
from madrigal.evaluation.parts import Summary, unvarying


@dataclass(frozen=True, slots=True)
class Divergence:
    """KL(base || model) of one example: nats summed over its answer's tokens, and their number."""

    id: str
    cluster: str
    nats: float
    tokens: int


Divergences = Mapping[str, Mapping[str, Sequence[Divergence]]]  # by stage, then task


def mean_kl(task: str, rows: Sequence[Divergence], resampling: Resampling) -> Summary:
    """Mean over answer tokens in nats, with the percentile bootstrap over clusters.

    The draws are those of the task's scores, so they are the same at every stage.
    """
    clusters: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: (row.cluster, row.id)):
        held = clusters.setdefault(row.cluster, [0.0, 0.0])
        held[0] += row.nats
        held[1] += row.tokens
    table = np.array(list(clusters.values()))
    value = float(table[:, 0].sum() / table[:, 1].sum())
    totals = resampling.totals(task, table)
    draws = totals[:, 0] / totals[:, 1]
    if not vary(draws):
        low, high = unvarying(value, len(table), False, resampling.confidence)
        return Summary(value, low, high)
    low, high = resampling.percentiles(draws)
    return Summary(value, min(low, value), max(high, value))


def write_divergences(path: Path, rows: Sequence[Divergence]) -> None:
    """Write the rows as JSON lines: all of them or, after a crash, none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    with aside.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_divergences_of(run: Path) -> dict[str, dict[str, list[Divergence]]]:
    """All rows of a run's `kl` folder, by stage, then task; empty where it was not measured."""
    found: dict[str, dict[str, list[Divergence]]] = {}
    for path in sorted((run / "kl").glob("*/*.jsonl")):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [Divergence(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{path}: not divergences ({error}); remove the file") from None
        found.setdefault(path.parent.name, {})[path.stem] = rows
    return found
