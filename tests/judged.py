"""Rows of answers that were judged, and what a model made of them, for tests of objectives."""

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import torch

from madrigal.objectives import Outputs
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.policy import Acting
from madrigal.tasks.encoded import Judged
from tiny import row

# Objectives that learn from what stands in the data.
KINDS = tuple(k for k in get_args(get_args(ObjectiveSettings)[0]) if not issubclass(k, Acting))


def chance(one, other):
    """That an answer of quality `one` is better than another; None was not judged."""
    if one is None or other is None:
        return math.nan
    return 0.5 if one == other else float(one > other)


def ranked(*quality, seed=0, **columns):
    """An example of K answers of known quality; `columns` are lists of K fields of `Judged`."""
    wins = [[chance(a, b) for b in quality] for a in quality]
    for k in range(len(quality)):
        wins[k][k] = math.nan
    return answers(wins, seed=seed, **columns)


def pair(wins=1.0, seed=0, **columns):
    """Two answers, the first better with this chance."""
    return answers([[math.nan, wins], [1 - wins, math.nan]], seed=seed, **columns)


def answers(wins, seed=0, lengths=None, **columns):
    """An example of K answers by the chances of each to be better than each."""
    numbers = np.random.default_rng([seed, len(wins)])
    count = len(wins)
    columns = {"reference": (-numbers.uniform(2, 9, count)).tolist()} | columns
    lengths = lengths or numbers.integers(1, 6, count).tolist()
    rows = []
    for place, mine in enumerate(wins):
        fields = {name: values[place] for name, values in columns.items()}
        plain = row(lengths[place] + 3, lengths[place], 10 * seed + place)
        rows.append(replace(plain, judged=Judged(place, tuple(mine), **fields)))
    return tuple(rows)


def swapped(example):
    """A pair with its answers the other way round."""
    first, second = example
    return (
        replace(second, judged=replace(second.judged, place=0, wins=second.judged.wins[::-1])),
        replace(first, judged=replace(first.judged, place=1, wins=first.judged.wins[::-1])),
    )


def flat(examples):
    return [row for example in examples for row in example]


def said(rows, seed=0, dtype=torch.float64, heads=1):
    """What a model may say to these rows: the same for the same row."""
    owner, logps, scores = [], [], []
    for index, one in enumerate(rows):
        numbers = np.random.default_rng([int(one.tokens.sum()), seed])
        owner += [index] * one.answer_tokens
        logps += (-numbers.uniform(0.05, 3, one.answer_tokens)).tolist()
        scores.append(numbers.normal(size=heads))
    held = torch.tensor(logps, dtype=dtype).requires_grad_()
    return Outputs(
        row=torch.tensor(owner, dtype=torch.int64),
        logps=held,
        mean_logps=2 * held - 1,
        scores=torch.tensor(np.array(scores).reshape(-1, heads), dtype=dtype).requires_grad_(),
    )


def giving(rows, totals):
    """Outputs in which each row's answer has this log-probability, spread over its tokens."""
    owner = [index for index, one in enumerate(rows) for _ in range(one.answer_tokens)]
    where = torch.tensor(owner, dtype=torch.int64)
    sizes = torch.tensor([one.answer_tokens for one in rows], dtype=torch.float64)
    return Outputs(where, (totals / sizes)[where])


def at_reference(rows):
    """Outputs of the reference itself."""
    known = torch.tensor([one.judged.reference for one in rows], dtype=torch.float64)
    return giving(rows, known.requires_grad_())


# What a kind cannot be without.
NAMED = {"align": {"to": "echo"}}


def plain(settings, **keys):
    """Settings of a kind with its defaults, but for these keys."""
    return settings(**NAMED.get(settings.model_fields["kind"].default, {}) | keys)


# Of each key of the objectives' settings, another value than the default.
OTHER = {
    "likelihood.normalise": "examples",
    "align.normalise": "examples",
    "align.to": "mood",
    "how": "mmd",
    "strength": 5.0,
    "pool": "mean",
    "normalise": "tokens",
    "beta": 0.35,
    "smoothing": 0.1,
    "flip_rate": 0.2,
    "likelihood": 0.7,
    "dpop": 5.0,
    "desirable": 1.5,
    "undesirable": 0.5,
    "threshold": 0.25,
    "odds": 0.6,
    "gamma": 0.4,
    "scale": 3.0,
    "preference": 0.5,
    "edits": 4.0,
    "compare": 0.5,
    "regress": 2.0,
    "margin": 0.5,
    "centring": 0.1,
    "temperature": 0.5,
    "length_debias": 0.5,
}


def other(settings, key):
    """Another value of a key of some settings."""
    kind = settings.model_fields["kind"].default
    return OTHER.get(f"{kind}.{key}", OTHER.get(key))


def variants(settings):
    """Each key of some settings with another value, alone."""
    keys = [key for key in settings.model_fields if key != "kind"]
    return {key: plain(settings, **{key: other(settings, key)}) for key in keys}
