"""How far annotators agree: Krippendorff's alpha, and the share of votes that say the same."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.intervals import Resampling, vary, wilson
from madrigal.evaluation.measure import DRAWS, Measure, around, draws, share
from madrigal.feedback.votes import Votes

Metric = Literal["nominal", "ordinal", "interval"]


def alpha(
    item: Int[np.ndarray, " V"],
    value: Float[np.ndarray, " V"],
    metric: Metric = "nominal",
    weight: Float[np.ndarray, " I"] | None = None,
) -> float:
    """Krippendorff's alpha (Content Analysis, 2004, chapter 11): 1 - D_o / D_e.

    Vote v gives `value[v]` to item `item[v]`; who gave it does not matter, and items may have any
    number of votes: those with one say nothing and are left out. With m_u votes in item u and n
    votes in all, over pairs of different votes i, j:

        D_o = 1/n  sum over u of  1/(m_u - 1)  sum over i, j in u of  delta(i, j)^2
        D_e = 1/(n (n - 1))  sum over all i, j of  delta(i, j)^2

    delta^2 is 1 for different values ("nominal"), the squared difference ("interval"), or the
    squared difference of the values' mean ranks among all votes ("ordinal", which is
    Krippendorff's sum of frequencies between them). 1 is perfect, 0 is chance; nan where all votes
    are the same. `weight[u]` counts item u that often, for bootstrap draws.
    """
    items = int(item.max()) + 1 if len(item) else 0
    votes = np.bincount(item, minlength=items)
    counted = np.where(votes > 1, 1.0 if weight is None else weight[:items], 0.0)
    levels, level = np.unique(value, return_inverse=True)
    margin = np.bincount(level, counted[item], minlength=len(levels))
    n = margin.sum()
    if n < 2:
        return float("nan")
    pairs = np.maximum(votes - 1, 1)
    if metric == "nominal":
        cells = np.bincount(item * len(levels) + level, minlength=items * len(levels))
        same = (cells.reshape(items, -1) ** 2).sum(axis=1)
        observed = float((counted * (votes**2 - same) / pairs).sum())
        expected = float(n**2 - (margin**2).sum())
    else:
        scale = levels if metric == "interval" else np.cumsum(margin) - margin / 2
        scale = scale - (margin @ scale) / n
        x = scale[level]
        sums, squares = (np.bincount(item, x**power, minlength=items) for power in (1, 2))
        observed = float((counted * 2 * (votes * squares - sums**2) / pairs).sum())
        expected = float(2 * (n * (margin @ scale**2) - (margin @ scale) ** 2))
    return float(1 - observed * (n - 1) / expected) if expected > 0 else float("nan")


def krippendorff(votes: Votes, metric: Metric, resampling: Resampling = DRAWS) -> Measure | None:
    """Krippendorff's alpha of a table of votes, bootstrapped over prompts.

    n counts the items with two votes or more. Comparisons are counted in both orders of the pair:
    so every value is as frequent as its opposite, and alpha does not hang on which of two answers
    is called the first. None where no item has two votes, or all votes are the same.
    """
    table = votes.mirrored if votes.answers.shape[1] == 2 else votes
    votes_of = np.bincount(table.item, minlength=len(table.prompt))
    table = table.keep(votes_of[table.item] > 1)
    found, item = np.unique(table.item, return_inverse=True)
    value = alpha(item, table.value, metric)
    if not np.isfinite(value):
        return None
    prompts, prompt = np.unique(table.prompt[found], return_inverse=True)
    items = len(np.unique(votes.item[votes_of[votes.item] > 1]))
    drawn = np.array(
        [alpha(item, table.value, metric, row[prompt]) for row in draws(len(prompts), resampling)]
    )
    known = drawn[np.isfinite(drawn)]
    if vary(known):
        return around(value, known, items, resampling)
    # All agree, so the draws know nothing: Wilson's interval for the share of items that do.
    low, _ = wilson(len(prompts), len(prompts), resampling.confidence)
    _, counts = np.unique(table.value, return_counts=True)
    chance = float(((counts / counts.sum()) ** 2).sum())
    return Measure(value, min(value, 1 - (1 - low) / (1 - chance)), value, items)


def agreement(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """Of the other votes about the same item, the share that say the same, as a mean over votes.

    It is what accuracy one annotator has who is to guess another's vote. n counts the votes that
    have another beside them.
    """
    levels, level = np.unique(votes.value, return_inverse=True)
    if not len(levels):
        return None
    found, item = np.unique(votes.item, return_inverse=True)
    cells = np.bincount(item * len(levels) + level, minlength=len(found) * len(levels))
    table = cells.reshape(len(found), -1).astype(np.float64)
    votes_of = table.sum(axis=1)
    same = (table * (table - 1)).sum(axis=1) / np.maximum(votes_of - 1, 1)
    several = np.where(votes_of > 1, votes_of, 0.0)
    return share(np.where(votes_of > 1, same, 0.0), several, votes.prompt[found], resampling)
