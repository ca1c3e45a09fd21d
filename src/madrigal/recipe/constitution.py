"""Settings of a constitution: principles by which answers are criticised, revised and chosen."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from madrigal.recipe.settings import Names, Settings, listed


class FewShotExample(Settings):
    """One worked example, shown before a critique and a revision are asked for."""

    prompt: str = Field(min_length=1, description="What the user said.")
    answer: str = Field(min_length=1, description="What the assistant said.")
    critique: str = Field(min_length=1, description="What is wrong with it.")
    revision: str = Field(min_length=1, description="The better answer.")


FewShot = Annotated[tuple[FewShotExample, ...], BeforeValidator(listed)]


class PrincipleSettings(Settings):
    """One principle. One without `choose` is not drawn for verdicts, one without `critique` and `revision` not for revisions."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Its name: letters, digits, `_`, `-`."
    )
    critique: str = Field(
        default="", description="The request to say what is wrong with an answer."
    )
    revision: str = Field(default="", description="The request to write it anew.")
    choose: str = Field(default="", description="The question which of two answers is better.")
    weight: float = Field(
        default=1.0, ge=0, description="How often it is drawn, beside the others."
    )
    tags: Names = Field(default=(), description="Words to choose principles by.")
    few_shot: FewShot = Field(
        default=(), description="Worked examples of its own, shown before those of all."
    )

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """Folded YAML text ends with a new line that nobody means."""
        if not isinstance(value, dict):
            return value
        return {key: text.strip() if isinstance(text, str) else text for key, text in value.items()}


class ConstitutionSettings(Settings):
    """Principles, and worked examples that are shown with each of them."""

    name: str = Field(min_length=1, description="Name of the constitution.")
    version: int = Field(default=1, ge=1, description="Raised when a principle changes.")
    system: str = Field(
        default="",
        description="System message before the user's prompt, when the first answer is asked for.",
    )
    principles: Annotated[tuple[PrincipleSettings, ...], BeforeValidator(listed)] = Field(
        min_length=1, description="The principles."
    )
    few_shot: FewShot = Field(
        default=(), description="Worked examples, shown before every critique and revision."
    )
