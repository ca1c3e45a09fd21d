"""What a mixture needs to know of a task."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, slots=True)
class TaskSize:
    """The training examples of one task, as the sampler sees them.

    `strata[i]` is example i's value of the field that the mixture draws evenly over (`within`);
    None where the task has no such field, and then all its examples are drawn alike. `fields` are
    those that the mixture could have named instead. `difficulty` is what a curriculum by the loss
    of the base ranks them by, None until that is measured.
    """

    name: str
    lengths: Int[np.ndarray, " n"]  # tokens of each example
    strata: tuple[str, ...] | None = None
    max_epochs: float | None = None  # passes over the examples, at most
    fields: tuple[str, ...] = ()
    difficulty: Float[np.ndarray, " n"] | None = None

    def groups(self) -> Mapping[str, Int[np.ndarray, " m"]]:
        """Indices of the examples by stratum, in alphabetical order; one group without strata."""
        if self.strata is None:
            return {"": np.arange(len(self.lengths))}
        values = np.asarray(self.strata)
        return {str(value): np.flatnonzero(values == value) for value in np.unique(values)}

    def mean_length(self) -> float:
        """Tokens of an average draw: every stratum counts the same, as it is drawn."""
        return float(np.mean([self.lengths[group].mean() for group in self.groups().values()]))

    def cap(self, max_epochs: float | None) -> float:
        """Most draws in `max_epochs` passes over each stratum; infinite without a limit."""
        if max_epochs is None:
            return float("inf")
        return float(sum(stratum_cap(len(group), max_epochs) for group in self.groups().values()))


def stratum_cap(examples: int, max_epochs: float | None) -> float:
    """Most draws out of so many examples in `max_epochs` passes."""
    # 0.1 passes over 30 examples are 3 draws, whatever 0.1 * 30 is in binary.
    return float("inf") if max_epochs is None else float(int(max_epochs * examples + 1e-9))
