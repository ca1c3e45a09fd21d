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


class RewardJudge(_Weighed):
    """How good a judge finds an answer, from 0 to 1: a model behind an address, one of this machine, or rules."""

    method: ClassVar[Method] = Method("Liu et al., 2023", "a judge", "a question to the judge for each answer")
    kind: Literal["judge"] = "judge"
    file: str = Field(min_length=1, description="YAML file, from the recipe's folder: `judge`, who is asked, as in the settings of `madrigal constitution`, and maybe `rule`, what the judge goes by. What a judge behind an address said is kept in the run's folder and not asked for again.")


class RewardFilter(_Weighed):
    """-1 where a safety filter holds the answer back, else 0; `weight` is the price of such an answer."""

    method: ClassVar[Method] = Method(needs="a filter", cost="its rules; a forward pass for each that is a model")
    kind: Literal["filter"] = "filter"
    file: str = Field(default="plain", min_length=1, description="File of rules, from the recipe's folder, or `plain`, which Madrigal brings.")
    graded: bool = Field(default=False, description="Take off the score of what was found, from 0 to 1, instead: rules that only note and probabilities below a threshold cost then, too.")


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
    RewardModel | RewardEnsemble | RewardFunction | RewardJudge | RewardFilter | Exact | Number | Pattern | Length,
    Field(discriminator="kind"),
    KindShort,
]
Rewards = Annotated[tuple[RewardSettings, ...], BeforeValidator(_several)]
