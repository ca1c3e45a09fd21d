"""Which task a prompt belongs to, from sums over the prompts of the tasks learnt so far."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from madrigal.errors import RunFolderError

Features = Float[np.ndarray, "n D"]


@dataclass(frozen=True, slots=True)
class Rule:
    """g_k(x) = a_k . (x - c) + b_k: the task with the largest value is chosen."""

    tasks: tuple[str, ...]
    weights: Float[np.ndarray, "K D"]
    center: Float[np.ndarray, " D"]
    offsets: Float[np.ndarray, " K"]

    def values(self, features: Features) -> Float[np.ndarray, "n K"]:
        """g of each task; differences are log-odds where tasks are as frequent as each other."""
        return (features.astype(np.float64) - self.center) @ self.weights.T + self.offsets

    def choose(self, features: Features) -> list[str]:
        """The task of each row; of equal ones the first."""
        return [self.tasks[int(k)] for k in self.values(features).argmax(axis=1)]


@dataclass(frozen=True, slots=True)
class Router:
    """Nearest mean with one shared, shrunk covariance, built up task by task.

    Of each task k the number n_k and the mean m_k of its prompts' features x are kept, and of all
    together the scatter S = sum_k sum_i (x_ki - m_k)(x_ki - m_k)^T. That is all a later task needs:
    no old prompts, and in whatever order tasks come the sums are the same.

        g_k(x) = m_k^T C^-1 x - m_k^T C^-1 m_k / 2,   C = (1 - s) S/n + s (tr S/n / D) I

    is the log-likelihood of x in task k but for what all tasks share, with n = sum_k n_k and D the
    width of x. s is the oracle approximating shrinkage (Chen et al., 2010), a function of S and n.

    Class means on features of a frozen, pretrained network: Pelosin, 2022 ("Simpler is better") and
    Janson et al., 2022 ("A simple baseline that questions the use of pretrained models in continual
    learning"); the shared covariance is that of streaming LDA (Hayes and Kanan, 2020), and RanPAC
    (McDonnell et al., 2023) makes the same second-order correction behind a random projection.

    Differs from the papers: the classes are tasks, and what is chosen is the part of the network
    that answers; s follows from the data (streaming LDA: fixed at 1e-4; RanPAC: a ridge by
    validation); no projection; tasks count alike, however many prompts they have.
    """

    counts: Mapping[str, int]
    means: Mapping[str, Float[np.ndarray, " D"]]
    scatter: Float[np.ndarray, "D D"]

    @classmethod
    def empty(cls) -> "Router":
        """One that knows no task."""
        return cls({}, {}, np.zeros((0, 0)))

    def plus(self, task: str, features: Features) -> "Router":
        """With prompts of a task added: one that is new, or more of one that is known."""
        x = features.astype(np.float64)
        n, mean = len(x), x.mean(axis=0)
        scatter = (x - mean).T @ (x - mean)
        if self.counts:
            scatter += self.scatter
        if task in self.counts:  # Chan et al., 1983
            before = self.counts[task]
            away = mean - self.means[task]
            scatter += np.outer(away, away) * (before * n / (before + n))
            mean = self.means[task] + away * (n / (before + n))
            n += before
        return Router({**self.counts, task: n}, {**self.means, task: mean}, scatter)

    @property
    def shrinkage(self) -> float:
        """s, from 0 to 1."""
        n, width = sum(self.counts.values()), len(self.scatter)
        covariance = self.scatter / n
        square = float(np.square(covariance).mean())
        level = float(np.trace(covariance) / width) ** 2
        rest = (n + 1) * (square - level / width)
        return 1.0 if rest <= 0 else min(1.0, (square + level) / rest)

    def rule(self) -> Rule:
        """How prompts are told apart by what is known so far."""
        n, width = sum(self.counts.values()), len(self.scatter)
        means = np.stack([*self.means.values()])
        center = means.mean(axis=0)
        level = float(np.trace(self.scatter)) / n / width
        shared = np.eye(width)
        if level > 0:  # else no task has two prompts that differ: the nearest mean as it is
            s = self.shrinkage
            shared = (1 - s) * self.scatter / n + s * level * shared
        away = means - center
        weights = np.linalg.solve(shared, away.T).T
        return Rule(tuple(self.means), weights, center, -0.5 * (weights * away).sum(axis=1))


def write_router(path: Path, router: Router) -> None:
    """The sums as one file of tensors; the tasks' names, in their order, in its metadata."""
    from safetensors.numpy import save_file

    tensors = {
        "counts": np.array([*router.counts.values()], dtype=np.int64),
        "means": np.array([*router.means.values()]).reshape(len(router.means), len(router.scatter)),
        "scatter": router.scatter,
    }
    save_file(tensors, path, metadata={"tasks": json.dumps([*router.counts])})


def read_router(path: Path) -> Router:
    """What `write_router` wrote.

    Raises:
        RunFolderError: it is gone, damaged, or not finite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tasks = json.loads(file.metadata()["tasks"])
            counts, means, scatter = (file.get_tensor(n) for n in ("counts", "means", "scatter"))
        finite = np.isfinite(means).all() and np.isfinite(scatter).all()
        if not finite or means.shape != (len(tasks), len(scatter)):
            raise ValueError("its numbers are not finite or do not fit each other")
        return Router(
            {task: int(n) for task, n in zip(tasks, counts, strict=True)},
            dict(zip(tasks, means, strict=True)),
            scatter,
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(
            f"{path}: what an earlier stage kept for the router is gone or damaged; start anew "
            "with another --out, or leave `router` out"
        ) from problem
