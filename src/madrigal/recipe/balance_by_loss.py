"""Settings of the balancers that look at losses alone."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.settings import Method, Settings

_AFTER = "the losses of earlier steps"
_BEFORE = "the losses of the step"
_APART = "gradients by task, held apart"


class Fixed(Settings):
    """Every task counts as given here, in every step (Xin et al., 2022)."""

    method: ClassVar[Method] = Method("Xin et al., 2022", needs="a weight for each task")
    kind: Literal["fixed"] = "fixed"
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        description="Weight of each task of the stage; only their ratios count, and not all may be zero."
    )


class Random(Settings):
    """New random weights in every step: the litmus test of every method that adapts weights (RLW; Lin et al., 2022)."""

    method: ClassVar[Method] = Method("Lin et al., 2022")
    kind: Literal["random"] = "random"


class Uncertainty(Settings):
    """A learned log-variance for each task; a task with a large loss counts less (UW; Kendall et al., 2018)."""

    method: ClassVar[Method] = Method("Kendall et al., 2018", needs=_AFTER)
    kind: Literal["uncertainty"] = "uncertainty"
    learning_rate: float = Field(
        default=0.025,
        gt=0,
        le=1,
        description="Step size of the log-variances, which have an Adam of their own.",
    )


class Dwa(Settings):
    """A task whose loss falls more slowly than the others' counts more (dynamic weight average; Liu et al., 2019)."""

    method: ClassVar[Method] = Method("Liu et al., 2019", needs=_AFTER)
    kind: Literal["dwa"] = "dwa"
    window: int = Field(
        default=50,
        ge=1,
        description="Steps over which losses are averaged; nothing happens before two windows are over.",
    )
    temperature: float = Field(
        default=2.0, gt=0, description="Small: weights differ much; large: weights are equal."
    )


class Gls(Settings):
    """The objective is the geometric mean of the losses (Chennupati et al., 2019)."""

    method: ClassVar[Method] = Method("Chennupati et al., 2019", needs=_BEFORE, cost=_APART)
    kind: Literal["gls"] = "gls"


class ScaleInvariant(Settings):
    """The objective is the mean logarithm of the losses (SI; Navon et al., 2022)."""

    method: ClassVar[Method] = Method("Navon et al., 2022", needs=_BEFORE, cost=_APART)
    kind: Literal["scale_invariant"] = "scale_invariant"


class ImtlL(Settings):
    """A learned scale for each task that brings all scaled losses to 1 (IMTL-L; Liu et al., 2021)."""

    method: ClassVar[Method] = Method("Liu et al., 2021", needs=_AFTER)
    kind: Literal["imtl_l"] = "imtl_l"
    learning_rate: float = Field(
        default=0.025,
        gt=0,
        le=1,
        description="Step size of the scales' logarithms, which have an Adam of their own.",
    )


class Stch(Settings):
    """The objective is the smooth maximum of the losses, each between its ideal and its nadir (smooth Tchebycheff; Lin et al., 2024)."""

    method: ClassVar[Method] = Method("Lin et al., 2024", needs=_BEFORE, cost=_APART)
    kind: Literal["stch"] = "stch"
    smoothing: float = Field(
        default=0.1,
        gt=0,
        description="Small: the worst task alone counts; large: a sum of the losses in units of their nadirs.",
    )
    warmup: int = Field(
        default=100,
        ge=0,
        description="Steps of equal weights, whose mean losses become the nadirs.",
    )
    ideal: dict[str, float] = Field(
        default_factory=dict,
        description="Loss in nats that a task could reach at best, for instance alone; left out: 0.",
    )


class Famo(Settings):
    """Weights that let all losses fall by the same share a step (Liu et al., 2023)."""

    method: ClassVar[Method] = Method(
        "Liu et al., 2023",
        needs=f"{_BEFORE}, and after the step",
        cost=f"{_APART}; one more forward pass a step",
    )
    kind: Literal["famo"] = "famo"
    learning_rate: float = Field(
        default=0.025,
        gt=0,
        le=1,
        description="Step size of the logits, which have an Adam of their own.",
    )
    decay: float = Field(
        default=1e-3, ge=0, le=1, description="Pull of the logits towards equal weights."
    )
    lowest: dict[str, float] = Field(
        default_factory=dict,
        description="Loss in nats below which a task cannot fall; left out: 0.",
    )


class Coba(Settings):
    """All tasks converge together by the slopes of their validation losses; a task that diverges counts less (Gong et al., 2024)."""

    method: ClassVar[Method] = Method(
        "Gong et al., 2024",
        needs="validation rows of each task",
        cost="one more forward pass of validation rows every `every` steps",
    )
    kind: Literal["coba"] = "coba"
    every: int = Field(
        default=1, ge=1, description="Steps between two measurements on validation rows."
    )
    warmup: int = Field(default=100, ge=0, description="Steps of equal weights.")
    history: int = Field(
        default=200, ge=2, description="Measurements to which a slope is fitted, at most."
    )
    temperature: float = Field(
        default=5.0,
        gt=0,
        description="How sharply a rise of the largest loss turns the weights to tasks that still fall.",
    )


ByLoss = Fixed | Random | Uncertainty | Dwa | Gls | ScaleInvariant | ImtlL | Stch | Famo | Coba
