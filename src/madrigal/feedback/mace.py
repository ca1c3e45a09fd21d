"""MACE: which annotators look at what they judge, and which only fill in something."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class Mace:
    """What was fitted: `competence[a]` is the chance that annotator a says what is true on purpose;
    otherwise a says level l with chance `habit[a, l]`, whatever is true."""

    levels: tuple[float, ...]
    prior: Float[np.ndarray, " C"]
    competence: Float[np.ndarray, " A"]
    habit: Float[np.ndarray, "A C"]
    truth: Float[np.ndarray, "I C"]
    log_likelihood: float


def mace(
    votes: Votes, restarts: int = 10, iterations: int = 50, smoothing: float = 0.1, seed: int = 0
) -> Mace:
    """MACE, multi-annotator competence estimation (Hovy et al., NAACL 2013), by EM.

    The true value of an item is level c with chance p_c. Annotator a says it with chance theta_a,
    and else level l with chance xi_al. With T_ic the chance that item i is c, and for a vote v of
    a about i that says l:

        E:  T_ic ~ p_c  product over votes v of i of  theta_a [l = c] + (1 - theta_a) xi_al
            K_v = T_il theta_a / (theta_a + (1 - theta_a) xi_al)      chance that it was meant
        M:  theta_a ~ s + sum of K_v      1 - theta_a ~ s + sum of 1 - K_v
            xi_al ~ s + sum of 1 - K_v over votes that say l      p_c ~ s + sum over i of T_ic

    s is `smoothing` divided by the number of values that it is added to. Of all restarts, each from
    random theta and xi, the one with the highest likelihood is taken; the same seed gives the same.
    Votes of annotators who are not known are left out.

    Differs from the paper: p_c is fitted and not 1 / C (with one level frequent, the paper's model
    takes agreement on it for habit); EM with smoothing alone, not its variational Bayes.
    """
    fit = fit_of(votes, smoothing)
    found = [fit.climb(*start, iterations) for start in fit.starts(restarts, seed)]
    return max(found, key=lambda one: one.log_likelihood)


def fit_of(votes: Votes, smoothing: float) -> "Fit":
    """The votes of known annotators, laid out for EM."""
    known = votes.keep(votes.annotator >= 0)
    levels, level = np.unique(known.value, return_inverse=True)
    shape = (len(votes.prompt), len(votes.names), len(levels))
    return Fit(known.item, known.annotator, level, tuple(map(float, levels)), shape, smoothing)


@dataclass(frozen=True, slots=True)
class Fit:
    """Votes, and the steps of EM on them."""

    item: Int[np.ndarray, " V"]
    annotator: Int[np.ndarray, " V"]
    level: Int[np.ndarray, " V"]
    levels: tuple[float, ...]
    shape: tuple[int, int, int]  # items, annotators, levels
    smoothing: float

    def starts(self, restarts: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        _, annotators, levels = self.shape
        random = np.random.Generator(np.random.Philox(key=seed))
        return [
            (random.uniform(0.5, 1, annotators), random.dirichlet(np.ones(levels), annotators))
            for _ in range(restarts)
        ]

    def climb(self, competence: np.ndarray, habit: np.ndarray, iterations: int) -> Mace:
        items, _, levels = self.shape
        rated = np.bincount(self.item, minlength=items) > 0
        prior = np.full(levels, 1 / levels)
        for _ in range(iterations):
            truth, _ = self.truth(prior, competence, habit)
            competence, habit = self.maximise(truth, competence, habit)
            prior = truth[rated].sum(axis=0) + self.smoothing / levels
            prior /= prior.sum()
        truth, likelihood = self.truth(prior, competence, habit)
        return Mace(self.levels, prior, competence, habit, truth, likelihood)

    def logs(self, prior: np.ndarray, competence: np.ndarray, habit: np.ndarray) -> np.ndarray:
        """log p_c + the log-likelihood of each item's votes if it is c."""
        items, _, levels = self.shape
        blind, gain = self.spoken(competence, habit)
        base = np.bincount(self.item, np.log(blind), minlength=items)
        cell = self.item * levels + self.level
        logs = np.bincount(cell, gain, minlength=items * levels).reshape(items, levels)
        return logs + base[:, None] + np.log(prior)

    def spoken(self, competence: np.ndarray, habit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chance of each vote where it is not true, and how much likelier it is, in logs, where."""
        theta = competence[self.annotator]
        blind = (1 - theta) * habit[self.annotator, self.level]
        return blind, np.log1p(theta / blind)

    def truth(
        self, prior: np.ndarray, competence: np.ndarray, habit: np.ndarray
    ) -> tuple[np.ndarray, float]:
        logs = self.logs(prior, competence, habit)
        top = logs.max(axis=1, keepdims=True)
        raised = np.exp(logs - top)
        total = raised.sum(axis=1, keepdims=True)
        return raised / total, float((np.log(total) + top).sum())

    def maximise(
        self, truth: np.ndarray, competence: np.ndarray, habit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        _, annotators, levels = self.shape
        theta = competence[self.annotator]
        spoken = theta + (1 - theta) * habit[self.annotator, self.level]
        meant = truth[self.item, self.level] * theta / spoken
        on_purpose = np.bincount(self.annotator, meant, minlength=annotators)
        cell = self.annotator * levels + self.level
        blind = np.bincount(cell, 1 - meant, minlength=annotators * levels)
        blind = blind.reshape(annotators, levels)
        otherwise = blind.sum(axis=1)
        half, part = self.smoothing / 2, self.smoothing / levels
        return (
            (on_purpose + half) / (on_purpose + otherwise + self.smoothing),
            (blind + part) / (otherwise + self.smoothing)[:, None],
        )
