"""A model on a task: every example becomes a prediction row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from madrigal.evaluation.batches import quiet
from madrigal.evaluation.few_shot import with_examples
from madrigal.evaluation.generate import generate
from madrigal.evaluation.metrics import scored
from madrigal.evaluation.parse import is_parsed
from madrigal.evaluation.perplexity import row_nats
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.rank import rank
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task

OnProgress = Callable[[int, int], None]


def evaluate_task(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int = 8192,
    on_progress: OnProgress = quiet,
    few_shot: int = 0,
    seed: int = 0,
) -> list[Prediction]:
    """Predictions for some records of a task, in their order, each with its score.

    Choices are ranked by likelihood, free answers generated greedily, raw text is predicted token
    by token. With `few_shot` so many training examples, drawn by seed, stand before each prompt.
    The network computes in its own number format, without dropout; its mode is restored.
    """
    shown = with_examples(task, records, few_shot, seed, coder) if few_shot else list(records)
    with _still(model):
        if task.kind == "text":
            return _text(model, coder, task, records, batch_tokens, on_progress)
        if task.kind == "choice":
            rows = _choices(model, coder, task, shown, batch_tokens, on_progress)
        else:
            rows = _answers(model, coder, task, shown, batch_tokens, on_progress)
    return [scored(row, task.metric) for row in rows]


@contextmanager
def _still(model: LanguageModel) -> Iterator[None]:
    training = model.network.training
    model.network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.network.train(training)


def _row(task: Task, record: Record, output: str, **measured: object) -> Prediction:
    cluster = record.fields.get(task.cluster, "") if task.cluster else ""
    return Prediction(
        task=task.name,
        id=record.key,
        where=record.where,
        cluster=cluster or record.key,
        kind=task.kind,
        prompt=record.prompt,
        targets=record.answers,
        output=output,
        score=0.0,
        **measured,  # type: ignore[arg-type]
    )


def _choices(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int,
    on_progress: OnProgress,
) -> list[Prediction]:
    prompts = [coder.prompt(record) for record in records]
    answers = [[coder.answer(record, text) for text in record.choices] for record in records]
    found = rank(model, prompts, answers, batch_tokens, on_progress)
    rows = []
    for record, totals, tokens in zip(records, found, answers, strict=True):
        lengths = [(len(t), len(c.encode())) for t, c in zip(tokens, record.choices, strict=True)]
        divisor = np.array([_divisor(task, length) for length in lengths])
        best = record.choices[int(np.argmax(totals / divisor))]
        rows.append(
            _row(
                task,
                record,
                best,
                choices=dict(zip(record.choices, map(float, totals), strict=True)),
                lengths=dict(zip(record.choices, lengths, strict=True)),
            )
        )
    return rows


def _divisor(task: Task, length: tuple[int, int]) -> float:
    if task.normalise_choices == "none":
        return 1.0
    return float(max(1, length[0 if task.normalise_choices == "tokens" else 1]))


def _answers(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int,
    on_progress: OnProgress,
) -> list[Prediction]:
    prompts = [coder.prompt(record, room=task.max_new_tokens) for record in records]
    found = generate(model, prompts, task.max_new_tokens, coder.end, batch_tokens, on_progress)
    texts = [text.strip() for text in coder.tokenizer.batch_decode(found, skip_special_tokens=True)]
    return [
        _row(task, record, text, parsed=is_parsed(text))
        for record, text in zip(records, texts, strict=True)
    ]


def _text(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int,
    on_progress: OnProgress,
) -> list[Prediction]:
    """A row a document; a document longer than the context is predicted in windows."""
    owned = [
        (place, window)
        for place, record in enumerate(records)
        for window in coder.windows([record])
        if window.answer_tokens
    ]
    nats = row_nats(model, [window for _, window in owned], batch_tokens, on_progress)
    total, tokens = [0.0] * len(records), [0] * len(records)
    for (place, window), value in zip(owned, nats, strict=True):
        total[place] += value
        tokens[place] += window.answer_tokens
    return [
        scored(
            _row(
                task, record, "", nats=total[i], tokens=tokens[i], bytes=len(record.text.encode())
            ),
            task.metric,
        )
        for i, record in enumerate(records)
        if tokens[i]
    ]
