"""How competent each annotator is in the eyes of the others, and how sure that is."""

from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from madrigal.feedback.mace import Fit, Mace, fit_of
from madrigal.feedback.votes import Votes

_GRID = np.linspace(0, 1, 201)  # of competences


def competence_range(
    votes: Votes, fitted: Mace, confidence: float = 0.95
) -> Float[np.ndarray, "A 3"]:
    """Competence of each annotator with its interval: best, low, high, by profile likelihood.

    What is true of an item is taken from the votes of the others alone, T'_v. The likelihood of
    theta is the product over votes v of a of theta T'_vl + (1 - theta) xi_l, where xi is what, with
    theta, gives the shares of the levels among a's votes. The interval has all theta whose log
    likelihood is at most z^2 / 2 below the best.
    """
    fit = fit_of(votes, 0.0)
    told = _by_the_others(fit, fitted)
    annotators, levels = fitted.habit.shape
    counts = np.maximum(np.bincount(fit.annotator, minlength=annotators), 1)
    cell = fit.annotator * levels + fit.level
    shares = np.bincount(cell, minlength=annotators * levels).reshape(annotators, levels)
    means = np.stack(
        [np.bincount(fit.annotator, told[:, c], minlength=annotators) for c in range(levels)], 1
    )
    shares, means = shares / counts[:, None], means / counts[:, None]
    truth = told[np.arange(len(told)), fit.level]
    curve = np.empty((annotators, len(_GRID)))
    for place, theta in enumerate(_GRID):
        habit = np.maximum(shares - theta * means, 1e-3)
        habit /= habit.sum(axis=1, keepdims=True)
        chance = theta * truth + (1 - theta) * habit[fit.annotator, fit.level]
        curve[:, place] = np.bincount(
            fit.annotator, np.log(np.maximum(chance, 1e-12)), minlength=annotators
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    inside = curve >= curve.max(axis=1, keepdims=True) - z * z / 2
    last = len(_GRID) - 1 - inside[:, ::-1].argmax(axis=1)
    return _GRID[np.stack([curve.argmax(axis=1), inside.argmax(axis=1), last], axis=1)]


def _by_the_others(fit: Fit, fitted: Mace) -> Float[np.ndarray, "V C"]:
    """What is true of the item of each vote, as far as the other votes tell."""
    logs = fit.logs(fitted.prior, fitted.competence, fitted.habit)[fit.item]
    blind, gain = fit.spoken(fitted.competence, fitted.habit)
    logs -= np.log(blind)[:, None]
    logs[np.arange(len(logs)), fit.level] -= gain
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
