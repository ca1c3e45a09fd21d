"""Prediction rows for tests, without a model."""

import numpy as np

from madrigal.evaluation.metrics import scored
from madrigal.evaluation.prediction import Prediction


def answered(pairs, metric="exact_match", task="t", clusters=None):
    """Rows of free answers from (output, targets) pairs."""
    rows = []
    for i, (output, targets) in enumerate(pairs):
        targets = (targets,) if isinstance(targets, str) else tuple(targets)
        row = Prediction(
            task=task,
            id=f"{i:05d}",
            where=f"{task}.jsonl:{i + 1}",
            cluster=str(clusters[i]) if clusters is not None else f"{i:05d}",
            kind="answer",
            prompt="?",
            targets=targets,
            output=output,
            score=0.0,
            parsed=bool(output.strip()),
        )
        rows.append(scored(row, metric))
    return rows


def chosen(pairs, labels, metric="accuracy", task="t", clusters=None):
    """Rows of ranked labels from (output, target) pairs."""
    rows = []
    for i, (output, target) in enumerate(pairs):
        row = Prediction(
            task=task,
            id=f"{i:05d}",
            where=f"{task}.jsonl:{i + 1}",
            cluster=str(clusters[i]) if clusters is not None else f"{i:05d}",
            kind="choice",
            prompt="?",
            targets=(target,),
            output=output,
            score=0.0,
            choices={label: -1.0 - (label != output) for label in labels},
            lengths={label: (1, len(label.encode())) for label in labels},
        )
        rows.append(scored(row, metric))
    return rows


def coins(n, share, seed=0, task="t", clusters=None):
    """n rows of which each is right with probability `share`."""
    right = np.random.default_rng(seed).random(n) < share
    return chosen([("a" if r else "b", "a") for r in right], "ab", task=task, clusters=clusters)


def windows(nats, tokens, size, task="t", clusters=None):
    """Rows of raw text."""
    return [
        scored(
            Prediction(
                task=task,
                id=f"{i:05d}",
                where=f"{task}.txt:{i}",
                cluster=str(clusters[i]) if clusters is not None else f"{i:05d}",
                kind="text",
                prompt="",
                targets=(),
                output="",
                score=0.0,
                nats=float(nats[i]),
                tokens=int(tokens[i]),
                bytes=int(size[i]),
            ),
            "perplexity",
        )
        for i in range(len(nats))
    ]
