"""Dawid and Skene's model of annotators: what is true, and how each annotator errs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """What was fitted. `confusion[a, c, l]` is the chance that a says l where c is true."""

    levels: tuple[float, ...]  # the C values that votes have, ascending
    prior: Float[np.ndarray, " C"]
    confusion: Float[np.ndarray, "A C C"]
    truth: Float[np.ndarray, "I C"]  # chance of each value for each item
    objective: tuple[float, ...]  # after each iteration; it never falls

    @property
    def accuracy(self) -> Float[np.ndarray, " A"]:
        """Chance of each annotator to say what is true."""
        return np.einsum("c,acc->a", self.prior, self.confusion)


def dawid_skene(
    votes: Votes,
    iterations: int = 200,
    smoothing: float = 0.01,
    tolerance: float = 1e-9,
    weight: Float[np.ndarray, " I"] | None = None,
    start: DawidSkene | None = None,
) -> DawidSkene:
    """Dawid and Skene (Applied Statistics 28, 1979), by expectation maximisation.

    The true value of item i is c with chance p_c; annotator a says l of it with chance pi_acl,
    whatever the others say. With l_v the value of vote v, and T_ic the chance that i is c:

        E:  T_ic ~ p_c  product over votes v of i of  pi_acl  with a = a_v, l = l_v
        M:  p_c ~ s + sum over i of T_ic
            pi_acl ~ s + sum over votes v of a that say l of  T_ic  with i = i_v

    It starts at the shares of votes of each item, or at `start`, whose levels must be the same, and
    ends after `iterations` or when the objective rises by less than `tolerance` of itself. Votes
    of annotators who are not known are left out. `weight[i]` counts item i that often.

    Differs from the paper: s, `smoothing`, is 0 there. Above 0 it is a Dirichlet prior (the
    objective is then log-likelihood + s times the sum of all log p and log pi), without which one
    vote makes an annotator who is surely right or surely wrong.
    """
    known = votes.keep(votes.annotator >= 0)
    levels, level = np.unique(known.value, return_inverse=True)
    fit = _Fit(
        known.item,
        known.annotator,
        level,
        (len(votes.prompt), len(votes.names), len(levels)),
        smoothing,
        np.ones(len(votes.prompt)) if weight is None else weight,
    )
    truth = fit.shares() if start is None else start.truth
    objective: list[float] = []
    prior, confusion = fit.maximise(truth)
    for _ in range(iterations):
        truth, value = fit.expect(prior, confusion)
        objective.append(value)
        prior, confusion = fit.maximise(truth)
        if len(objective) > 1 and objective[-1] - objective[-2] < tolerance * abs(objective[-1]):
            break
    return DawidSkene(tuple(map(float, levels)), prior, confusion, truth, tuple(objective))


@dataclass(frozen=True, slots=True)
class _Fit:
    item: Int[np.ndarray, " V"]
    annotator: Int[np.ndarray, " V"]
    level: Int[np.ndarray, " V"]
    shape: tuple[int, int, int]  # items, annotators, levels
    smoothing: float
    weight: Float[np.ndarray, " I"]

    def shares(self) -> Float[np.ndarray, "I C"]:
        items, _, levels = self.shape
        cells = np.bincount(self.item * levels + self.level, minlength=items * levels)
        table = cells.reshape(items, levels) + 1e-9
        return table / table.sum(axis=1, keepdims=True)

    def maximise(
        self, truth: Float[np.ndarray, "I C"]
    ) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, "A C C"]]:
        _, annotators, levels = self.shape
        counted = truth * self.weight[:, None]
        prior = counted.sum(axis=0) + self.smoothing
        cell = self.annotator * levels + self.level
        said = np.stack(
            [
                np.bincount(cell, counted[self.item, c], minlength=annotators * levels)
                for c in range(levels)
            ]
        )
        table = said.reshape(levels, annotators, levels).transpose(1, 0, 2) + self.smoothing
        totals = table.sum(axis=2, keepdims=True)
        # Where nothing is known of an annotator and a class (only without smoothing): all alike.
        table = np.divide(table, totals, out=np.full_like(table, 1 / levels), where=totals > 0)
        return prior / prior.sum(), table

    def expect(
        self, prior: Float[np.ndarray, " C"], confusion: Float[np.ndarray, "A C C"]
    ) -> tuple[Float[np.ndarray, "I C"], float]:
        items, _, levels = self.shape
        with np.errstate(divide="ignore"):
            log_prior, log_confusion = np.log(prior), np.log(confusion)
        told = log_confusion[self.annotator, :, self.level]
        logs = np.stack(
            [np.bincount(self.item, told[:, c], minlength=items) for c in range(levels)], axis=1
        )
        logs += log_prior
        top = logs.max(axis=1, keepdims=True)
        raised = np.exp(logs - top)
        total = raised.sum(axis=1, keepdims=True)
        likelihood = float(self.weight @ (np.log(total) + top)[:, 0])
        if self.smoothing:
            likelihood += self.smoothing * float(log_prior.sum() + log_confusion.sum())
        return raised / total, likelihood
