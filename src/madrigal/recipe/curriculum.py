"""Settings of a curriculum: which tasks come in when, and easy examples first."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.settings import Settings, Short


class Difficulty(Short):
    """Easy examples first within each task: at a step only those whose rank among the task's examples, from the easiest, is at most its competence (Platanios et al., 2019)."""

    short: ClassVar[str] = "by"
    by: Literal["length", "base_loss"] = Field(
        default="length", description="What is difficult: `length`, the tokens of the whole example; `base_loss`, the nats per answer token of the model before the stage, measured once."
    )
    start: float = Field(default=0.1, gt=0, le=1, description="Competence when the task comes in: the share of its examples that is drawn from at first.")
    full_at: float = Field(default=0.5, gt=0, le=1, description="When all its examples are drawn from, as a share of the stage from the task's entry on.")
    power: float = Field(default=2.0, ge=1, description="Shape of the rise: 2 is a square root, fast at first; 1 is a straight line.")
    easy_first: bool = Field(default=True, description="False: the most difficult examples first, to compare with.")


class Curriculum(Settings):
    """Which examples come first. The two keys may stand together."""

    enter: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=dict, description="When a task comes in, as a share of the stage; until then its share goes to the others. Tasks that are not named are there from the start."
    )
    difficulty: Difficulty | None = Field(default=None, description="Easy examples first within each task; a bare word is what is difficult. Left out: in random order.")
