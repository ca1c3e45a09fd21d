"""What was said about judged answers, as it goes with their rows."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from madrigal.tasks.consensus import consensus
from madrigal.tasks.edits import edited
from madrigal.tasks.encoded import Judged
from madrigal.tasks.feedback import Feedback


def judge(
    said: Feedback, trained: Sequence[Int[np.ndarray, " _"]], trust: Mapping[str, float]
) -> list[Judged]:
    """One for each answer; `trained` are the tokens of the answers with their end token."""
    found = consensus(said, lambda annotator: trust.get(annotator, 1.0))
    emphasis: Sequence[np.ndarray | None] = [None] * len(trained)
    if said.kind == "correction":
        emphasis = edited(trained[0].tolist(), trained[1].tolist())
    return [
        Judged(
            place=place,
            wins=found.wins[place],
            value=found.values[place],
            margin=said.margin or 0.0,
            emphasis=emphasis[place],
        )
        for place in range(len(trained))
    ]
