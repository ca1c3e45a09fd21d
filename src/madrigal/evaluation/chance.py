"""What guessing would score: the zero of the unified score."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from madrigal.evaluation.prediction import Prediction

Rows = Sequence[Prediction]


def none(rows: Rows) -> float:
    """Guessing a free answer gets nothing."""
    del rows
    return 0.0


def accuracy(rows: Rows) -> float:
    """Expected share of right answers when one of each row's choices is drawn evenly."""
    shares = [
        sum(c in row.targets for c in row.choices) / len(row.choices) for row in _ranked(rows)
    ]
    return float(np.mean(shares)) if shares else 0.0


def macro_f1(rows: Rows) -> float:
    """Macro-F1 of the expected counts when one of each row's choices is drawn evenly."""
    right: dict[str, float] = defaultdict(float)
    true: dict[str, float] = defaultdict(float)
    given: dict[str, float] = defaultdict(float)
    for row in _ranked(rows):
        true[row.targets[0]] += 1
        for choice in row.choices:
            given[choice] += 1 / len(row.choices)
            right[choice] += (choice == row.targets[0]) / len(row.choices)
    return float(np.mean([2 * right[c] / (true[c] + given[c]) for c in true])) if true else 0.0


def agreement(rows: Rows) -> float:
    """Half of the people agree with a guess."""
    return 0.5 if rows else 0.0


@dataclass(frozen=True, slots=True)
class _Ranked:
    targets: tuple[str, ...]
    choices: tuple[str, ...]


def _ranked(rows: Rows) -> list[_Ranked]:
    return [_Ranked(row.targets, tuple(row.choices)) for row in rows if row.choices]


def perplexity(rows: Rows) -> float:
    """Perplexity per token of guessing every byte evenly: 256 to the power of bytes per token."""
    size, tokens = sum(row.bytes or 0 for row in rows), sum(row.tokens or 0 for row in rows)
    return float(256.0 ** min(size / tokens, 100.0)) if tokens else 1.0
