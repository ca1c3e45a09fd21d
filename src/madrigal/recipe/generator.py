"""Settings of what writes texts: a model here, one behind an address, or rules."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.settings import KindShort, Method, Names, Settings


class SamplingSettings(Settings):
    """How the tokens of a text are drawn."""

    temperature: float = Field(
        default=1.0, ge=0, le=5, description="Divides the logits; 0 takes the likeliest token."
    )
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Draw from the likeliest tokens whose probabilities sum to this.",
    )
    max_tokens: int = Field(default=256, ge=1, le=100000, description="Longest text, in tokens.")
    stop: Names = Field(default=(), description="Texts that end an answer, and are cut off.")


class PriceSettings(Settings):
    """What tokens cost, in any currency, for a million."""

    read: float = Field(default=0.0, ge=0, description="Of prompts.")
    written: float = Field(default=0.0, ge=0, description="Of answers.")


class _Generator(Settings):
    sampling: SamplingSettings = Field(
        default=SamplingSettings(), description="How the tokens of a text are drawn."
    )


class RunGenerator(_Generator):
    """What a run of Madrigal has trained."""

    method: ClassVar[Method] = Method(needs="a finished run", cost="a forward pass a token, here")
    kind: Literal["run"] = "run"
    run: str = Field(min_length=1, description="Folder of the run.")
    stage: str | None = Field(
        default=None, description="Stage whose result is taken; left out: the last finished one."
    )
    task: str | None = Field(
        default=None, description="Task whose model is taken, where each has its own."
    )
    batch_tokens: int = Field(default=8192, ge=64, description="Padded tokens of one batch.")


class ModelGenerator(_Generator):
    """A transformers model on this machine."""

    method: ClassVar[Method] = Method(
        needs="a folder or hub id", cost="a forward pass a token, here"
    )
    kind: Literal["model"] = "model"
    base: str = Field(
        min_length=1, description="`madrigal/base-xs` (bundled), a folder, or a hub id."
    )
    revision: str | None = Field(default=None, description="Commit or tag of a hub model.")
    context: int | None = Field(
        default=None,
        ge=16,
        description="Longest sequence in tokens; left out: the model's own limit, at most 1024.",
    )
    chat_template: bool = Field(
        default=True, description="Use the model's chat template where it has one."
    )
    batch_tokens: int = Field(default=8192, ge=64, description="Padded tokens of one batch.")


class RemoteGenerator(_Generator):
    """A model behind an address that speaks OpenAI's API: vLLM, llama.cpp, a paid service."""

    method: ClassVar[Method] = Method(
        needs="an address that answers", cost="what its owner charges"
    )
    kind: Literal["remote"] = "remote"
    url: str = Field(
        pattern=r"^https?://[^@\s]+$",
        description="Address up to and with `/v1`, `http://localhost:8000/v1`.",
    )
    model: str = Field(min_length=1, description="Name of the model there.")
    api: Literal["chat", "completions"] = Field(
        default="chat",
        description="Which part of the API is used; `completions` for models without chat form.",
    )
    key: str | None = Field(
        default=None,
        description="NAME of the environment variable with the secret key; left out: none is sent. The key itself stands in no file.",
    )
    at_once: int = Field(
        default=8, ge=1, le=1000, description="Requests under way at the same time."
    )
    tries: int = Field(
        default=6,
        ge=1,
        le=100,
        description="Times that a request is made before the run stops; it goes on with the same command.",
    )
    timeout: float = Field(default=120.0, gt=0, description="Seconds that an answer may take.")
    first_pause: float = Field(
        default=1.0,
        gt=0,
        description="Seconds of the pause after the first failure, at most; each further one may be twice as long, up to a minute. What the server asks for is waited for.",
    )
    log_probabilities: bool = Field(
        default=True,
        description="Ask for the log-probabilities of a verdict's words; off for servers that refuse.",
    )
    price: PriceSettings = Field(
        default=PriceSettings(), description="What tokens cost, for the ledger."
    )
    more: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Further keys of every request, as the server knows them."
    )


class RulesGenerator(Settings):
    """A list of words that criticises, revises and judges; for tests and demonstrations. It writes no first answers."""

    method: ClassVar[Method] = Method(needs="a list of words", cost="nothing")
    kind: Literal["rules"] = "rules"
    words: Names = Field(
        default=(),
        description="Words and phrases that an answer should not hold; `*` at the end stands for any ending.",
    )
    file: str | None = Field(
        default=None, description="File with further ones, one a line; `#` opens a comment."
    )


GeneratorSettings = Annotated[
    RunGenerator | ModelGenerator | RemoteGenerator | RulesGenerator,
    Field(discriminator="kind"),
    KindShort,
]
