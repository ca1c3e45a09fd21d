"""Settings of retention: how what earlier stages taught is kept while a later stage learns."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.settings import KindShort, Method, Settings, listed


class Replay(Settings):
    """Examples of earlier tasks come on top of each step's own (experience replay; Chaudhry et al., 2019)."""

    method: ClassVar[Method] = Method("Chaudhry et al., 2019", "examples of the earlier tasks", "`share` more examples a step; the examples kept")
    kind: Literal["replay"] = "replay"
    share: float | None = Field(default=None, gt=0, le=10, description="Examples of earlier tasks for each example of the stage's own, exact over the steps; left out, and no `count`: 0.1.")
    count: int | None = Field(default=None, ge=1, le=4096, description="So many examples of earlier tasks in every step, instead of a share.")
    keep: int = Field(default=512, ge=1, description="At most so many training examples of each task are kept; so many are written with `select: generated`.")
    select: Literal["random", "balanced", "herding", "hardest", "generated"] = Field(
        default="random",
        description="Which examples are kept: `random`; `balanced` evenly over the answers; `herding` those whose mean stays nearest to the task's (features of the model after the stage); `hardest` those with the largest loss after the stage; `generated`: none, the model after the stage writes examples itself.",
    )

    @property
    def rate(self) -> float:
        """Replayed examples for each of the stage's own, where no `count` is given."""
        return 0.1 if self.share is None else self.share



class Ewc(Settings):
    """A quadratic pull to the weights after earlier stages, stronger where these mattered (EWC; Kirkpatrick et al., 2017)."""

    method: ClassVar[Method] = Method("Kirkpatrick et al., 2017", "nothing of the old data but one estimate after its stage", "one pass over the trained parameters a step; 8 bytes a trained parameter and stage")
    kind: Literal["ewc"] = "ewc"
    strength: float = Field(default=100.0, gt=0, description="Weight of the penalty. At 1 it stands for the loss of the earlier tasks as far as a diagonal sees it, in nats per unit, counted as much as the stage's own. A diagonal sees little: 100 to 1000 is where it begins to hold.")
    form: Literal["per_stage", "online"] = Field(default="per_stage", description="`per_stage`: one pull to the weights after each earlier stage. `online`: one to the weights before this stage, the Fisher information summed with decay (Schwarz et al., 2018).")
    decay: float = Field(default=0.9, gt=0, le=1, description="What a stage leaves of the Fisher information before it (`online` only).")
    labels: Literal["model", "data"] = Field(default="model", description="Targets of the Fisher information: drawn from the model (the true Fisher), or those of the data (the empirical one).")
    examples: int = Field(default=256, ge=1, description="Training examples of a stage that its Fisher information is estimated from, evenly over its tasks.")


class Distill(Settings):
    """The model before the stage as a teacher: its next-token distribution is kept where the stage trains (LwF; Li and Hoiem, 2016)."""

    method: ClassVar[Method] = Method("Li and Hoiem, 2016", "nothing", "one more forward pass; a copy of the trained parameters")
    kind: Literal["distill"] = "distill"
    strength: float = Field(default=1.0, gt=0, description="Weight of the divergence KL(teacher, model), in nats per trained token.")
    on: Literal["new", "replayed", "all", "own"] = Field(
        default="new",
        description="Rows that the teacher is asked about: of the stage's own tasks, of the replayed ones, or of both. `own`: answers that the model draws to the step's prompts itself, the teacher shown the right answer first, KL(model, teacher) (SDFT; Shenfeld et al., 2026); costs generation and two passes more.",
    )


class OLora(Settings):
    """A fresh adapter for each stage, its input directions held orthogonal to those of earlier ones, which are frozen (O-LoRA; Wang et al., 2023)."""

    method: ClassVar[Method] = Method("Wang et al., 2023", "a shared LoRA adapter", "products of the adapters' A matrices a step; the adapter grows by its rank with every stage")
    kind: Literal["o_lora"] = "o_lora"
    strength: float = Field(default=0.5, ge=0, description="Weight of the overlap of the new A with earlier ones, summed over layers. 0: only frozen and added (IncLoRA).")


class Merge(Settings):
    """The stage starts from the weights before all stages; what it changed is then merged with what earlier stages changed."""

    method: ClassVar[Method] = Method("Ilharco et al., 2023; Yadav et al., 2023", "nothing", "nothing in training; the trained parameters of every stage are kept")
    kind: Literal["merge"] = "merge"
    how: Literal["average", "sum", "ties"] = Field(default="average", description="`average`: mean of the changes. `sum`: task arithmetic. `ties`: the largest of each change, where signs agree.")
    scale: float = Field(default=1.0, gt=0, le=10, description="Factor of the merged change.")
    density: float = Field(default=0.2, gt=0, le=1, description="Share of each change's entries that `ties` keeps, the largest.")


class Interpolate(Settings):
    """After the stage the weights go part of the way back (weight interpolation; Wortsman et al., 2022)."""

    method: ClassVar[Method] = Method("Wortsman et al., 2022", "nothing", "nothing in training; a copy of the trained parameters")
    kind: Literal["interpolate"] = "interpolate"
    back: float = Field(default=0.5, gt=0, lt=1, description="Share of the way back: 0 keeps the stage's weights, 1 would undo it.")
    to: Literal["start", "base"] = Field(default="start", description="Where back to: the weights before this stage, or those before all stages.")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else listed(value)


RetentionSettings = Annotated[Replay | Ewc | Distill | OLora | Merge | Interpolate, Field(discriminator="kind"), KindShort]
Retentions = Annotated[tuple[RetentionSettings, ...], BeforeValidator(_several)]
