"""What the run that this one goes on from kept, and what must be made of its data instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.pipeline.folder import recipe_of
from madrigal.pipeline.former import KeptStage, kept_stages, last_label
from madrigal.pipeline.past import CHANGE, KEPT, ROUTER, buffer_file, ewc_file
from madrigal.pipeline.pulls import Pull, pulls_after
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.model import has_router
from madrigal.recipe.retain import Merge, Replay, RetentionSettings
from madrigal.recipe.schema import Recipe


@dataclass(frozen=True, slots=True)
class Carried:
    """The stages of the former run, and which of them kept what this recipe asks for.

    `merges` says that the last of them merged, so that each one's change counts by itself.
    """

    tasks: tuple[str, ...]
    stages: tuple[KeptStage, ...]
    merges: bool

    def buffers(self, kept: Replay) -> dict[str, Path]:
        """File with a task's examples, for every task whose last stage kept some."""
        last = {task: stage for stage in self.stages for task in stage.tasks}
        files = {t: stage.folder / buffer_file(kept) for t, stage in last.items()}
        return {t: file for t, file in files.items() if t in self.tasks and file.is_file()}

    def pulls(self, asked: Pull) -> tuple[list[Path], tuple[str, ...]]:
        """Files of quadratic pulls, and the tasks of the stages that they do not stand for. On an
        adapter that a stage of this recipe begins, the former run kept none."""
        kept, begun = asked
        if begun is not None:
            return [], self.tasks
        every = [one.folder / ewc_file(kept, one.begun) for one in self.stages]
        there = [n for n, file in enumerate(every) if file.is_file()]
        if kept.form == "online":  # the last one holds those before it
            there = there[-1:]
            left = self.stages[there[0] + 1 :] if there else self.stages
        else:
            left = [one for n, one in enumerate(self.stages) if n not in there]
        return [every[n] for n in there], self._of(left)

    def _of(self, stages: Sequence[KeptStage]) -> tuple[str, ...]:
        taught = {task for stage in stages for task in stage.tasks}
        return tuple(task for task in self.tasks if task in taught)

    @property
    def changes(self) -> list[Path]:
        """What each stage changed, where they were merged; else nothing."""
        return [one.folder / CHANGE for one in self.stages] if self.merges else []

    @property
    def router(self) -> Path | None:
        """The folder with a router that knows the tasks; None where there is none."""
        folder = self.stages[-1].folder if self.stages else None
        return folder if folder is not None and (folder / ROUTER).is_file() else None

    def wanting(self, recipe: Recipe) -> dict[str, str]:
        """Tasks of which training examples are needed, and by which kind of retention."""
        found: dict[str, str] = {}
        for kept in asked(recipe):
            if isinstance(kept, Replay) and kept.select != "generated":
                there = self.buffers(kept)
                found |= {task: kept.kind for task in self.tasks if task not in there}
        for pull in pulls_after(recipe, 0):
            found |= dict.fromkeys(self.pulls(pull)[1], "ewc")
        if has_router(recipe.model) and self.router is None:
            found |= dict.fromkeys(self.tasks, "router")
        return found


def asked(recipe: Recipe) -> tuple[RetentionSettings, ...]:
    """All retention that the recipe asks for, in its stages and after them."""
    return (*(kept for stage in recipe.stages for kept in stage.retain), *recipe.onward())


def carried_over(loaded: LoadedRecipe) -> Carried:
    """What was kept by the run that a recipe goes on from.

    Raises:
        RunFolderError: it is no run, or no stage of it has finished.
    """
    start = loaded.recipe.start_from
    assert start is not None
    run = loaded.root / start.run
    label = last_label(run, start.stage)
    theirs = recipe_of(run).recipe
    number = int(label.partition("-")[0])
    merges = theirs.stages[number - 1].retains(Merge) is not None
    return Carried(loaded.recipe.before(), tuple(kept_stages(loaded, label, KEPT)), merges)
