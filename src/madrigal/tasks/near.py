"""The part of raw text that is nearest to a task: importance by n-grams (DSIR; Xie et al., 2023).

Texts are counted as words and pairs of words, hashed into B buckets. With q the shares of
the buckets in all raw text and p nine tenths of those in the task's texts and one tenth of q, a
piece of raw text with counts n_b has the log-weight

    sum_b n_b (log p_b - log q_b)

Pieces are drawn without replacement in proportion to their weights: the k highest of log-weight
plus Gumbel noise. How far texts are from the task's is told in bits of KL(task || texts), each
count raised by one. That falls with fewer texts by itself, so it is compared with as much text
chosen at random (the paper's KL reduction, which it takes against all).

Differs from the paper: pieces are passages of about equal length instead of documents; p leans on
q, as a task may be small, and words that it happens not to have would decide everything.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

BUCKETS = 10_000
LEANING = 0.1
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Places of the pieces that were chosen, in order, their log-weights, and bits of KL from the
    task to all raw text, to what was chosen, and to as much chosen at random."""

    places: tuple[int, ...]
    weights: tuple[float, ...]
    before: float
    after: float
    random: float


def grams(text: str) -> Int[np.ndarray, " G"]:
    """The buckets of a text's words and pairs of words, without case."""
    words = _WORD.findall(text.lower())
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    return np.fromiter(map(_bucket, (*words, *pairs)), dtype=np.int64)


@lru_cache(maxsize=1 << 17)
def _bucket(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS


def nearest(
    pieces: Sequence[str], wanted: Sequence[str], characters: int, seed: int, noise: float = 1.0
) -> Chosen:
    """Pieces of so many characters together, at least one, drawn by their nearness to `wanted`.

    `noise` 0 takes the nearest ones.
    """
    buckets = [grams(piece) for piece in pieces]
    wish, every = counted([grams(text) for text in wanted]), counted(buckets)
    shares = [one / max(1.0, one.sum()) for one in (wish, every)]
    there = every > 0  # no piece has another
    ratio = np.zeros(BUCKETS)
    ratio[there] = np.log((1 - LEANING) * shares[0][there] / shares[1][there] + LEANING)
    weights = np.array([float(ratio[some].sum()) for some in buckets])
    chance = np.random.Generator(np.random.Philox(key=[seed, 20230206]))
    drawn = weights + noise * chance.gumbel(size=len(pieces))
    places = _filled(np.argsort(-drawn, kind="stable"), pieces, characters)
    others = _filled(chance.permutation(len(pieces)), pieces, characters)
    return Chosen(
        tuple(places),
        tuple(float(weights[k]) for k in places),
        divergence(wish, every),
        divergence(wish, counted([buckets[k] for k in places])),
        divergence(wish, counted([buckets[k] for k in others])),
    )


def _filled(order: Int[np.ndarray, " N"], pieces: Sequence[str], characters: int) -> list[int]:
    """The first pieces in an order, until they have so many characters; sorted."""
    taken, held = [], 0
    for k in order.tolist():
        if held >= characters:
            break
        taken.append(k)
        held += len(pieces[k])
    return sorted(taken)


def counted(buckets: Sequence[Int[np.ndarray, " _"]]) -> Float[np.ndarray, " B"]:
    """How often each bucket is met in some texts."""
    flat = np.concatenate(buckets) if buckets else np.zeros(0, dtype=np.int64)
    return np.bincount(flat, minlength=BUCKETS).astype(np.float64)


def divergence(one: Float[np.ndarray, " B"], other: Float[np.ndarray, " B"]) -> float:
    """KL of two counts in bits, each count raised by one."""
    p, q = ((count + 1) / (count.sum() + BUCKETS) for count in (one, other))
    return float((p * np.log2(p / q)).sum())
