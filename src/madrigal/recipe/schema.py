"""The recipe: what one run does."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.model import ModelSettings
from madrigal.recipe.retain import Replay, RetentionSettings
from madrigal.recipe.settings import Names, Settings, Short, TaskName, listed
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.task import EvaluateSettings, TaskSettings


class StartFrom(Short):
    """A finished run whose weights this one begins with, and what it taught."""

    short: ClassVar[str] = "run"
    run: str = Field(min_length=1, description="Folder of the run; it is only read.")
    stage: str | None = Field(default=None, description="Stage whose end is the beginning; left out: the last.")
    learned: Names = Field(default=(), description="Tasks of this recipe that the run taught: stages can retain them, and they are scored.")


class CurateSettings(Short):
    """What is looked for in the data before a run trains on them. Nothing is changed."""

    short: ClassVar[str] = "checks"
    checks: Literal["none", "cheap", "deep"] = Field(
        default="cheap", description="`cheap`: everything that takes less than a millisecond a record. `deep`: also wrong labels, by models that did not see the record. `none`: nothing is looked for."
    )
    records: int = Field(
        default=10_000, ge=0, description="At most so many records in all are looked at, held-out ones among them: of a larger split every k-th, so that a run begins soon. 0: all of them."
    )


def retained_onward(last: StageSettings) -> tuple[RetentionSettings, ...]:
    """How a run after one that ends with this stage retains, if nothing else is said: as the stage
    did, and where it kept nothing by replay."""
    return last.retain or (Replay(),)


class Recipe(Settings):
    """Everything that one run does: a model, tasks, stages, and what is measured."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name of the run and of its folder.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Everything random follows from it.")
    determinism: Literal["fast", "repeatable", "strict"] = Field(
        default="repeatable", description="`fast`: seeds only. `repeatable`: deterministic algorithms, warn where there is none. `strict`: refuse."
    )
    model: ModelSettings = Field(default=ModelSettings(), description="The model; a bare string is its base.")
    start_from: StartFrom | None = Field(default=None, description="A finished run of the same model to go on from; a bare path is its folder. Left out: the base.")
    tasks: dict[TaskName, TaskSettings] = Field(min_length=1, description="The tasks, by name.")
    curate: CurateSettings = Field(default=CurateSettings(), description="What is looked for in the data before training; a bare word is `checks`.")
    stages: Annotated[tuple[StageSettings, ...], BeforeValidator(listed)] = Field(description="The stages, in order; empty: only evaluate.")
    extendable: bool = Field(default=False, description="Keep after every stage what `madrigal extend` will need of it under the last stage's `retain` (where that is empty: examples to replay), so that the training files may go.")
    evaluate: EvaluateSettings = Field(default=EvaluateSettings(), description="What is measured.")
    track: Annotated[tuple[Literal["tensorboard", "wandb", "trackio"], ...], BeforeValidator(listed)] = Field(default=(), description="Trackers that mirror steps.jsonl.")

    def scored(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the tasks that are scored: all but auxiliary ones."""
        return tuple(name for name in names if self.tasks[name].role == "main")

    def before(self) -> tuple[str, ...]:
        """Tasks that were taught before the first stage."""
        return self.scored(self.start_from.learned) if self.start_from is not None else ()

    def onward(self) -> tuple[RetentionSettings, ...]:
        """Retention that a later run would go on under, where this one keeps for it."""
        return retained_onward(self.stages[-1]) if self.extendable and self.stages else ()

    def taught_before(self, stage: StageSettings) -> tuple[str, ...]:
        """Tasks that were taught before a stage, by earlier ones or before the run, and that it
        does not learn again."""
        number = [one.name for one in self.stages].index(stage.name)
        earlier = (task for one in self.stages[:number] for task in self.scored(one.learn))
        every = dict.fromkeys((*self.before(), *earlier))
        return tuple(task for task in every if task not in stage.learn)

    def replayed(self, stage: StageSettings) -> tuple[str, ...]:
        """Tasks that a stage replays."""
        return self.taught_before(stage) if stage.retains(Replay) is not None else ()

    def watched(self) -> tuple[str, ...]:
        """Tasks that are scored after every stage: all that were taught before or some stage learns,
        then the general ones; where nothing is learnt, all."""
        if not self.stages:
            return tuple(self.tasks)
        learnt = (task for stage in self.stages for task in self.scored(stage.learn))
        return tuple(dict.fromkeys((*self.before(), *learnt, *self.evaluate.general)))
