"""Sampling policies: from the sizes of K tasks to K shares that sum to 1."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from jaxtyping import Float

from madrigal.errors import RecipeError
from madrigal.mixture.size import TaskSize
from madrigal.recipe.stage import (
    Balanced,
    MixtureSettings,
    Proportional,
    Temperature,
    Uniform,
    Weights,
)


def proportional(sizes: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """share_k = size_k / sum_j size_j."""
    return sizes / sizes.sum()


def temperature(sizes: Float[np.ndarray, " K"], temperature: float) -> Float[np.ndarray, " K"]:
    """share_k proportional to size_k ^ (1 / temperature) (Raffel et al., 2020, section 3.5.2).

    1 is proportional, infinity uniform. No limit on the size is applied before.
    """
    # Through logarithms, so that no size overflows; the largest becomes 1.
    logs = np.log(sizes) / temperature
    return proportional(np.exp(logs - logs.max()))


def uniform(sizes: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """share_k = 1 / K."""
    return np.full(len(sizes), 1 / len(sizes))


def capped(
    shares: Float[np.ndarray, " K"], caps: Float[np.ndarray, " K"], total: int
) -> Float[np.ndarray, " K"]:
    """Shares of `total` draws when task k may have at most `caps[k]`; the others get what is over.

    Water-filling: draws_k = min(cap_k, level * share_k), with the level at which they sum to
    `total`. From equal shares and caps of N passes this is UniMax (Chung et al., 2023,
    algorithm 1). Where the caps together hold less than `total`, the shares are those of the caps.
    """
    if caps.sum() <= total:
        return proportional(caps)
    full = np.zeros(len(shares), dtype=bool)
    while True:
        level = (total - caps[full].sum()) / shares[~full].sum()
        over = ~full & (level * shares > caps)
        if not over.any():
            return np.where(full, caps, level * shares) / total
        full |= over


def in_examples(
    token_shares: Float[np.ndarray, " K"], mean_lengths: Float[np.ndarray, " K"]
) -> Float[np.ndarray, " K"]:
    """Shares of the examples that give these shares of the tokens."""
    return proportional(token_shares / mean_lengths)


def in_tokens(
    example_shares: Float[np.ndarray, " K"], mean_lengths: Float[np.ndarray, " K"]
) -> Float[np.ndarray, " K"]:
    """Shares of the tokens that these shares of the examples give."""
    return proportional(example_shares * mean_lengths)


def policy_shares(mixture: MixtureSettings, tasks: Sequence[TaskSize]) -> Float[np.ndarray, " K"]:
    """What the policy asks for before any cap, in the mixture's unit.

    Raises:
        RecipeError: explicit weights that do not name exactly the tasks, or are not positive.
    """
    tokens = mixture.unit == "tokens"
    sizes = np.array([task.lengths.sum() if tokens else len(task.lengths) for task in tasks], float)
    match mixture:
        case Proportional():
            return proportional(sizes)
        case Temperature():
            return temperature(sizes, mixture.temperature)
        case Uniform() | Balanced():
            return uniform(sizes)
        case Weights():
            return proportional(_given(mixture.weights, [task.name for task in tasks]))
        case _:
            assert_never(mixture)


def _given(weights: dict[str, float], names: Sequence[str]) -> Float[np.ndarray, " K"]:
    known = ", ".join(repr(name) for name in names)
    mistakes = [
        f"mixture.weights: no weight for task {name!r}; give every task of the stage one"
        for name in names
        if name not in weights
    ]
    mistakes += [
        f"mixture.weights.{name}: the stage does not learn {name!r}; it learns {known}"
        for name in weights
        if name not in names
    ]
    if mistakes:
        raise RecipeError(mistakes)
    return np.array([weights[name] for name in names], float)
