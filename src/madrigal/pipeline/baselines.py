"""Single-task baselines: all in the same passes where that is exact, else one run a task."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.errors import ModelError
from madrigal.model.adapter_files import save_task_adapter
from madrigal.model.apart import apart, why_not_apart
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.difficulty import scheduled
from madrigal.pipeline.folder import DONE, RunFolder, stage_label
from madrigal.pipeline.journal import FILES, Journal, forget_after
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.pipeline.scoring import validation_scores
from madrigal.pipeline.stage import Where, all_watching, train_stage
from madrigal.pipeline.track import tracking
from madrigal.pipeline.watch import Screen
from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.objective import Likelihood
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import StageSettings
from madrigal.training.checkpoint import newest_checkpoint
from madrigal.training.files import write_whole, written_whole
from madrigal.training.processes import Processes
from madrigal.training.record import Observer
from madrigal.training.ride_along import Alone, ride_along
from madrigal.training.stage_run import StageRun, Validate


@dataclass(frozen=True, slots=True)
class Baselines:
    """The single-task models of a run, and where they go."""

    built: Built
    folder: RunFolder
    screen: Screen
    processes: Processes

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that some stage learns and that is scored."""
        recipe = self.built.recipe
        return recipe.scored(dict.fromkeys(t for stage in recipe.stages for t in stage.learn))

    def place(self, task: str, number: int, stage: StageSettings) -> Path:
        """The folder of a stage of a task's own run."""
        folder = self.folder.baseline(task)
        several = len(self.built.recipe.stages) > 1
        return folder / stage_label(number, stage.name) if several else folder

    def separate(self, task: str) -> LanguageModel:
        """A task's model, trained in a run of its own: the same examples at the same steps."""
        model = fresh_model(self.built, [task])
        for number, stage in enumerate(self.built.recipe.stages, 1):
            if task in stage.learn:
                where = Where(
                    self.place(task, number, stage),
                    f"only {task}",
                    self.screen,
                    self.processes,
                    self.folder.stage(number, stage.name),
                )
                train_stage(self.built, stage, model, [task], where)
        return model

    def together(self) -> tuple[LanguageModel, tuple[str, ...]]:
        """All tasks' models in one, each behind its name, trained in the same passes.

        Also returns the tasks that could not finish so and need a run of their own.
        """
        adapter = self.built.recipe.model.adapter
        assert isinstance(adapter, LoraAdapter)
        model = apart(fresh_model(self.built), adapter, self.tasks)
        left: set[str] = set()
        for number, stage in enumerate(self.built.recipe.stages, 1):
            left |= set(self._ride(model, number, stage, left))
        return model, tuple(task for task in self.tasks if task in left)

    def _ride(
        self, model: LanguageModel, number: int, stage: StageSettings, left: set[str]
    ) -> tuple[str, ...]:
        # What is not scored has no baseline.
        tasks = [task for task in self.built.recipe.scored(stage.learn) if task not in left]
        if not tasks:
            return ()
        built, first = self.built, self.processes.first
        home = self.folder.riding / stage_label(number, stage.name)
        places = {task: self.place(task, number, stage) for task in tasks}
        found = newest_checkpoint(home / "checkpoints")
        done = found.step if found else 0
        observers: dict[str, Observer] = dict.fromkeys(tasks, lambda _: None)
        if first:
            for task, place in places.items():
                forget_after(place, done)
                observers[task] = Journal(place)
        run = StageRun(
            settings=stage,
            parts=step_parts(built, stage, model, self.processes, tasks, Alone()),
            source=scheduled(
                built,
                stage,
                model,
                self.folder.stage(number, stage.name),
                self.screen,
                self.processes,
            ),
            examples={name: built.examples[name] for name in tasks},
            checkpoints=home / "checkpoints",
            validate=self._validation(model, tasks),
            validate_every=stage.validate_every,
        )
        title = "single-task models"
        with (
            self.screen.training(title, run.source.steps, done) as show,
            tracking(built.recipe, home, title, self.processes) as mirror,
        ):
            files = [place / name for place in places.values() for name in FILES]
            failed = ride_along(run, observers, all_watching([show, mirror]), files)
        if first:
            for task in tasks:
                if task not in failed:
                    _finish(model, task, places[task], run.source.steps)
        self.processes.wait()
        return failed

    def _validation(self, model: LanguageModel, tasks: Sequence[str]) -> Validate | None:
        built = self.built
        judged = [name for name in tasks if built.tasks[name].splits["validation"]]
        return (lambda: validation_scores(built, model, judged)) if judged else None


def _finish(model: LanguageModel, task: str, folder: Path, steps: int) -> None:
    """Leave what a run of this task alone would leave."""
    with written_whole(folder / "adapter") as aside:
        save_task_adapter(model, task, aside)
        model.tokenizer.save_pretrained(aside)
    body = {"steps": steps, "weights_of_step": steps, "stopped": "", "rode_along": True}
    write_whole(folder / DONE, json.dumps(body) + "\n")


def why_separate(recipe: Recipe, model: LanguageModel) -> str | None:
    """Why the baselines of a recipe need a run each; None where one run gives the same models."""
    if len({task for stage in recipe.stages for task in stage.learn}) < 2:
        return "there is only one task"
    for stage in recipe.stages:
        if stage.early_stop is not None:
            return f"stage {stage.name} stops early"
        if stage.freeze is not None:
            return f"stage {stage.name} freezes parts of the model"
        if any(not isinstance(one, Likelihood) for one in stage.objective.values()):
            return f"stage {stage.name} compares with a reference or a task, or judges answers"
    return why_not_apart(model, recipe.model.adapter)


def rides(recipe: Recipe, model: LanguageModel) -> bool:
    """Whether the baselines are trained in the same passes.

    Raises:
        ModelError: the recipe insists, and it would not give the same models.
    """
    wish = recipe.evaluate.baselines
    if wish in (False, "separate"):
        return False
    reason = why_separate(recipe, model)
    if reason is not None and wish == "together":
        raise ModelError(
            f"evaluate.baselines: they cannot be trained together, {reason}; write `true`"
        )
    return reason is None
