"""Settings of the model: its base, its adapter, its number format."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from madrigal.recipe.settings import KindShort, Method, Names, Settings, Short, TaskName, listed

# Transformer blocks by number, from 0.
Blocks = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(listed)]


class NewModel(Settings):
    """A model with fresh weights (Llama architecture) and a byte-level BPE made from the tasks' training text."""

    vocabulary: int = Field(default=4096, ge=300, le=65536, description="Size of the byte-level BPE vocabulary, in tokens.")
    width: int = Field(default=256, ge=16, le=4096, description="Width of the hidden states.")
    layers: int = Field(default=6, ge=1, le=64, description="Number of transformer blocks.")
    heads: int = Field(default=4, ge=1, le=64, description="Attention heads; must divide `width`.")
    key_value_heads: int = Field(default=2, ge=1, le=64, description="Key-value heads; must divide `heads`.")
    mlp: int = Field(default=688, ge=16, le=16384, description="Width of the gated MLP.")
    context: int = Field(default=512, ge=16, le=32768, description="Longest sequence, in tokens.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on attention weights, as a probability.")


class PrivatePart(Short):
    """A low-rank part of its own for each task or group of tasks, added to the shared one and trained by the rows of its tasks alone. It adapts the same kinds of layers, with the same dropout."""

    short: ClassVar[str] = "rank"
    short_types: ClassVar[tuple[type, ...]] = (int,)
    rank: int = Field(default=4, ge=1, le=1024, description="Rank of each task's own update.")
    alpha: float | None = Field(default=None, gt=0, description="Scale numerator; the update is alpha/rank times BA. Left out: 2 x rank.")
    layers: Literal["all", "none"] | Blocks = Field(default="all", description="Numbers of the transformer blocks that have private parts, from 0, or `all`; `none` for a private head only.")
    head: bool = Field(default=False, description="A private low-rank update of the output head too. The table of a tied embedding stays as it is: only the logits change.")
    tasks: Literal["all"] | Names = Field(default="all", description="Names of the tasks that have a private part, or `all` that some stage learns.")
    groups: dict[TaskName, Names] | None = Field(
        default=None, description="Groups of tasks by a name, `{reading: [squad, race]}`: one private part for each group in place of one for each task. A task in no group has no private part."
    )
    router: bool = Field(
        default=False, description="Also score each stage with prompts whose task is not told: a router over the tasks taught so far chooses the part, and `chat` can do without `--task`."
    )

    def parts(self, tasks: Iterable[str]) -> dict[str, str]:
        """The name of the private part of each of `tasks` that has one: its group's, or its own."""
        if self.groups is not None:
            of = {task: name for name, members in self.groups.items() for task in members}
            return {task: of[task] for task in tasks if task in of}
        return {task: task for task in tasks if self.tasks == "all" or task in self.tasks}


class LoraAdapter(Settings):
    """Low-rank adapters (Hu et al., 2021) through peft; the base is frozen."""

    method: ClassVar[Method] = Method("Hu et al., 2021", "linear layers", "adds rank x (inputs + outputs) parameters a layer; trains only these")
    kind: Literal["lora"] = "lora"
    rank: int = Field(default=16, ge=1, le=1024, description="Rank of the update.")
    alpha: float | None = Field(default=None, gt=0, description="Scale numerator; the update is alpha/rank times BA. Left out: 2 x rank.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapter's input, as a probability.")
    targets: Literal["all_linear"] | Names = Field(
        default="all_linear", description="Names of modules to adapt, or `all_linear` (every linear layer but the head)."
    )
    layers: Literal["all", "none"] | Blocks = Field(
        default="all", description="Numbers of the transformer blocks whose adapter all tasks share, from 0; `all`, or `none` to have private parts only."
    )
    private: PrivatePart | None = Field(default=None, description="A part of its own for each task, beside the shared one; a bare number is its rank. Left out: all is shared.")


class FullAdapter(Settings):
    """No adapter: every parameter is trained."""

    method: ClassVar[Method] = Method(cost="a gradient and two moments for every parameter: 12 bytes each")
    kind: Literal["full"] = "full"


AdapterSettings = Annotated[LoraAdapter | FullAdapter, Field(discriminator="kind"), KindShort]


class ModelSettings(Short):
    """Which model is fine-tuned, and how."""

    short: ClassVar[str] = "base"
    base: str = Field(default="madrigal/base-xs", min_length=1, description="`madrigal/base-xs` (bundled), a folder, a hub id, or `new` for fresh weights.")
    new: NewModel | None = Field(default=None, description="Shape of the fresh model; only with `base: new`, which has the default shape without it.")
    adapter: AdapterSettings = Field(default=LoraAdapter(), description="`lora` or `full`, with its settings.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format of the matrix products in training; parameters stay float32. `auto`: bfloat16 where the hardware has it."
    )
    context: int | None = Field(default=None, ge=16, description="Longest sequence in tokens; left out: the model's own limit, at most 1024.")
    chat_template: bool = Field(default=True, description="Use the model's chat template where it has one.")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="Dropout inside the base model while training, as a probability; left out: the model's own.")
    gradient_checkpointing: bool = Field(default=False, description="Recompute activations in the backward pass: less memory, about a third more time.")
    shard: bool = Field(default=False, description="With several processes, share the frozen base out: each holds a part of every block and gathers the rest when a pass needs it. Only with an adapter.")
    trust_remote_code: bool = Field(default=False, description="Run code that a hub model brings along.")
    revision: str | None = Field(default=None, description="Commit or tag of a hub model.")

    @model_validator(mode="before")
    @classmethod
    def _default_shape(cls, value: Any) -> Any:
        if value == "new":
            return {"base": "new", "new": {}}
        if isinstance(value, dict) and value.get("base") == "new" and value.get("new") is None:
            return {**value, "new": {}}
        return value


def has_router(settings: ModelSettings) -> bool:
    """Whether a router is to choose among private parts."""
    adapter = settings.adapter
    return isinstance(adapter, LoraAdapter) and bool(adapter.private and adapter.private.router)
