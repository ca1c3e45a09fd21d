"""What a grouping gains in steps that had no part in choosing it: cross-validation over steps."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.blocks import Blocks, block_length
from madrigal.evaluation.partition import best_by_count, received

SPANS = 8  # of the steps; no more than the fewest steps
# The spans' partitions are chosen from much the same steps, so their gains are not independent:
# k spans have 1 + k / (k - 1) times the variance (Nadeau and Bengio, 2003).
WIDER = math.sqrt(1 + SPANS / (SPANS - 1))


class Elsewhere:
    """Gains over one group, step by step and task by task, of partitions that others chose.

    The steps fall into eight spans. Those of a span are judged by partitions that the other spans
    choose, without the steps next to it, within a block of the bootstrap: what neighbours have in
    common would speak for its own choice (h-block cross-validation; Burman et al., 1994).
    """

    def __init__(self, values: Float[np.ndarray, "T K K"], blocks: Blocks) -> None:
        steps, tasks, _ = values.shape
        self.values, self.blocks = values, blocks
        self.span = np.arange(steps) * SPANS // steps  # of each step
        self.together = received(values, np.zeros((steps, tasks), dtype=np.int64))
        near = _near(self.span, min(block_length(steps), steps // SPANS))
        pairs = [(f, g) for f in range(SPANS) for g in range(f + 1)]
        rest = [values[~(near[f] | near[g])].mean(axis=0) for f, g in pairs]
        by_count = np.stack(best_by_count(np.stack(rest), blocks.seed))
        self.labels = np.zeros((SPANS, SPANS, tasks, tasks), dtype=np.int64)
        for (f, g), labels in zip(pairs, by_count.transpose(1, 0, 2), strict=True):
            self.labels[f, g] = self.labels[g, f] = labels

    def gains(self, spans: Sequence[int], without: int | None = None) -> Float[np.ndarray, "N M K"]:
        """Of each task by the best 1, 2, ..., M = K groups, in the steps of `spans`: each span's
        groups are chosen from all other spans but `without`."""
        steps = np.flatnonzero(np.isin(self.span, spans))
        own = self.span[steps]
        labels = self.labels[own, own if without is None else without]
        got = [received(self.values[steps], chosen) for chosen in labels.transpose(1, 0, 2)]
        return np.stack(got, axis=1) - self.together[steps, None]

    def count(self, spans: Sequence[int], without: int | None = None) -> int:
        """The fewest groups, two or more, whose mean gain is within a standard error of the
        best's (Breiman et al., 1984)."""
        gains = self.gains(spans, without).mean(axis=2)
        best = int(gains.mean(axis=0).argmax())
        behind = gains[:, best : best + 1] - gains
        error = WIDER * self.blocks.sums(behind).std(axis=0) / len(gains)
        near = behind.mean(axis=0) <= error
        return 2 + int(near[1:].argmax())

    def gains_of_rule(self) -> Float[np.ndarray, "T K"]:
        """In every step the gains by what the other spans choose, the number of groups too."""
        found = []
        for f in range(SPANS):
            others = [g for g in range(SPANS) if g != f]
            found.append(self.gains([f])[:, self.count(others, f) - 1])
        return np.concatenate(found)


def _near(span: np.ndarray, gap: int) -> np.ndarray:
    """By span, the steps in it or at most `gap` steps from it."""
    at = np.arange(len(span))
    inside = [at[span == f] for f in range(SPANS)]
    return np.stack([(at >= own[0] - gap) & (at <= own[-1] + gap) for own in inside])
