"""Settings of rewards: what an answer of the model's own is worth."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.settings import KindShort, Method, Settings, listed


class _Weighed(Settings):
    weight: float = Field(default=1.0, ge=-1000, le=1000, description="Factor in the sum of rewards; below 0 it is a penalty.")


class RewardModel(_Weighed):
    """The score that a reward model gives, of an earlier run."""

    method: ClassVar[Method] = Method("Stiennon et al., 2020", "a finished run with a `reward` objective", "a forward pass an answer; a second model in memory")
    kind: Literal["model"] = "model"
    run: str = Field(min_length=1, description="Folder of the run, from the recipe's own.")
    task: str = Field(min_length=1, description="Task of that run whose answers it learnt to score.")
    stage: str | None = Field(default=None, description="Stage of that run; left out: the last.")


class RewardEnsemble(_Weighed):
    """Several reward models as one, made by `madrigal ensemble`."""

    method: ClassVar[Method] = Method("Coste et al., 2024", "a folder that `madrigal ensemble` wrote", "a forward pass an answer and member; a second model in memory")
    kind: Literal["ensemble"] = "ensemble"
    folder: str = Field(min_length=1, description="Folder of the ensemble, from the recipe's own.")
    how: Literal["mean", "minimum", "penalised"] | None = Field(default=None, description="What is made of the members' scores; left out: what the ensemble says.")


class RewardFunction(_Weighed):
    """A Python function of the user's: prompts, answers and accepted answers in, a number for each out."""

    method: ClassVar[Method] = Method(needs="a function", cost="the function")
    kind: Literal["function"] = "function"
    name: str = Field(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$", description="`module.function`; modules beside the recipe are found too. It is called with three lists of one length: prompts, answers, and tuples of accepted answers.")


class Exact(_Weighed):
    """1 where the answer is an accepted one, else 0, as the metric `exact_match` compares."""

    method: ClassVar[Method] = Method(needs="accepted answers")
    kind: Literal["exact"] = "exact"


class Number(_Weighed):
    """1 where the last number of the answer is that of an accepted answer, else 0."""

    method: ClassVar[Method] = Method(needs="accepted answers with a number")
    kind: Literal["number"] = "number"
    tolerance: float = Field(default=0.0, ge=0, description="Largest difference that counts as equal.")


class Pattern(_Weighed):
    """1 where a regular expression is found in the answer, else 0."""

    method: ClassVar[Method] = Method()
    kind: Literal["pattern"] = "pattern"
    pattern: str = Field(min_length=1, description="The regular expression, of Python's `re`.")


class Length(_Weighed):
    """The number of the answer's tokens; with a negative weight it keeps answers short."""

    method: ClassVar[Method] = Method()
    kind: Literal["length"] = "length"


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else listed(value)


RewardSettings = Annotated[
    RewardModel | RewardEnsemble | RewardFunction | Exact | Number | Pattern | Length,
    Field(discriminator="kind"),
    KindShort,
]
Rewards = Annotated[tuple[RewardSettings, ...], BeforeValidator(_several)]
