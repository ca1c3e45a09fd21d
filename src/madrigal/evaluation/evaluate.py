"""A model on a task: every example becomes a prediction row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from madrigal.errors import RunStopped
from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.batches import quiet
from madrigal.evaluation.few_shot import with_examples
from madrigal.evaluation.generate import generate
from madrigal.evaluation.metrics import scored
from madrigal.evaluation.parse import is_parsed
from madrigal.evaluation.perplexity import row_nats, windows_of
from madrigal.evaluation.prediction import Prediction, numbered
from madrigal.evaluation.rank import rank, told_apart
from madrigal.evaluation.rewards import rewards
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Kind, Task

OnProgress = Callable[[int, int], None]

# From so many documents on, a document's windows are resampled together; of fewer, each alone.
MANY_DOCUMENTS = 10

# Fields of judged answers by which accuracies are told apart.
SLICED_BY = ("subset", "source", "category", "domain", "dataset", "language")


@dataclass(frozen=True, slots=True)
class _Job:
    model: LanguageModel
    coder: Coder
    task: Task
    batch_tokens: int
    on_progress: OnProgress


def evaluate_task(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int = 8192,
    on_progress: OnProgress = quiet,
    few_shot: int = 0,
    seed: int = 0,
    route: str | None = None,
) -> list[Prediction]:
    """Predictions for some records of a task, in their order, each with its score.

    Choices are ranked by likelihood, free answers generated greedily, judged answers compared with
    each other, raw text is predicted token by token, a row for each window of a document. With
    `few_shot` so many training examples, drawn by seed, stand before each prompt; the rows keep
    their ids and say in `shots` how many fitted.
    The network computes in its own number format, without dropout; its mode is restored. Where
    tasks have private parameters, the task's own are used, or those of the task `route`.
    """
    job = _Job(model, coder, task, batch_tokens, on_progress)
    with still(model), model.routed(route or task.name):
        if task.kind == "text":
            return _text(job, records)
        shown = list(records)
        shots: Sequence[int | None] = [None] * len(records)
        if few_shot:
            found = with_examples(task, records, few_shot, seed, coder)
            shown, shots = [one.record for one in found], [one.shots for one in found]
        measured = _MEASURED[task.kind](job, shown)
    ids = numbered([record.key for record in records])
    return [
        _row(task, record, id_, shots=count, **facts)
        for record, id_, count, facts in zip(records, ids, shots, measured, strict=True)
    ]


@contextmanager
def still(model: LanguageModel) -> Iterator[None]:
    """No dropout and no gradients; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.network.modules()]
    model.network.eval()
    try:
        # What is gathered from other processes is used again in training, which inference mode
        # would forbid.
        with torch.inference_mode() if model.shards is None else torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _row(task: Task, record: Record, id_: str, **facts: Any) -> Prediction:
    cluster = record.fields.get(task.cluster, "") if task.cluster else ""
    row: dict[str, Any] = {
        "task": task.name,
        "id": id_,
        "where": record.where,
        "cluster": cluster or id_,
        "kind": task.kind,
        "prompt": record.prompt,
        "targets": record.answers,
        "output": "",
        "score": 0.0,
    }
    return scored(Prediction(**(row | facts)), task.metric)


def _choices(job: _Job, records: Sequence[Record]) -> list[dict[str, Any]]:
    """The likeliest choice of every record; see `told_apart` for choices that begin others."""
    coder = job.coder
    prompts = [coder.prompt(record) for record in records]
    said = [[coder.answer(record, text) for text in record.choices] for record in records]
    answers = [told_apart(group, coder.end) for group in said]
    found = rank(job.model, prompts, answers, job.batch_tokens, job.on_progress)
    _check_finite(job.task, records, [totals.sum() for totals in found])
    rows = []
    for record, totals, tokens in zip(records, found, answers, strict=True):
        lengths = [(len(t), len(c.encode())) for t, c in zip(tokens, record.choices, strict=True)]
        divisors = np.array([_divisor(job.task, length) for length in lengths])
        rows.append(
            {
                "output": record.choices[int(np.argmax(totals / divisors))],
                "choices": dict(zip(record.choices, map(float, totals), strict=True)),
                "lengths": dict(zip(record.choices, lengths, strict=True)),
            }
        )
    return rows


def _check_finite(
    task: Task, records: Sequence[Record], values: Sequence[float], what: str = "likelihood"
) -> None:
    for record, value in zip(records, values, strict=True):
        if not np.isfinite(value):
            raise RunStopped(
                f"task '{task.name}', {record.where}: the model's {what} is not finite, so its "
                "weights are broken; go back to an earlier checkpoint or lower the learning rate"
            )


def _divisor(task: Task, length: tuple[int, int]) -> int:
    tokens, size = length
    return {"none": 1, "tokens": tokens, "bytes": max(1, size)}[task.normalise_choices]


def _answers(job: _Job, records: Sequence[Record]) -> list[dict[str, Any]]:
    coder, most = job.coder, job.task.max_new_tokens
    prompts = [coder.prompt(record, room=most) for record in records]
    found = generate(job.model, prompts, most, coder.end, job.batch_tokens, job.on_progress)
    texts = [text.strip() for text in coder.tokenizer.batch_decode(found, skip_special_tokens=True)]
    return [{"output": text, "parsed": is_parsed(text)} for text in texts]


def _judged(job: _Job, records: Sequence[Record]) -> list[dict[str, Any]]:
    """What the model thinks of answers that people judged."""
    examples = [job.coder.example(record, job.task) for record in records]
    begins = [int(example[0].trained.argmax()) for example in examples]
    prompts = [e[0].tokens[:begin] for e, begin in zip(examples, begins, strict=True)]
    answers = [[row.tokens[begin:] for row in e] for e, begin in zip(examples, begins, strict=True)]
    found = rank(job.model, prompts, answers, job.batch_tokens, job.on_progress)
    _check_finite(job.task, records, [totals.sum() for totals in found])
    given: Sequence[Sequence[float] | None] = [None] * len(records)
    if job.model.reward_head(job.task.name) is not None:
        each = rewards(job.model, job.task.name, examples, job.batch_tokens)
        _check_finite(job.task, records, [float(scores.sum()) for scores in each], "reward")
        given = [scores.tolist() for scores in each]
    rows = []
    for record, example, totals, scores in zip(records, examples, found, given, strict=True):
        assert record.feedback is not None
        said = [row.judged for row in example if row.judged is not None]
        values = tuple(one.value for one in said)
        judging = Judging(
            answers=record.feedback.answers,
            wins=tuple(one.wins for one in said),
            logps=tuple(map(float, totals)),
            tokens=tuple(row.answer_tokens for row in example),
            rewards=None if scores is None else tuple(scores),
            values=None if np.isnan(values).all() else values,
            margin=record.feedback.margin or 0.0,
        )
        facts = {"output": judging.best, "targets": judging.liked, "judging": judging}
        slices = {name: record.fields[name] for name in SLICED_BY if record.fields.get(name)}
        rows.append(facts | ({"slices": slices} if slices else {}))
    return rows


_MEASURED: Mapping[Kind, Callable[[_Job, Sequence[Record]], list[dict[str, Any]]]] = {
    "choice": _choices,
    "answer": _answers,
    "feedback": _judged,
}


def _text(job: _Job, records: Sequence[Record]) -> list[Prediction]:
    windows = windows_of(job.coder, records)
    nats = row_nats(job.model, [w.row for w in windows], job.batch_tokens, job.on_progress)
    _check_finite(job.task, [records[w.document] for w in windows], nats)
    names = numbered([record.key for record in records])
    many = len({window.document for window in windows}) >= MANY_DOCUMENTS
    rows = []
    for window, value in zip(windows, nats, strict=True):
        document = names[window.document]
        name = f"{document}.{window.number}" if window.number else document
        facts = {"nats": value, "tokens": window.row.answer_tokens, "bytes": window.bytes}
        own = {} if job.task.cluster else {"cluster": document if many else name}
        rows.append(_row(job.task, records[window.document], name, **facts, **own))
    return rows
