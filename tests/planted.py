"""Gradients whose truth is known: expected gradients with planted cosines, noise of known size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np


def directions(gramian: np.ndarray, wide: int) -> np.ndarray:
    """K vectors with exactly this Gramian, in a space of `wide` dimensions."""
    values, vectors = np.linalg.eigh(gramian)
    assert values.min() > -1e-9, "no vectors have these cosines"
    root = vectors * np.sqrt(np.maximum(values, 0))
    found = np.zeros((len(gramian), wide))
    found[:, : len(gramian)] = root
    return found


def gramian_of(cosine: Mapping[tuple[int, int], float], tasks: int) -> np.ndarray:
    """Unit vectors' Gramian with these cosines and 0 elsewhere."""
    found = np.eye(tasks)
    for (i, j), value in cosine.items():
        found[i, j] = found[j, i] = value
    return found


def measure(
    tasks: Sequence[str],
    means: np.ndarray,
    rows: Sequence[int],
    noise: float | Sequence[float],
    random: np.random.Generator,
    groups: Mapping[str, slice] | None = None,
) -> dict[str, Any]:
    """What a step writes as `conflict` for the expected gradients `means` (K x P).

    Each example's gradient is its task's mean plus isotropic noise with tr(Sigma) = noise |mean|^2,
    so a task's noise scale is `noise` examples.
    """
    each = [noise] * len(rows) if isinstance(noise, int | float) else noise
    halves = np.stack(
        [[_half(mean, n // 2, size, random), _half(mean, n - n // 2, size, random)]
         for mean, n, size in zip(means, rows, each, strict=True)]
    )  # fmt: skip
    share = np.array([[n // 2, n - n // 2] for n in rows]) / np.array(rows)[:, None]
    whole = (halves * share[:, :, None]).sum(axis=1)
    found = _angles(tasks, whole, halves, rows)
    below = [c < 0 for c in found["cosine"].values()]
    found = {"rate": sum(below) / len(below), **found, "metric": "raw"}
    if groups:
        found["layers"] = {
            name: _angles(tasks, whole[:, part], halves[:, :, part], rows)
            for name, part in groups.items()
        }
    return found


def _half(mean: np.ndarray, n: int, noise: float, random: np.random.Generator) -> np.ndarray:
    size = np.sqrt(noise * (mean**2).sum() / mean.size / max(n, 1))
    return mean + size * random.standard_normal(mean.size) if n else np.zeros_like(mean)


def _angles(
    tasks: Sequence[str], whole: np.ndarray, halves: np.ndarray, rows: Sequence[int]
) -> dict[str, Any]:
    norm = np.linalg.norm(whole, axis=1)
    cosine = (whole @ whole.T) / np.outer(norm, norm)
    signal = np.einsum("kp,kp->k", halves[:, 0], halves[:, 1])
    return {
        "cosine": {
            f"{tasks[i]}|{tasks[j]}": float(cosine[i, j])
            for i, j in combinations(range(len(tasks)), 2)
        },
        "norm": {task: float(norm[k]) for k, task in enumerate(tasks)},
        "signal": {task: float(signal[k]) for k, task in enumerate(tasks) if rows[k] > 1},
    }


@dataclass(frozen=True)
class Fight:
    """A planted conflict for a made-up run: which pair, how much, since when, in which blocks."""

    pair: tuple[str, str] = ("inference", "titles")
    cosine: float = -0.4
    since: int = 1
    blocks: tuple[int, ...] = (2, 3)


@dataclass(frozen=True)
class Gradients:
    """How a made-up run's gradients are measured. `size` and `noise` are by task, 1 and 12 else."""

    every: int = 4
    fight: Fight | None = None
    friends: Mapping[tuple[str, str], float] = field(default_factory=dict)
    blocks: int = 4  # 0: not measured by layer
    size: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    wide: int = 96  # dimensions of a block

    def line(
        self, step: int, tasks: Sequence[str], rows: Mapping[str, int], random: np.random.Generator
    ) -> dict[str, Any] | None:
        """The `conflict` of a step, or None where it is not measured."""
        if (step - 1) % self.every or len(tasks) < 2:
            return None
        blocks = max(self.blocks, 1)
        means = np.concatenate([self._block(block, step, tasks) for block in range(blocks)], axis=1)
        groups = {f"block {b}": slice(b * self.wide, (b + 1) * self.wide) for b in range(blocks)}
        return measure(
            tasks, means, [rows[t] for t in tasks], [self.noise.get(t, 12.0) for t in tasks],
            random, groups if self.blocks else None,
        )  # fmt: skip

    def _block(self, block: int, step: int, tasks: Sequence[str]) -> np.ndarray:
        cosine = {
            (tasks.index(a), tasks.index(b)): value
            for (a, b), value in self.friends.items()
            if a in tasks and b in tasks
        }
        fight = self.fight
        if fight and step >= fight.since and block in fight.blocks and {*fight.pair} <= {*tasks}:
            i, j = sorted(tasks.index(task) for task in fight.pair)
            cosine[i, j] = fight.cosine
        size = np.array([self.size.get(task, 1.0) for task in tasks])
        return size[:, None] * directions(gramian_of(cosine, len(tasks)), self.wide)
