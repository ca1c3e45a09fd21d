"""Settings of one stage: which tasks, for how long, sampled, weighted and optimised how."""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from madrigal.recipe.balance import BalancerSettings, Mean
from madrigal.recipe.curriculum import Curriculum
from madrigal.recipe.model import Blocks
from madrigal.recipe.objective import Align, Likelihood, ObjectiveSettings
from madrigal.recipe.policy import Acting
from madrigal.recipe.retain import Retentions, RetentionSettings
from madrigal.recipe.settings import KindShort, Method, Names, Settings

Kind = TypeVar("Kind", bound=RetentionSettings)


class Batch(Settings):
    """How much one optimiser step sees, all tasks and all processes together. One of the two."""

    rows: int | None = Field(default=None, ge=1, description="Examples per step.")
    tokens: int | None = Field(default=None, ge=16, description="Tokens per step, at most (and at least one example).")
    microbatch_tokens: int = Field(default=4096, ge=16, description="Padded tokens in one forward pass, at most (and at least one example).")
    share_prompts: bool | Literal["auto"] = Field(
        default="auto", description="Compute the prompt of several judged answers once, all in one row. `auto`: where the model gives the same that way (no sliding windows, no recurrence)."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_rows(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("rows") is None and value.get("tokens") is None:
            return {**value, "rows": 32}
        return value


class _Mixture(Settings):
    unit: Literal["examples", "tokens"] = Field(default="examples", description="What the shares are counted in.")
    within: str | None = Field(default=None, description="Draw evenly over the values of this field inside each task; `label` means the answer.")


class Proportional(_Mixture):
    """Shares in proportion to the tasks' sizes."""

    method: ClassVar[Method] = Method()
    kind: Literal["proportional"] = "proportional"


class Temperature(_Mixture):
    """Shares in proportion to size to the power of 1/temperature (Raffel et al., 2020)."""

    method: ClassVar[Method] = Method("Raffel et al., 2020")
    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(default=2.0, ge=1, description="1 is proportional; large is uniform.")


class Uniform(_Mixture):
    """Equal shares."""

    method: ClassVar[Method] = Method()
    kind: Literal["uniform"] = "uniform"


class Weights(_Mixture):
    """Shares as given."""

    method: ClassVar[Method] = Method(needs="a share for each task")
    kind: Literal["weights"] = "weights"
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(description="Share of each task of the stage; they are scaled to sum to 1.")


class Balanced(_Mixture):
    """Equal shares, but no example more often than `max_epochs`; what is over goes to the others (UniMax, Chung et al., 2023)."""

    method: ClassVar[Method] = Method("Chung et al., 2023")
    kind: Literal["balanced"] = "balanced"
    max_epochs: float = Field(default=4.0, gt=0, description="Cap on the passes over any task's examples.")


MixtureSettings = Annotated[Proportional | Temperature | Uniform | Weights | Balanced, Field(discriminator="kind"), KindShort]


class Optimiser(Settings):
    """AdamW with a learning-rate schedule."""

    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="Peak step size.")
    weight_decay: float = Field(default=0.0, ge=0, le=10, description="Decoupled weight decay on matrices, per unit of learning rate.")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the first moment.")
    beta2: float = Field(default=0.98, ge=0, lt=1, description="Decay of the second moment.")
    epsilon: float = Field(default=1e-8, gt=0, description="Added to the root of the second moment.")
    clip: float = Field(default=1.0, ge=0, description="Largest norm of the gradient; 0: no clipping.")
    schedule: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="Shape of the learning rate after warm-up.")
    warmup: float = Field(default=0.05, ge=0, le=1, description="Share of the steps with a linear rise from zero.")
    final: float = Field(default=0.1, ge=0, le=1, description="Learning rate at the end, as a share of the peak (cosine and linear).")


class Gradients(Settings):
    """Gradients by task: when the angles between them are measured, and in which metric."""

    measure_every: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default="auto", description="Steps between two measurements of the angles between tasks; 0: never. `auto`: every third from the 11th to the 50th step of the stage, then every 16th; 0 where gradients by task would take more than a gigabyte and more than a quarter of what weights, gradients and moments take."
    )
    by_layer: bool = Field(default=False, description="Measure each transformer block apart as well.")
    metric: Literal["raw", "adam", "update"] = Field(
        default="raw", description="Inner product of gradients, for measuring and for balancers: plain; with each parameter divided by the root of AdamW's second moment, as its step is; or, with an adapter, of the updates of the weights that a plain step would make, s (B dA + dB A)."
    )


class EarlyStop(Settings):
    """Stop when validation no longer gains."""

    patience: int = Field(default=3, ge=1, description="Evaluations in a row without a gain before stopping.")
    min_gain: float = Field(default=0.0, ge=0, description="Smallest gain of the score that counts.")
    per_task: bool = Field(default=False, description="Also let a task leave the mixture when its own score stops gaining.")
    maintenance: float = Field(default=0.0, ge=0, lt=1, description="Share of its examples that a task which left the mixture is still given, so that it is not forgotten.")
    roll_back: bool = Field(default=False, description="A task that leaves takes its private part back to its best validation, where it stays.")


class StageGuard(Settings):
    """What may end the stage before its time; looked at after every validation."""

    forgetting: float | None = Field(
        default=None, gt=0, lt=1, description="Largest drop of the earlier tasks' validation scores since the stage began, mean over tasks, as a share of 1. It trips when the drop is larger with 95 % certainty."
    )
    chosen: float | None = Field(
        default=None, ge=0, description="Largest fall of the log-probability of answers that people preferred, since the stage began, in nats an answer, mean over the validation examples of a task. It trips when the fall of one task is larger with 95 % certainty."
    )
    then: Literal["roll_back", "stop"] = Field(default="roll_back", description="`roll_back`: the stage ends with the weights of the last validation before. `stop`: with those it has.")


class Freeze(Settings):
    """Parts of the model that stay as they are in the stage, of what is trained otherwise; heads of rewards and critics always learn."""

    layers: Literal["all", "none"] | Blocks = Field(default="none", description="Numbers of the transformer blocks, from 0, or `all`.")
    embeddings: bool = Field(default=False, description="The tables of tokens and positions. A head that is the table again stays with it.")
    head: bool = Field(default=False, description="The output head, and with it a table that it is.")
    modules: Names = Field(default=(), description="Names of modules in any block, as in `model.adapter.targets`: `q_proj`, `mlp`.")


class StageSettings(Settings):
    """One stage of training."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Name of the stage, used in files and tables.")
    learn: Names = Field(min_length=1, description="Names of the tasks that are trained.")
    steps: int | None = Field(default=None, ge=1, description="Optimiser steps. One of `steps` and `epochs`.")
    epochs: float | None = Field(default=None, gt=0, description="Passes over all examples of the stage's tasks together, instead of `steps`.")
    batch: Batch = Field(default=Batch(rows=32), description="Size of a step.")
    mixture: MixtureSettings = Field(default=Proportional(), description="How examples are drawn from the tasks.")
    curriculum: Curriculum | None = Field(default=None, description="Which examples come first: tasks one after another, easy examples before difficult ones. Left out: all from the start.")
    balance: BalancerSettings = Field(default=Mean(), description="How much each task counts in a step.")
    retain: Retentions = Field(default=(), description="How what earlier stages taught is kept: a list, each of another kind.")
    objective: dict[str, ObjectiveSettings] = Field(default_factory=dict, description="Objective of a task of this stage; left out: likelihood.")
    gradients: Gradients = Field(default=Gradients(), description="Gradients by task: measuring their angles, and the metric.")
    freeze: Freeze | None = Field(default=None, description="Parts of the model that stay as they are in this stage.")
    optimiser: Optimiser = Field(default=Optimiser(), description="Optimiser and learning-rate schedule.")
    validate_every: int = Field(default=0, ge=0, description="Steps between validations; 0: only where early stopping or a guard asks, every tenth of the stage.")
    early_stop: EarlyStop | None = Field(default=None, description="Stop when validation no longer gains; keep the best.")
    guard: StageGuard | None = Field(default=None, description="Stop conditions: when what was learnt before is lost, or preferred answers become less likely.")
    checkpoint_every: int = Field(default=100, ge=1, description="Steps between checkpoints.")

    def objective_of(self, task: str) -> ObjectiveSettings:
        """The objective of a task of this stage."""
        return self.objective.get(task, Likelihood())

    def remembered_by(self, task: str) -> ObjectiveSettings:
        """By what later stages remember the task: its objective, or likelihood of the answers in
        its data where it learns from answers of the model's own, which are not kept, or is aligned
        with a task that they need not learn."""
        found = self.objective_of(task)
        return Likelihood() if isinstance(found, Acting | Align) else found

    def acting(self) -> dict[str, Acting]:
        """The objectives that learn from answers of the model's own, by task."""
        found = {task: self.objective_of(task) for task in self.learn}
        return {task: kind for task, kind in found.items() if isinstance(kind, Acting)}

    def retains(self, kind: type[Kind]) -> Kind | None:
        """The stage's retention of a kind, by its settings class."""
        return next((one for one in self.retain if isinstance(one, kind)), None)

    def goes_by_loss(self) -> bool:
        """Whether the order of the examples is known only when the model before the stage is."""
        difficulty = self.curriculum.difficulty if self.curriculum is not None else None
        return difficulty is not None and difficulty.by == "base_loss"
