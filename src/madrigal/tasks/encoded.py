"""An example as tokens, with the trained part marked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row of a batch: tokens, and which of them are trained.

    `trained[t]` is True where token t is predicted from the tokens before it and counts in the
    loss; the first token is never trained. `lost` counts prompt tokens left out to fit the context.
    """

    tokens: Int[np.ndarray, " T"]
    trained: Bool[np.ndarray, " T"]
    lost: int = 0

    @property
    def length(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def answer_tokens(self) -> int:
        return int(self.trained.sum())


# One example of a task: one row for likelihood, two for a preference pair, K for a ranking.
Example = tuple[Encoded, ...]
