"""What stands in the file of a sweep, beside `search`."""

from typing import Literal

from pydantic import Field

from madrigal.recipe.settings import Names, Settings


class SweepSettings(Settings):
    """What a sweep is after, and how it looks for it."""

    maximise: str | None = Field(
        default=None,
        description="Score to make large: a part of the summary, as `average`, or `tasks.NAME`.",
    )
    minimise: str | None = Field(default=None, description="Score to make small, in its place.")
    subject_to: Names = Field(
        default=(), description="Bounds that scores must keep: `forgetting <= 0.05`."
    )
    trials: int = Field(
        default=20, ge=2, le=10000, description="Trials; the first is the recipe as it stands."
    )
    sampler: Literal["auto", "random", "tpe"] = Field(
        default="auto",
        description="`random`: every trial by chance alone. `tpe`: by what earlier trials gave "
        "(Bergstra et al., 2011), with optuna. `auto`: tpe where optuna is installed.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="The chance of trial N follows from it and N."
    )
    score_on: Literal["validation", "test"] = Field(
        default="validation",
        description="Examples that trials are scored on. Whoever chooses by test examples has "
        "none left to say how good the choice is.",
    )
