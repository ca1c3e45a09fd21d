"""One stage, ready to train."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from madrigal.mixture.row import Source
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encoded import Example
from madrigal.training.acting import Acting
from madrigal.training.guard import Guard
from madrigal.training.step import StepParts

Validate = Callable[[], Mapping[str, float]]
ValidationLosses = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage, ready to train.

    `validate` gives a score for each task, higher is better; `validation_losses` the loss of a
    step's draw of validation examples in nats per unit, for balancers that ask. At every
    `look_ahead_every`-th step (0: never) a step on each task alone is tried, see `look_ahead`;
    its gradients by task must be measured there. `acting` puts answers of the model's own into the
    place of some tasks' examples; the stage then trains without dropout.
    """

    settings: StageSettings
    parts: StepParts
    source: Source
    examples: Mapping[str, Sequence[Example]]
    checkpoints: Path
    validate: Validate | None
    validate_every: int
    validation_losses: ValidationLosses | None = None
    strata: Mapping[str, Sequence[str]] = field(default_factory=dict)
    look_ahead_every: int = 0
    guard: Guard | None = None
    acting: Acting | None = None
