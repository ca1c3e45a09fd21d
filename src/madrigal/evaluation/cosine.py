"""The cosine of two tasks' expected gradients, freed of noise, with its interval over steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.gradient_log import GradientLog, as_many_as

MARGIN = 0.05  # a cosine nearer to 0 than this is nobody's trouble
LEAST_STEPS = 12  # fewer measured steps give no interval: it would be too narrow


@dataclass(frozen=True, slots=True)
class Cosine:
    """An estimate over `steps` steps from step `first` to step `last`.

    `corrected` is False where the halves of a step were not measured, or no signal rises above the
    noise: then the value is the mean of the steps' own cosines, which noise draws towards 0.
    `p_conflict` is the two-sided p that the cosine is not below -MARGIN, `p_agreement` that it is
    not above it.
    """

    value: float
    low: float | None
    high: float | None
    corrected: bool
    steps: int
    first: int
    last: int
    p_conflict: float = 1.0
    p_agreement: float = 1.0

    @property
    def below_zero(self) -> bool:
        return self.high is not None and self.high < 0


def cosines(log: GradientLog, pairs: Sequence[int], blocks: Blocks) -> list[Cosine | None]:
    """The corrected cosine of each pair over all steps of the log that measured it.

        cos_ij = sum_t d_ij(t) / sqrt( sum_t s_i(t) * sum_t s_j(t) )

    d_ij(t) is the inner product of the two tasks' gradients in step t, unbiased because their
    examples differ; s_i(t) that of the halves of task i, an unbiased estimate of |E g_i|^2 where
    the squared norm is too large by the noise. All are divided by how long the tasks' gradients are
    around step t, so that every step counts about the same: otherwise the large gradients of the
    first steps decide alone, and what comes later cannot be seen. A measured step counts for all
    steps around it (`gradient_log.standing`). Where lengths jump from step to
    step by more than that, the cosine comes out a little nearer to 0 than it is.

    Where examples are drawn evenly over labels and a label has an odd number of them in the step,
    s_i is too small (see `training.halves`): the cosine is then too far from 0, its sign is right,
    and the interval may miss it.

    The value is clipped to [-1, 1]. Where the signal of one of the two does not surely rise above
    the noise, only the sign and a bound can be known: |E g|^2 is at most the mean squared norm, so
    the same quotient with squared norms is nearer to 0 than the cosine is. The value is the mean of
    the steps' own then, and the interval reaches from the bound to -1 or 1, or to both.
    None where a pair has no measured step.
    """
    found: list[Cosine | None] = [None] * len(pairs)
    scale = log.scale()
    terms = [_terms(log, scale, pair) for pair in pairs]
    known = [(place, *term) for place, term in enumerate(terms) if term is not None]
    # Pairs measured in the same steps share their draws, which is much quicker.
    for mask in {used.tobytes(): used for _, _, used, _ in known}.values():
        same = [entry for entry in known if np.array_equal(entry[2], mask)]
        values = np.concatenate([entry[1][mask] for entry in same], axis=1)
        known_by = as_many_as(log.stands_for[mask])
        estimates = _estimates(values.reshape(len(values), len(same), 3), blocks, known_by)
        steps = log.steps[mask]
        for (place, _, _, corrected), one in zip(same, estimates, strict=True):
            if one is None:
                one, corrected = _bounded(log, scale, pairs[place], mask, blocks), False
            ends = {"first": int(steps[0]), "last": int(steps[-1])}
            found[place] = replace(one, corrected=corrected, **ends)
    return found


def _bounded(
    log: GradientLog,
    scale: Float[np.ndarray, "T K"],
    pair: int,
    mask: Bool[np.ndarray, " T"],
    blocks: Blocks,
) -> Cosine:
    """What can be said without the noise taken out, of a pair whose signal is hidden."""
    values = _products(log, scale, pair, log.norm**2)[mask][:, None, :]
    (one,) = _estimates(values, blocks, as_many_as(log.stands_for[mask]))
    assert one is not None, "a norm is surely there"
    raw = float(np.average(log.cosine[mask, pair], weights=log.stands_for[mask]))
    low = one.low if one.low is not None and one.low > 0 else -1.0
    high = one.high if one.high is not None and one.high < 0 else 1.0
    return replace(one, value=min(max(raw, low), high), low=low, high=high)


_Terms = tuple[Float[np.ndarray, "T 3"], Bool[np.ndarray, " T"], bool]


def _terms(log: GradientLog, scale: Float[np.ndarray, "T K"], pair: int) -> _Terms | None:
    """(d_ij, s_i, s_j) a step, which steps have them, and whether they are free of noise."""
    both = _products(log, scale, pair, log.signal)
    used = np.asarray(np.isfinite(both).all(axis=1))
    if used.sum() >= LEAST_STEPS:
        return both, used, True
    plain = np.isfinite(log.cosine[:, pair])
    if not plain.any():
        return None
    stand = log.stands_for
    return np.stack([stand * log.cosine[:, pair], stand, stand], axis=1), plain, False


def _products(
    log: GradientLog,
    scale: Float[np.ndarray, "T K"],
    pair: int,
    squared: Float[np.ndarray, "T K"],
) -> Float[np.ndarray, "T 3"]:
    """d_ij and the two squared lengths in each step, by how long gradients are around it."""
    i, j = log.pairs[pair]
    found = np.stack(
        [
            log.dot(pair) / (scale[:, i] * scale[:, j]),
            squared[:, i] / scale[:, i] ** 2,
            squared[:, j] / scale[:, j] ** 2,
        ],
        axis=1,
    )
    return log.stands_for[:, None] * found


def _estimates(
    values: Float[np.ndarray, "T P 3"], blocks: Blocks, known_by: int
) -> list[Cosine | None]:
    """None where a signal is not surely there; the steps tell as much as `known_by` equal ones."""
    steps, pairs, _ = values.shape
    total = values.sum(axis=0)
    value = _ratio(total)
    plain = [Cosine(float(x), None, None, True, steps, 0, 0) for x in value]
    if steps < LEAST_STEPS:
        return [*plain]
    draws = blocks.sums(values.reshape(steps, pairs * 3)).reshape(-1, pairs, 3)
    low, high = blocks.ends(_ratio(draws), known_by)
    conflict = blocks.p_below(_above(total, MARGIN), _above(draws, MARGIN), known_by)
    agreement = blocks.p_below(-_above(total, -MARGIN), -_above(draws, -MARGIN), known_by)
    hidden = (_size(draws) == 0).mean(axis=0) > (1 - blocks.confidence) / 2
    return [
        None
        if hidden[p]
        else replace(
            one,
            low=float(min(low[p], one.value)),
            high=float(max(high[p], one.value)),
            p_conflict=float(conflict[p]),
            p_agreement=float(agreement[p]),
        )
        for p, one in enumerate(plain)
    ]


def _ratio(sums: Float[np.ndarray, "*draws P 3"]) -> Float[np.ndarray, "*draws P"]:
    dot = sums[..., 0]
    size = _size(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(size > 0, dot / size, np.sign(dot))
    return np.clip(found, -1.0, 1.0)


def _above(sums: Float[np.ndarray, "*draws P 3"], margin: float) -> Float[np.ndarray, "*draws P"]:
    """Below 0 exactly where the cosine is below -margin, without a quotient of small numbers."""
    return sums[..., 0] + margin * _size(sums)


def _size(sums: Float[np.ndarray, "*draws P 3"]) -> Float[np.ndarray, "*draws P"]:
    return np.sqrt(np.maximum(sums[..., 1], 0.0) * np.maximum(sums[..., 2], 0.0))
