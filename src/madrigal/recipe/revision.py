"""Settings of `madrigal constitution`: prompts, what writes and judges, what is mixed in."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.generator import GeneratorSettings
from madrigal.recipe.settings import Names, Settings, listed
from madrigal.recipe.task import DataSettings


class PromptSettings(Settings):
    """Prompts of one kind. What the data says in answer to them is not used."""

    data: DataSettings = Field(description="Data in any of the formats; a bare path is `train`.")
    prompt: str | None = Field(
        default=None,
        description="Template of the prompt with fields in braces; left out: the format's own.",
    )
    benign: bool = Field(
        default=False,
        description="Nothing is wrong with these prompts: a refusal is no good answer to them.",
    )
    max: int | None = Field(default=None, ge=1, description="At most so many, drawn by the seed.")


class HelpfulSettings(Settings):
    """Good answers that are mixed with the revisions, so that helpfulness is not unlearnt."""

    data: DataSettings = Field(
        description="Data with answers in any of the formats; a bare path is `train`."
    )
    prompt: str | None = Field(
        default=None,
        description="Template of the prompt with fields in braces; left out: the format's own.",
    )
    answer: str | None = Field(
        default=None,
        description="Template of the answer with fields in braces; left out: the format's own.",
    )
    share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Share of these in the supervised file; at least a half is advised.",
    )


class KeepSettings(Settings):
    """When a revision is kept."""

    judge: bool = Field(
        default=True,
        description="Only where the judge prefers it to the first answer in both orders.",
    )
    on_topic: bool = Field(
        default=True,
        description="Only where its words are nearer to its own prompt and first answer than to most others.",
    )
    refusals: bool = Field(
        default=True, description="Keep refusals of prompts that are not benign."
    )
    unchanged: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="For each kept revision so many first answers, at most, in which the critic found nothing to change, as supervised examples beside it: what is fine to answer goes on being answered. Those to benign prompts come first; refusals are left out.",
    )


class RevisionSettings(Settings):
    """One run of `madrigal constitution`."""

    name: str = Field(min_length=1, description="Name of the data that is made.")
    seed: int = Field(
        default=0, ge=0, description="All chance follows from it and from each prompt."
    )
    constitution: Names = Field(
        default=("plain",),
        min_length=1,
        description="`plain` (bundled), or files: our YAML, or JSON in one of the known shapes. Several are joined.",
    )
    tags: Names = Field(
        default=(), description="Only principles with one of these tags; left out: all."
    )
    prompts: Annotated[tuple[PromptSettings, ...], BeforeValidator(listed)] = Field(
        min_length=1, description="What is answered, criticised and revised."
    )
    helpful: HelpfulSettings | None = Field(
        default=None, description="What is mixed into the supervised file; left out: nothing."
    )
    generator: GeneratorSettings = Field(description="Writes first answers.")
    critic: GeneratorSettings | None = Field(
        default=None, description="Criticises and revises; left out: the generator."
    )
    judge: GeneratorSettings | None = Field(
        default=None, description="Says which of two answers is better; left out: the critic."
    )
    rounds: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Critiques and revisions of each answer, one after another, each by a principle of its own.",
    )
    votes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="How often the judge is asked in each order where it gives no log-probabilities.",
    )
    pairs: Literal["revision", "sampled", "both"] = Field(
        default="revision",
        description="What is judged for the preference file: first answer and revision, two answers drawn from the generator, or both.",
    )
    keep: KeepSettings = Field(default=KeepSettings(), description="When a revision is kept.")
    over_refusal: bool = Field(default=True, description="Also put the bundled prompts that nothing is wrong with through all of it, to measure how often they are refused; they enter no file.")
