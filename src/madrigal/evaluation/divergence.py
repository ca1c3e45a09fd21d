"""KL to the base, example by example: rows of a file, and their mean with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.means import ratio_over_examples
from madrigal.evaluation.parts import Summary
from madrigal.evaluation.row_files import read_rows, write_rows


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
    names = [(row.cluster, row.id) for row in rows]
    parts = [(float(row.nats), float(row.tokens)) for row in rows]
    return ratio_over_examples(task, names, parts, resampling)


def write_divergences(path: Path, rows: Sequence[Divergence]) -> None:
    """Write the rows as JSON lines: all of them or, after a crash, none."""
    write_rows(path, [asdict(row) for row in rows])


def read_divergences_of(run: Path) -> dict[str, dict[str, list[Divergence]]]:
    """All rows of a run's `kl` folder, by stage, then task; empty where it was not measured."""
    return read_rows(run / "kl", "divergences", lambda row: Divergence(**row))


def read_from_reference_of(run: Path) -> dict[str, dict[str, list[Divergence]]]:
    """The same of KL to the model as a stage began, of later stages that learnt preferences."""
    return read_rows(run / "kl" / "reference", "divergences", lambda row: Divergence(**row))
