"""From a recipe to the objects of a run: the only wiring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from madrigal.audit.verdict import Filter
from madrigal.errors import DataError, RecipeError, UserMistake
from madrigal.mixture import Mixture, TaskSize, build_source
from madrigal.model.base import fresh_tokenizer, load_tokenizer, model_context
from madrigal.pipeline.filters import filter_of
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.former import Former, objectives, taught_before
from madrigal.pipeline.heads import unlike_heads
from madrigal.pipeline.mistakes import (
    misfit,
    missing_trackers,
    unasked,
    unguarded,
    unroutable,
    unwritable,
    without_validation,
)
from madrigal.pipeline.scored_on import scored_on
from madrigal.pipeline.unusable import noted
from madrigal.pipeline.weighed import weighed
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Example
from madrigal.tasks.fit import fitting
from madrigal.tasks.load import load_tasks
from madrigal.tasks.room import with_room
from madrigal.tasks.task import Task
from madrigal.training.chance import derive

Losses = Mapping[str, Float[np.ndarray, " n"]]  # of each training example of each task


@dataclass(frozen=True, slots=True)
class Built:
    """A recipe with its data loaded and encoded; `parts` loads models from it."""

    recipe: Recipe
    root: Path
    tasks: Mapping[str, Task]
    tokenizer: Any
    coder: Coder
    examples: Mapping[str, Sequence[Example]]  # training examples of the tasks that are learnt
    taught: Mapping[str, Former] = field(default_factory=dict)  # by earlier runs
    guard: Filter | None = None  # what generated answers pass before they are scored

    def source(self, stage: StageSettings, losses: Losses | None = None) -> Mixture:
        """The schedule of a stage.

        `losses` are each example's at the start of the stage, which a curriculum may go by. Before
        they are measured the schedule is that of examples in random order, which draws from every
        task as often, and is as long unless steps are counted in tokens.

        Raises:
            RecipeError: the mixture does not fit the tasks; with the stage's place in the recipe.
        """
        sizes = [self._size(name, stage, losses) for name in stage.learn]
        seed = derive(self.recipe.seed, "mixture", stage.name)
        try:
            return build_source(
                stage.mixture, sizes, stage.batch, stage.steps, stage.epochs, seed, stage.curriculum
            )
        except RecipeError as error:
            number = [one.name for one in self.recipe.stages].index(stage.name)
            mistakes = (_of_stage(number, mistake) for mistake in error.mistakes)
            raise RecipeError(mistakes) from error

    def strata(self, stage: StageSettings) -> dict[str, tuple[str, ...]]:
        """What the stage draws evenly over inside a task, by example; only tasks that have it."""
        found = {name: _strata(self.tasks[name], stage.mixture.within) for name in stage.learn}
        return {name: values for name, values in found.items() if values is not None}

    def answers(self, name: str) -> tuple[str, ...]:
        """The first answer of each training example of a task; '' where none is the right one."""
        if self.tasks[name].kind in ("text", "feedback"):
            return ("",) * len(self.examples[name])
        return tuple(record.answers[0] for record in self.tasks[name].splits["train"])

    def _size(self, name: str, stage: StageSettings, losses: Losses | None) -> TaskSize:
        task = self.tasks[name]
        lengths = [sum(row.length for row in example) for example in self.examples[name]]
        return TaskSize(
            name=name,
            lengths=np.array(lengths, dtype=np.int64),
            strata=_strata(task, stage.mixture.within),
            max_epochs=task.max_epochs,
            fields=_fields(task),
            difficulty=None if losses is None else losses[name],
        )


def _of_stage(number: int, mistake: str) -> str:
    """A mistake of a mixture, which knows no stage, with its whole key."""
    own = mistake.startswith(("mixture", "curriculum"))
    return f"stages[{number}].{mistake}" if own else mistake


def _fields(task: Task) -> tuple[str, ...]:
    """What `within` may name of a task."""
    if task.kind == "text":
        return ()
    found = (name for record in task.splits["train"] for name in record.fields)
    return tuple(dict.fromkeys(["label", *found]))


def _strata(task: Task, field: str | None) -> tuple[str, ...] | None:
    records = task.splits["train"]
    if field is None or task.kind == "text":
        return None
    if field == "label" and task.kind != "feedback":
        return tuple(record.answers[0] for record in records)
    if not any(field in record.fields for record in records):
        return None
    return tuple(record.fields.get(field, "") for record in records)


def _tokenizer(loaded: LoadedRecipe, tasks: Mapping[str, Task], folder: RunFolder | None) -> Any:
    settings = loaded.recipe.model
    if settings.base != "new":
        return load_tokenizer(settings, loaded.root)
    before = loaded.recipe.start_from
    made = [] if folder is None else [folder]
    made += [] if before is None else [RunFolder(loaded.root / before.run)]
    for run in made:
        if run.tokenizer.is_dir():
            return _made(run.tokenizer)
    learnt = {name for stage in loaded.recipe.stages for name in stage.learn}
    return fresh_tokenizer(
        (
            text
            for name, task in tasks.items()
            if name in learnt
            for record in task.splits["train"]
            for text in (record.text, record.prompt, *record.said)
            if text
        ),
        settings,
    )


def _made(folder: Path) -> Any:
    """A tokenizer that a run made of its training text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for name in ("is_local", "local_files_only"):  # how it was loaded is no part of it
        tokenizer.init_kwargs.pop(name, None)
    return tokenizer


def _fitting(
    recipe: Recipe, tasks: Mapping[str, Task], coder: Coder
) -> tuple[dict[str, Task], list[str]]:
    """The tasks without answers that are too long, where bad rows may be dropped; and mistakes."""
    found, mistakes = dict(tasks), []
    for name, task in tasks.items():
        if recipe.tasks[name].data.on_bad == "drop":
            try:
                found[name] = fitting(task, coder)
            except DataError as problem:
                mistakes += problem.mistakes
    if not mistakes and any(stage.acting() for stage in recipe.stages):
        return with_room(recipe, found, coder)
    return found, mistakes


def _remembered(loaded: LoadedRecipe) -> Mapping[str, Task]:
    if not loaded.recipe.before():
        return {}
    from madrigal.pipeline.gone import remembered  # reads what was kept, and so needs torch

    return remembered(loaded)


def build(loaded: LoadedRecipe, folder: RunFolder | None = None) -> Built:
    """Load and encode everything that a recipe names. Writes nothing.

    Raises:
        DataError, ModelError: with every mistake found.
    """
    recipe = loaded.recipe
    taught = taught_before(loaded)
    tasks, unweighed = weighed(load_tasks(recipe, loaded.root, _remembered(loaded)))
    tokenizer = _tokenizer(loaded, tasks, folder)
    context = model_context(recipe.model, loaded.root)
    coder = Coder(tokenizer, context, recipe.model.chat_template)
    learnt = dict.fromkeys(
        (*recipe.before(), *(name for stage in recipe.stages for name in stage.learn))
    )
    tasks, unfit = _fitting(recipe, tasks, coder)
    tasks, unusable = noted(recipe, tasks)
    tasks, unscored = scored_on(recipe, tasks)
    examples: dict[str, Sequence[Example]] = {}
    mistakes = [*unweighed, *unfit, *missing_trackers(recipe), *without_validation(recipe, tasks)]
    mistakes += [*misfit(recipe, tasks), *unusable, *unscored]
    mistakes += unlike_heads(recipe, objectives(taught))
    mistakes += unguarded(recipe, tasks)
    mistakes += unwritable(recipe, tasks)
    mistakes += unasked(recipe, tasks)
    mistakes += unroutable(recipe, tasks)
    if any(stage.acting() for stage in recipe.stages):
        from madrigal.pipeline.answerable import unrewarded  # looks at earlier runs: needs torch

        mistakes += unrewarded(recipe, tasks, loaded.root)
    for name, task in tasks.items() if not unfit else ():
        try:
            coder.check(task)
            if name in learnt:
                examples[name] = coder.training(task, "train")
        except DataError as problem:
            mistakes += problem.mistakes
    guard, unread = _guard(loaded)
    mistakes += unread
    if mistakes:
        raise DataError(mistakes)
    return Built(recipe, loaded.root, tasks, tokenizer, coder, examples, taught, guard)


def _guard(loaded: LoadedRecipe) -> tuple[Filter | None, list[str]]:
    """The filter that the recipe names, and what is wrong with it."""
    name = loaded.recipe.evaluate.filter
    if name is None:
        return None, []
    try:
        return filter_of(name, loaded.root), []
    except UserMistake as error:
        return None, [f"evaluate.filter: {mistake}" for mistake in error.mistakes]
