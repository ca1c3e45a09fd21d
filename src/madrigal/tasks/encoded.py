"""An example as tokens, with the trained part marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said about the answer in a row, one of the K answers of an example.

    The rows of an example stand one after another in order of `place`. `reference` is the
    log-probability of the row's trained tokens under the reference model, in nats; it is nan until
    the stage has one.
    """

    place: int  # among the K answers
    wins: tuple[float, ...]  # chance to be better than each of them; nan: not compared, and itself
    value: float = math.nan  # mean rating scaled to [0, 1], or share of thumbs up
    margin: float = 0.0  # by how much the better one of a pair is better
    reference: float = math.nan
    emphasis: Float[np.ndarray, " A"] | None = None  # of each trained token: 1 where it was edited


@dataclass(frozen=True, slots=True)
class Acted:
    """What is known of an answer that the model itself wrote, for each of its A trained tokens.

    Log-probabilities are in nats, of the distribution that the tokens were drawn from, and come
    from the trainer's own forward pass: a generator's differ by more than rounding.
    """

    old: Float[np.ndarray, " A"]  # log-probabilities by the weights that wrote the answer
    advantage: Float[np.ndarray, " A"]
    reference: Float[np.ndarray, " A"] | None = None  # log-probabilities by the reference
    value: Float[np.ndarray, " A"] | None = None  # what the critic expected before its update
    returns: Float[np.ndarray, " A"] | None = None  # what the critic should have expected
    # The tokens that each was drawn from, eight a byte; None: from all. See `model.nucleus`.
    kept: UInt8[np.ndarray, "A W"] | None = None
    # By the weights that write it now: as far as rounding may take its ratio from 1.
    fresh: float | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row of a batch: tokens, and which of them are trained.

    `trained[t]` is True where token t is predicted from the tokens before it and counts in the
    loss; the first token is never trained. `lost` counts prompt tokens left out to fit the context.
    """

    tokens: Int[np.ndarray, " T"]
    trained: Bool[np.ndarray, " T"]
    lost: int = 0
    judged: Judged | None = None
    acted: Acted | None = None

    @property
    def length(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def answer_tokens(self) -> int:
        return int(self.trained.sum())


# One example of a task: one row for likelihood, two for a preference pair, K for a ranking.
Example = tuple[Encoded, ...]


def cut(examples: Sequence[Example]) -> list[int]:
    """Of each example whose prompt lost a part to fit the context, how many tokens.

    The rows of an example stand behind one prompt, which is cut once for all of them.
    """
    lost = (max((row.lost for row in example), default=0) for example in examples)
    return [tokens for tokens in lost if tokens]
