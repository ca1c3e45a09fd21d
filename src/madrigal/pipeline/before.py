"""A run that goes on from another: its weights, and what later stages ask of what it taught."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from madrigal.errors import RunFolderError
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.carried import Carried, asked, carried_over
from madrigal.pipeline.folder import RunFolder, recipe_of
from madrigal.pipeline.former import objectives, write_taught
from madrigal.pipeline.keep import End
from madrigal.pipeline.kept import Kept, write_kept
from madrigal.pipeline.measured import Work, measured
from madrigal.pipeline.parts import step_parts
from madrigal.pipeline.past import (
    KEPT,
    Past,
    Tensors,
    buffer_file,
    copied,
    ewc_file,
    goes_back,
    read_changes,
    read_quadratic,
)
from madrigal.pipeline.pulls import Pull, pulls_after
from madrigal.pipeline.routed import Grown, has_router
from madrigal.pipeline.shared_start import begin_from, find_start
from madrigal.pipeline.taught import with_references
from madrigal.pipeline.watch import Screen
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.retain import Merge, Replay
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Quadratic, merge
from madrigal.retention.buffer import Examples, read_buffer
from madrigal.retention.ewc import summed
from madrigal.training.processes import Processes
from madrigal.training.step import StepParts

NOTHING_BEFORE = Past()


def begin(built: Built, model: LanguageModel) -> None:
    """Give the model the weights of the run that the recipe starts from, if it names one.

    That run is only read.

    Raises:
        RunFolderError: it is no finished run, of another model, or it taught no such task.
    """
    settings = built.recipe.start_from
    if settings is None:
        return
    start = find_start(built.root / settings.run, built, settings.stage)
    for task in settings.learned:
        if task not in start.learned:
            raise RunFolderError(
                f"start_from.learned: {settings.run} taught no {task!r} until {start.label}; it "
                f"taught {', '.join(start.learned)}"
            )
    back = goes_back(built.recipe)
    if back is not None:
        _refuse_another_beginning(built, settings.run, back.kind, bool(start.folded))
    begin_from(model, start)


def _refuse_another_beginning(built: Built, run: str, kind: str, folded: bool) -> None:
    """Weights before all stages are those that the former run began with: made again, by seed."""
    text = f"start_from: {kind!r} goes back to the weights before all stages"
    if folded:
        raise RunFolderError(
            f"{text}, and {run} froze the adapters of its stages (`o_lora`); choose another"
        )
    seed = recipe_of(built.root / run).recipe.seed
    if seed != built.recipe.seed:
        raise RunFolderError(
            f"{text}, and those of {run} follow from its seed, {seed}; write `seed: {seed}`"
        )


def keep_before(
    loaded: LoadedRecipe,
    built: Built,
    model: LanguageModel,
    folder: RunFolder,
    processes: Processes,
    screen: Screen,
    start: Tensors | None,
) -> None:
    """Keep what the stages' retention needs of the tasks that were taught before, once.

    What the former run kept is carried over; the rest is made from its data, as if these tasks had
    been learnt in a stage of their own, which is over.
    """
    tasks, needed = built.recipe.before(), asked(built.recipe) or has_router(built.recipe)
    if not (tasks and needed) or processes.from_first((folder.before / KEPT).is_dir()):
        return
    if processes.first:
        write_taught(folder, built.taught)
    carried = carried_over(loaded)
    stage = StageSettings(name="before", learn=tasks, steps=1, objective=objectives(built.taught))
    wanting = [task for task in tasks if task in carried.wanting(built.recipe)]
    built = with_references(built, stage, wanting, screen, processes)
    parts = step_parts(built, stage, model, processes, tasks)
    kept = _Before(built, stage, parts, carried).kept(start)
    if processes.first:
        write_kept(folder.before / KEPT, kept)
    processes.wait()


@dataclass(frozen=True, slots=True)
class _Before:
    """The stage that stands for a whole run, and what was kept there."""

    built: Built
    stage: StageSettings
    parts: StepParts
    carried: Carried

    @property
    def device(self) -> torch.device:
        return self.parts.model.device

    def end(self, tasks: Sequence[str], past: Past = NOTHING_BEFORE) -> End:
        """Of the stage as far as it taught some of its tasks."""
        stage = self.stage.model_copy(update={"learn": tuple(tasks)})
        return End(self.built, stage, self.parts, past)

    def kept(self, start: Tensors | None) -> Kept:
        every = asked(self.built.recipe)
        buffers = {buffer_file(one): one for one in every if isinstance(one, Replay)}
        merges = any(isinstance(one, Merge) for one in every)
        return Kept(
            pulls={ewc_file(*one): self.pull(one) for one in pulls_after(self.built.recipe, 0)},
            buffers={name: self.buffer(one) for name, one in buffers.items()},
            router=self.router() if has_router(self.built.recipe) else None,
            changes=self.changes(start) if merges and start is not None else (),
        )

    def pull(self, asked: Pull) -> Work[Quadratic]:
        settings, _ = asked
        files, left = self.carried.pulls(asked)
        pulls = [self.whole(read_quadratic(file)) for file in files]
        if not left:
            return measured(lambda: summed(pulls), self.device)
        own = self.end(left).pull(asked)
        if settings.form == "online" and pulls:
            return replace(own, found=pulls[-1].moved(settings.decay, own.found))
        return replace(own, found=summed([*pulls, own.found]))

    def whole(self, pull: Quadratic) -> Quadratic:
        """On the model's device, and with parts that only new tasks have, which nothing pulls."""
        model = self.parts.model
        held, owned = pull.to(model.device), model.owners()
        new = {n: p for n, p in model.trainable() if id(p) in owned and n not in held.fisher}
        free = {name: torch.zeros_like(p) for name, p in new.items()}
        there = {name: p.detach().clone() for name, p in new.items()}
        return Quadratic({**free, **held.fisher}, {**there, **held.center}, held.rest)

    def buffer(self, settings: Replay) -> Work[Examples]:
        carried = self.carried.buffers(settings)
        files = {file: read_buffer(file) for file in dict.fromkeys(carried.values())}
        held = {task: files[file].get(task, []) for task, file in carried.items()}
        left = [task for task in self.stage.learn if not held.get(task)]
        if not left:
            return measured(lambda: held, self.device)
        made = self.end(left).choose(settings)
        return replace(made, found={t: held.get(t) or made.found[t] for t in self.stage.learn})

    def router(self) -> Work[Grown]:
        folder = self.carried.router
        past = NOTHING_BEFORE if folder is None else Past(folders=(folder,))
        return self.end(self.stage.learn, past).route()

    def changes(self, start: Tensors) -> list[Tensors]:
        """Of each stage by itself where the former run merged them; else of the run as a whole."""
        model = self.parts.model
        if not self.carried.merges:
            return [merge.change(start, copied(model))]
        return [one for file in self.carried.changes for one in read_changes(file, model)]
