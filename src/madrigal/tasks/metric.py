"""Which metric judges a task, and what a blind guess would score."""

import statistics
from collections.abc import Mapping, Sequence

from madrigal.errors import DataError
from madrigal.recipe.task import MetricName
from madrigal.tasks.record import Record
from madrigal.tasks.task import Kind, Split, Task

# Answers of at most so many words (median) are judged by token overlap, longer ones by ROUGE-L.
SHORT_ANSWER = 5

FITTING: Mapping[Kind, tuple[str, ...]] = {
    "text": ("perplexity",),
    "choice": ("accuracy", "macro_f1"),
    "answer": ("exact_match", "token_f1", "rouge_l", "bleu", "chrf"),
    "feedback": ("agreement",),
}

_WHAT: Mapping[Kind, str] = {
    "text": "raw text",
    "choice": "a choice task",
    "answer": "a task of free answers",
    "feedback": "a task of judged answers",
}


def resolve_metric(
    given: MetricName, kind: Kind, records: Sequence[Record], fixed_labels: bool, task: str
) -> str:
    """The metric of a task. DataError where the given one cannot judge this kind of task."""
    if given == "auto":
        return _automatic(kind, records)
    if given not in FITTING[kind]:
        choice = kind != "feedback" and given in FITTING["choice"]
        hint = "; give `labels` to make it a choice" if choice else ""
        fitting = ", ".join(FITTING[kind])
        raise DataError(
            f"tasks.{task}.metric: '{given}' does not fit {_WHAT[kind]}; take one of {fitting}"
            f"{hint}"
        )
    if given == "macro_f1" and not fixed_labels:
        raise DataError(
            f"tasks.{task}.metric: macro_f1 needs one set of labels for all records; "
            "here each brings its own choices; take accuracy"
        )
    return given


def _automatic(kind: Kind, records: Sequence[Record]) -> str:
    if kind != "answer":
        return FITTING[kind][0]
    words = [len(record.answers[0].split()) for record in records]
    return "token_f1" if statistics.median(words or [0]) <= SHORT_ANSWER else "rouge_l"


def chance(task: Task, split: Split = "test") -> float:
    """The expected score of a uniform guess among the choices; 0 where nothing is guessed.

    Of two judged answers a guess ranks half as people did.
    For macro-F1 the guess has, per label with share p among K labels, precision p and recall 1/K.
    """
    records = task.splits.get(split, ())
    if task.kind == "feedback":
        return 0.5 if records else 0.0
    if task.kind != "choice" or not records:
        return 0.0
    if task.metric != "macro_f1":
        return statistics.fmean(1 / len(record.choices) for record in records)
    k = len(task.labels)
    answers = [record.answers[0] for record in records]
    shares = [answers.count(label) / len(answers) for label in task.labels]
    return statistics.fmean(2 * p / k / (p + 1 / k) for p in shares)
