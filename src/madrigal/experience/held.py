"""Answers that several steps learn from, as tensors of a checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from madrigal.tasks.encoded import Acted, Encoded, Example

_KNOWN = ("old", "advantage", "reference", "value", "returns", "kept")


@dataclass(frozen=True, slots=True)
class Held:
    """What a task's prompts were answered at step `first`, as the steps after it learn from that;
    None where nothing is learnt."""

    first: int
    examples: Sequence[Example | None]


def aged(example: Example | None) -> Example | None:
    """An example once it has been learnt from: the weights are not those that wrote it any more."""
    if example is None:
        return None
    return tuple(
        row if row.acted is None else replace(row, acted=replace(row.acted, fresh=None))
        for row in example
    )


def held_tensors(held: Mapping[str, Held]) -> dict[str, Tensor]:
    """Rows one after another, by task. `shape` holds `first` and the number of rows of each
    prompt; `rows` the length of each row and where its answer begins."""
    found: dict[str, Tensor] = {}
    for task, one in held.items():
        rows = [row for example in one.examples for row in example or ()]
        acted = [row.acted for row in rows if row.acted is not None]
        assert len(acted) == len(rows), "only answers of the model's own are held"
        counts = [len(example or ()) for example in one.examples]
        found[f"{task}/shape"] = torch.tensor([one.first, *counts])
        sizes = [(row.length, row.length - row.answer_tokens) for row in rows]
        found[f"{task}/rows"] = torch.tensor(sizes, dtype=torch.int64).reshape(-1, 2)
        tokens = [np.zeros(0, dtype=np.int64), *(row.tokens for row in rows)]
        found[f"{task}/tokens"] = torch.from_numpy(np.concatenate(tokens))
        for name in _KNOWN:
            values = [value for a in acted if (value := getattr(a, name)) is not None]
            if values:
                found[f"{task}/{name}"] = torch.from_numpy(np.concatenate(values))
    return found


def read_held(tensors: Mapping[str, Tensor]) -> dict[str, Held]:
    """What `held_tensors` wrote."""
    tasks = [name.removesuffix("/shape") for name in tensors if name.endswith("/shape")]
    return {task: _read(task, tensors) for task in tasks}


def _read(task: str, tensors: Mapping[str, Tensor]) -> Held:
    first, *counts = tensors[f"{task}/shape"].tolist()
    tokens = tensors[f"{task}/tokens"].numpy()
    known = {n: tensors[f"{task}/{n}"].numpy() for n in _KNOWN if f"{task}/{n}" in tensors}
    rows: list[Encoded] = []
    begun = answered = 0
    for length, prompt in tensors[f"{task}/rows"].tolist():
        span = slice(answered, answered + length - prompt)
        parts = {name: values[span] for name, values in known.items()}
        trained = np.arange(length) >= prompt
        acted = Acted(
            old=parts["old"],
            advantage=parts["advantage"],
            reference=parts.get("reference"),
            value=parts.get("value"),
            returns=parts.get("returns"),
            kept=parts.get("kept"),
        )
        rows.append(Encoded(tokens[begun : begun + length], trained, acted=acted))
        begun, answered = begun + length, span.stop
    examples: list[Example | None] = []
    for count in counts:
        examples.append(tuple(rows[:count]) if count else None)
        del rows[:count]
    return Held(first, examples)
