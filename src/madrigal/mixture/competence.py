"""Which examples of a task a learner of some competence is given."""

import numpy as np
from jaxtyping import Float, Int, UInt64

from madrigal.recipe.curriculum import Difficulty


def competence(progress: float, settings: Difficulty) -> float:
    """Share of a task's examples, from the easiest, that is drawn from at a point of the stage.

    Platanios et al., 2019, "Competence-based curriculum learning for neural machine translation":

        c(t) = min(1, (t (1 - c0^p) / T + c0^p)^(1/p))

    with t / T = `progress / settings.full_at`, c0 = `settings.start` and p = `settings.power`
    (the paper's square root is p = 2, its line p = 1). `progress` is the share of the stage that is
    over, from 0 to 1.
    Differs from the paper: a task that comes in later has its own clock, which starts then and runs
    over the rest of the stage, and c0 is 0.1 where the recipe says nothing (0.01 there): sets for
    fine-tuning are small, and a hundredth of one is a handful of examples over and over.
    """
    time = progress / settings.full_at
    if time >= 1:
        return 1.0
    first = settings.start**settings.power
    return min(1.0, (time * (1 - first) + first) ** (1 / settings.power))


def ranks(
    difficulty: Float[np.ndarray, " n"], easy_first: bool, ties: UInt64[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Each example's place in the order of difficulty, from 1; rank / n is the paper's CDF.

    Equally difficult examples are ordered by `ties`, so that the shares stay exact where many are
    alike. What has no number (a loss that is not finite) comes last.
    """
    keys = difficulty if easy_first else -difficulty
    keys = np.where(np.isfinite(keys), keys, np.inf)
    found = np.empty(len(keys), dtype=np.int64)
    found[np.lexsort((ties, keys))] = np.arange(1, len(keys) + 1)
    return found


def allowed(examples: int, competence: float) -> int:
    """The highest rank that is drawn from: floor(c n), and at least one example."""
    return max(1, int(competence * examples + 1e-9))
