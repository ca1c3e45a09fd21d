"""What a task's data is, in numbers and in decoded examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Int

from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Encoded, Example, cut
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split, Task
from madrigal.tasks.told import feedback_facts, told

SAMPLES = 3
_BINS = 20

# Around the trained part of a decoded example; no keyboard types them by accident.
OPEN, CLOSE = "⟦", "⟧"


def data_card(task: Task, examples: Sequence[Example], coder: Coder) -> dict[str, Any]:
    """The content of `data/TASK.json`: lengths in tokens, counts in records.

    `examples` are the training examples; for a task that is never trained they may be empty, and
    its test records are described instead.
    """
    described = examples or coder.training(task, "test")
    rows = [row for example in described for row in example]
    return {
        "task": task.name,
        "format": task.format,
        "kind": task.kind,
        "metric": task.metric,
        "files": [asdict(file) for file in task.files],
        "counts": dict(task.counts),
        "labels": _labels(task),
        **({"feedback": feedback_facts(_all(task))} if task.kind == "feedback" else {}),
        "tokens": {"train_total": sum(r.length for e in examples for r in e), **_lengths(rows)},
        "truncated": {"examples": len(cut(described)), "tokens": sum(cut(described))},
        "histogram": _histogram(np.array([row.length for row in rows], dtype=np.int64)),
        "samples": [_sample(row, coder) for row in _spread(described)],
        "notes": list(task.notes),
        **({"selected": dict(task.selected)} if task.selected else {}),
        **({"augmented": [dict(one) for one in task.augmented]} if task.augmented else {}),
        **({"bad_rows": list(task.dropped)} if task.dropped else {}),
    }


def samples_markdown(task: Task, examples: Sequence[Example], coder: Coder) -> str:
    """A section of `data/samples.md`: examples exactly as trained, the trained part in ⟦ ⟧.

    Of judged answers all of an example stand there, each with what was said of it.
    """
    parts = [f"## {task.name}\n"]
    for row in _spread(examples or coder.training(task, "test")):
        text = "".join(
            f"{OPEN}{piece}{CLOSE}" if trained else piece for piece, trained in marked(row, coder)
        )
        fence = "`" * max(3, _longest_run(text, "`") + 1)
        cut = f", {row.lost} tokens of the prompt cut away" if row.lost else ""
        said = "" if row.judged is None else f"{told(row.judged)}: "
        head = f"{said}{row.length} tokens, {row.answer_tokens} trained{cut}"
        parts.append(f"{head}\n\n{fence}text\n{text}\n{fence}\n")
    return "\n".join(parts)


def marked(row: Encoded, coder: Coder) -> list[tuple[str, bool]]:
    """A row as text, in pieces that are trained as a whole or not at all.

    The pieces together are the decoded row: each is the difference of two decodings, because many
    tokenizers swallow a leading space when a piece is decoded alone.
    """
    borders = [*(np.flatnonzero(np.diff(row.trained)) + 1).tolist(), row.length]
    pieces: list[tuple[str, bool]] = []
    before = ""
    for border in borders:
        text = coder.tokenizer.decode(row.tokens[:border].tolist())
        pieces.append((text[len(before) :], bool(row.trained[border - 1])))
        before = text
    return pieces


def _labels(task: Task) -> dict[str, dict[str, int]]:
    if not task.labels:
        return {}
    counted: dict[str, dict[str, int]] = {}
    sides: tuple[Split, ...] = ("train", "test")
    for side in sides:
        found = Counter(record.answers[0] for record in task.splits[side])
        counted[side] = {label: found[label] for label in task.labels}
    return counted


def _lengths(rows: Sequence[Encoded]) -> Mapping[str, float]:
    answers = np.array([row.answer_tokens for row in rows])
    prompts = np.array([row.length for row in rows]) - answers
    return {
        "prompt_median": float(np.median(prompts)),
        "prompt_p95": float(np.quantile(prompts, 0.95)),
        "prompt_max": int(prompts.max()),
        "answer_median": float(np.median(answers)),
        "answer_max": int(answers.max()),
    }


def _histogram(lengths: Int[np.ndarray, " N"]) -> dict[str, list[int]]:
    """Rows by length; bins hold whole numbers of tokens, the last edge is included."""
    low, high = int(lengths.min()), int(lengths.max())
    width = max(1, -(-(high + 1 - low) // _BINS))
    edges = np.arange(low, high + 1 + width, width)
    counts, _ = np.histogram(lengths, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _all(task: Task) -> list[Record]:
    return [record for records in task.splits.values() for record in records]


def _spread(examples: Sequence[Example]) -> list[Encoded]:
    """The rows of a few examples from the beginning, the middle and the end."""
    places = np.linspace(0, len(examples) - 1, min(SAMPLES, len(examples))).astype(int)
    return [row for place in places for row in examples[place]]


def _sample(row: Encoded, coder: Coder) -> dict[str, str]:
    pieces = marked(row, coder)
    last = next((i for i in reversed(range(len(pieces))) if pieces[i][1]), len(pieces))
    return {
        "prompt": "".join(text for text, _ in pieces[:last]),
        "answer": "".join(text for text, _ in pieces[last:]),
        **({} if row.judged is None else {"said": told(row.judged)}),
    }


def _longest_run(text: str, mark: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == mark else 0
        longest = max(longest, run)
    return longest
