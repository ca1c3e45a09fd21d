"""The task: what is learnt, and how it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from madrigal.tasks.record import Record

Kind = Literal["text", "answer", "choice", "feedback"]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that a task was read from, for the manifest and the data card."""

    path: str  # as messages show it
    bytes: int
    sha256: str
    records: int


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt, and how it is judged. Records are already templated and split.

    `kind` is "text" (raw text, judged by perplexity), "choice" (the answer is one of the record's
    choices, judged by ranking them), "answer" (a free answer, judged by generating it) or
    "feedback" (answers that people judged; the model is judged by agreeing with them).
    """

    name: str
    kind: Kind
    metric: str  # a name of madrigal.evaluation.METRICS
    splits: Mapping[Split, tuple[Record, ...]]
    labels: tuple[str, ...] = ()  # for a fixed label set; empty for per-record choices
    weight: float = 1.0
    max_epochs: float | None = None  # the sampler gives no example more often than this
    label_smoothing: float = 0.0  # share of the target's mass spread over the vocabulary
    pull_to_start: float = 0.0  # strength of L2 to the parameters at the stage's start
    objective: str = "likelihood"
    normalise_choices: Literal["none", "tokens", "bytes"] = "none"
    max_new_tokens: int = 64
    cluster: str | None = None  # field whose equal values are resampled together
    notes: tuple[str, ...] = ()  # what loading found worth saying: format, duplicates, drops
    counts: Mapping[str, int] = field(default_factory=dict)  # for the data section of the report
    dropped: tuple[str, ...] = ()  # what was wrong with each bad row that was left out
    # How several people's judgements become one, and how much each counts; who is not named: 1.
    aggregate: Literal["mean", "dawid_skene", "mace"] = "mean"
    trust: Mapping[str, float] = field(default_factory=dict)
    format: str = ""  # the record format, as detected or given
    files: tuple[DataFile, ...] = ()
    # Of raw text that was chosen by its nearness to a task: what was chosen, and how near it is.
    selected: Mapping[str, Any] = field(default_factory=dict)
    # Training records that were made from others: of each which, how, and how it reads.
    augmented: tuple[Mapping[str, Any], ...] = ()

    @property
    def answered(self) -> bool:
        """Whether the model answers its prompts itself: not raw text, which has none, nor answers
        that are there to be judged."""
        return self.kind in ("answer", "choice")
