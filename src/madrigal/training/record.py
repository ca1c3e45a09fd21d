"""What one optimiser step tells, and who watches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from madrigal.gradients.conflict import Conflict


@dataclass(frozen=True, slots=True)
class StepRecord:
    """All that a step tells. Losses are in nats per unit; `skipped` says why nothing was learnt."""

    step: int  # from 1: the number of steps done when this one is
    loss: Mapping[str, float]
    weight: Mapping[str, float]
    tokens: Mapping[str, int]  # trained and prompt tokens, without padding
    rows: Mapping[str, int]
    grad_norm: float
    learning_rate: float
    seconds: float
    padded_tokens: int
    terms: Mapping[str, float] = field(default_factory=dict)
    retention_seconds: Mapping[str, float] = field(default_factory=dict)  # by term, of `seconds`
    said_tokens: Mapping[str, int] = field(default_factory=dict)  # of its own words: read, trained
    skipped: str = ""
    conflict: Conflict | None = None
    look_ahead: Mapping[str, float] = field(default_factory=dict)  # `a>b`: of a's step to b


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a sentence in the report."""

    step: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Validation:
    """Validation scores after a step; `mean` is what early stopping looks at."""

    step: int
    scores: Mapping[str, float]
    mean: float
    best: bool


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answer of the model's own, as a person reads it."""

    prompt: str
    answer: str
    reward: float  # as given, before it is normalised
    divergence: float  # nats from the model before the stage
    tokens: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Unrewarded:
    """An answer without a reward: where its prompt stands, and why."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Answers that a task's prompts were given in one go: means over them, and some to read."""

    step: int  # from 1: the first that learns from them
    task: str
    means: Mapping[str, float]
    samples: tuple[Sampled, ...]
    seconds: Mapping[str, float]  # by part: writing, rewards, passes
    tokens: Mapping[str, int] = field(default_factory=dict)  # read, written, scored
    unrewarded: tuple[Unrewarded, ...] = ()
    remark: str = ""  # what is worth a sentence, about the task


@dataclass(frozen=True, slots=True)
class Looked:
    """The likeliest answers to some of a task's prompts: means over them, and some to read."""

    step: int  # steps done
    task: str
    prompts: int
    means: Mapping[str, float]
    samples: tuple[Sampled, ...]
    seconds: float
    tokens: Mapping[str, int]  # read, written


Watched = StepRecord | Event | Validation | Rollout | Looked
Observer = Callable[[Watched], None]
