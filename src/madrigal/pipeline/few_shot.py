"""A task learnt from a few examples: fine-tuned on them from the base and from a run, or shown."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from madrigal.errors import RunFolderError
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.learning_curve import BASE, CONTEXT, RUN, LearningCurve, learning_curve
from madrigal.evaluation.prediction import Prediction, read_predictions, write_predictions
from madrigal.model.frozen import frozen
from madrigal.model.host import keep_freed_memory, only_our_progress_bars, set_determinism
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built, build
from madrigal.pipeline.few_shot_plan import FewShot, fine_tuning, keep, of_task, settings_of
from madrigal.pipeline.folder import RunFolder, locked
from madrigal.pipeline.journal import Journal, forget_after
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.pipeline.reference import Reference
from madrigal.pipeline.shared_start import Start, begin_from, find_start
from madrigal.pipeline.stage import all_watching
from madrigal.pipeline.watch import Screen
from madrigal.recipe.load import LoadedRecipe
from madrigal.tasks.shots import with_shots
from madrigal.tasks.task import Task
from madrigal.training.checkpoint import newest_checkpoint
from madrigal.training.loop import train
from madrigal.training.processes import Processes
from madrigal.training.stage_run import StageRun


@dataclass(frozen=True, slots=True)
class Measured:
    """The curve, and what a reader should know of how it came about."""

    curve: LearningCurve
    settings: dict[str, Any]
    notes: tuple[str, ...]


def measure(loaded: LoadedRecipe, plan: FewShot) -> Measured:
    """Train and evaluate whatever is missing of the curve, then compute it.

    Each draw takes other examples, each larger number adds to the smaller one's; the examples that
    are shown in the context are those that are trained on. The test examples are the same for all.

    Raises:
        UserMistake: the task, the run or the folder does not fit.
        KeyboardInterrupt: after a checkpoint; the same call goes on.
    """
    keep_freed_memory()
    only_our_progress_bars()
    set_determinism(loaded.recipe.determinism, loaded.recipe.seed)
    run = RunFolder(plan.start) if plan.start is not None else None
    built = build(of_task(loaded, plan), run)
    task = built.tasks[plan.task]
    start = find_start(plan.start, built, plan.stage) if plan.start is not None else None
    if start is not None and start.folded:
        raise RunFolderError(
            f"{start.run}: its adapter holds those of several stages (`o_lora`), and the curve "
            "from the base needs it without; take a run with one adapter"
        )
    drawn = {(n, d): with_shots(task, n, d, built.recipe.seed) for n, d in _cells(plan)}
    settings = settings_of(built, plan)
    with locked(plan.folder):
        keep(plan.folder, settings)
        bench = _Bench(built, plan, start, fresh_model(built, [plan.task]))
        cells = bench.cells(drawn)
    recipe = built.recipe
    resampling = Resampling(recipe.seed, recipe.evaluate.draws, recipe.evaluate.confidence)
    curve = learning_curve(task.metric, cells, resampling)
    return Measured(curve, settings, tuple(_notes(plan, start)))


def _cells(plan: FewShot) -> Iterator[tuple[int, int]]:
    return ((n, d) for n in plan.shots for d in range(plan.draws))


class _Bench:
    """One model that every cell of the curve is measured with, from its start anew."""

    def __init__(
        self, built: Built, plan: FewShot, start: Start | None, model: LanguageModel
    ) -> None:
        self.built, self.plan, self.start, self.model = built, plan, start, model
        self.screen = Screen()
        self._folder_of_run = f"{RUN}-{start.short}" if start is not None else RUN
        self._fresh: dict[str, Tensor] = {n: p.detach().clone() for n, p in model.trainable()}

    def cells(
        self, drawn: dict[tuple[int, int], Task]
    ) -> dict[str, dict[int, list[list[Prediction]]]]:
        """Predictions of every way, number of examples and draw; 0 examples is the start itself."""
        task = self.built.tasks[self.plan.task]
        found: dict[str, dict[int, list[list[Prediction]]]] = {}
        for way in (BASE, *([RUN] if self.start else []), CONTEXT):
            untrained = self._cell(BASE if way == CONTEXT else way, 0, 0, task)
            held = found.setdefault(way, {0: [untrained]})
            for (shots, draw), few in drawn.items():
                held.setdefault(shots, []).append(self._cell(way, shots, draw, few))
        return found

    def _cell(self, way: str, shots: int, draw: int, task: Task) -> list[Prediction]:
        """What is there already, else what the model says, trained or shown the examples."""
        place = self._place(way, shots, draw)
        if not place.exists():
            title = f"{way}, {shots} examples" + (f", draw {draw}" if shots else "")
            self._begin(way)
            trains = way != CONTEXT and shots > 0
            folder = self.plan.folder / "training" / place.parent.name / place.stem
            if trains:
                self._train(folder, title, shots, draw, task)
            rows = self._evaluate(task, title, shots if way == CONTEXT else 0)
            write_predictions(place, rows)
            if trains:
                shutil.rmtree(folder / "checkpoints")
        return read_predictions(place)

    def _place(self, way: str, shots: int, draw: int) -> Path:
        name = self._folder_of_run if way == RUN else way
        return self.plan.folder / "predictions" / name / f"{shots}-{draw}.jsonl"

    @torch.no_grad()
    def _begin(self, way: str) -> None:
        for name, parameter in self.model.trainable():
            parameter.copy_(self._fresh[name])
        if way == RUN:
            assert self.start is not None
            begin_from(self.model, self.start)

    def _train(self, folder: Path, title: str, shots: int, draw: int, task: Task) -> None:
        name = task.name
        stage = fine_tuning(self.built.recipe, self.plan, shots, draw)
        built = replace(
            self.built,
            recipe=self.built.recipe.model_copy(update={"stages": (stage,)}),
            tasks={**self.built.tasks, name: task},
            examples={name: self.built.coder.training(task, "train")},
        )
        alone = Reference(built, stage, self.model, self.screen, Processes())
        built = replace(built, examples=alone.of(built.examples, [name]))
        with frozen(self.model, stage.freeze):
            run = StageRun(
                settings=stage,
                parts=step_parts(built, stage, self.model, Processes(), [name]),
                source=built.source(stage),
                examples=built.examples,
                checkpoints=folder / "checkpoints",
                validate=None,
                validate_every=0,
            )
            found = newest_checkpoint(run.checkpoints)
            done = found.step if found else 0
            forget_after(folder, done)
            with self.screen.training(title, run.source.steps, done) as show:
                train(run, all_watching([show, Journal(folder)]))

    def _evaluate(self, task: Task, title: str, shown: int) -> list[Prediction]:
        records = task.splits["test"]
        with self.screen.bar(f"score {title}", len(records)) as (moved, _):
            return evaluate_task(
                self.model,
                self.built.coder,
                task,
                records,
                batch_tokens=self.built.recipe.evaluate.batch_tokens,
                on_progress=moved,
                few_shot=shown,
                seed=self.built.recipe.seed,
            )


def _notes(plan: FewShot, start: Start | None) -> Iterator[str]:
    if start is not None and plan.task in start.learned:
        yield (
            f"{start.run} has trained on {plan.task}: its curve does not begin with a task that is "
            "new to it"
        )
    if plan.draws < 3:
        yield f"with {plan.draws} draws the intervals say little of other draws; take 3 or more"
