"""Answers of the model's own in the place of drawn prompts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from madrigal.tasks.encoded import Example
from madrigal.training.record import Looked, Rollout, Watched


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that a task's reward is exploited, and what the stage has to do: nothing, go back to
    where all was well, or end there."""

    task: str
    text: str
    then: Literal["say", "roll_back", "stop"]
    kind: Literal["sign", "lost"] = "sign"  # lost: nothing was exploited, but all got worse


@dataclass(frozen=True, slots=True)
class Look:
    """Likeliest answers to some prompts, what they are a sign of, and whether the weights as
    they are may be gone back to."""

    told: Sequence[Looked]
    signs: Sequence[Sign]
    sound: bool


@dataclass(frozen=True, slots=True)
class Care:
    """What signs have taught so far of a task. It outlasts going back, or the same steps would be
    gone at the same prices again."""

    strikes: int  # times that something was done
    beta: float  # reward that a nat of divergence costs
    length: float  # reward that each start length beyond the first costs
    end: float  # reward that having no end costs, beside `missing_end`


@runtime_checkable
class Acting(Protocol):
    """What writes the examples of some tasks while the stage trains, and remembers them for as long
    as they are learnt from. Every process calls it in the same order."""

    @property
    def tasks(self) -> Collection[str]: ...

    def answered(
        self, step: int, prompts: Mapping[str, Sequence[int]]
    ) -> Mapping[str, Sequence[Example | None]]:
        """What a step learns from its prompts, which are indices of training examples by task.
        None where nothing is learnt from a prompt.

        Raises:
            RunStopped: rewards cannot be had; nothing has changed here, and the same call later is
                the same.
        """
        ...

    def told(self) -> Sequence[Rollout]:
        """What the last call wrote anew."""
        ...

    def signs(self) -> Sequence[Sign]:
        """What the last call's answers are a sign of."""
        ...

    def last_look(self) -> Sequence[Sign]:
        """What the stage's last answers are a sign of, as it ends."""
        ...

    def look(self, step: int, last: bool) -> Look | None:
        """Judge what the model would say as it is after `step` steps, unless it is too early to;
        `last`: as the stage ends.

        Raises:
            RunStopped: rewards cannot be had now.
        """
        ...

    def watch(self, seen: Watched) -> None:
        """An observer of the stage."""
        ...

    @property
    def window(self) -> int:
        """Rollouts without a sign after which what came before them was well."""
        ...

    def care(self) -> Mapping[str, Care]:
        """How carefully each task is learnt by now."""
        ...

    def went_back(self, care: Mapping[str, Care], task: str) -> None:
        """Go on more carefully with a task, after `load`; `care` is that before it."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def tensors(self) -> dict[str, Tensor]:
        """Answers that later steps learn from again."""
        ...

    def load(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None: ...
