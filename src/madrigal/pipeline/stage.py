"""Train one stage of a recipe, whole or for a single task, in its folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.mixture import Mixture
from madrigal.model.frozen import frozen
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.acting import acting, again, as_remembered
from madrigal.pipeline.build import Built
from madrigal.pipeline.costs import learnt_of, write_costs
from madrigal.pipeline.difficulty import scheduled
from madrigal.pipeline.folder import DONE
from madrigal.pipeline.guard import stage_guard
from madrigal.pipeline.journal import Journal, forget_after
from madrigal.pipeline.keep import keep
from madrigal.pipeline.parts import step_parts, validation_losses
from madrigal.pipeline.past import KEPT, WEIGHTS, Past, copied, put, read_weights
from madrigal.pipeline.recall import SILENT, recall, restructure
from madrigal.pipeline.reference import Reference
from madrigal.pipeline.save import save
from madrigal.pipeline.scoring import validation_scores
from madrigal.pipeline.sides import Watched, watched
from madrigal.pipeline.track import tracking
from madrigal.pipeline.watch import Screen
from madrigal.recipe.retain import Interpolate, Merge
from madrigal.recipe.stage import StageSettings
from madrigal.training.best_parts import BestParts
from madrigal.training.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint, restore
from madrigal.training.files import write_whole
from madrigal.training.loop import train
from madrigal.training.processes import Processes
from madrigal.training.progress import Progress
from madrigal.training.record import Observer
from madrigal.training.record import Watched as Told
from madrigal.training.stage_run import StageRun, Validate


@dataclass(frozen=True, slots=True)
class Where:
    """The folder of a stage, what it is called on the screen, and who is there.

    `joint` is the folder of the same stage in the joint run, where this is a run of one task.
    """

    folder: Path
    title: str
    screen: Screen
    processes: Processes
    joint: Path | None = None


def train_stage(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    tasks: Sequence[str],
    where: Where,
    past: Past | None = None,
) -> None:
    """Train `tasks` of a stage from where its folder says it stands; ends with its final weights.

    A finished stage is not trained again: its last weights are loaded. Without a `past` nothing is
    retained: that is a run of one task alone.
    """
    if past is not None:
        restructure(built, stage, model)
    if (where.folder / DONE).exists():
        _go_to_end(stage, model, where.folder)
        return
    source = _source(built, stage, model, tasks, where)
    begun = _begun(where)
    guard, seen = None, Watched({})
    if past is not None:
        seen = watched(built, stage, model, where.folder, where.processes)
        guard = stage_guard(built, stage, model, where.folder, where.processes, seen)
    if past is not None and _goes_back(stage):
        past = replace(past, before=copied(model))
    reference = Reference(built, stage, model, where.screen, where.processes)
    built = replace(built, examples=reference.of(built.examples, tasks))
    recalled = SILENT if past is None else recall(built, stage, model, past)
    writer = acting(built, stage, model, tasks, where.processes, where.folder)
    with frozen(model, stage.freeze):
        parts = step_parts(built, stage, model, where.processes, tasks, recalled=recalled)
        run = StageRun(
            settings=stage,
            parts=parts,
            source=again(recalled.source(source, stage, built.recipe.seed), writer, stage.acting()),
            examples={name: built.examples[name] for name in tasks} | dict(recalled.examples),
            checkpoints=where.folder / "checkpoints",
            validate=_validation(built, model, tasks, seen),
            validate_every=_validate_every(stage, source),
            validation_losses=validation_losses(
                built, as_remembered(built, stage, parts), reference.known
            ),
            strata=built.strata(stage),
            guard=guard,
            acting=writer,
        )
        learnt = learnt_of(model)
        progress = _trained(built, run, where, seen, begun)
    if past is not None:
        keep(built, stage, as_remembered(built, stage, parts), past, where.folder)
    if where.processes.first:
        save(where.folder, model, built.coder.end)
        if past is not None:
            write_costs(built, stage, parts, recalled, past, where.folder, learnt)
        _finish(stage, where.folder, progress)
    where.processes.wait()


def _trained(built: Built, run: StageRun, where: Where, seen: Watched, begun: int) -> Progress:
    """Train, on the screen and in the journal; `begun` is the step that it goes on from."""
    with (
        where.screen.training(where.title, run.source.steps, begun) as show,
        tracking(built.recipe, where.folder, where.title, where.processes) as mirror,
    ):
        watchers: list[Observer] = [show, mirror]
        if where.processes.first:
            watchers.insert(0, Journal(where.folder, seen.means))
        if run.acting is not None:
            watchers.append(run.acting.watch)
        return train(run, all_watching(watchers))


def _source(
    built: Built, stage: StageSettings, model: LanguageModel, tasks: Sequence[str], where: Where
) -> Mixture:
    """The schedule of the stage, or of its one task alone."""
    place = where.joint or where.folder
    whole = scheduled(built, stage, model, place, where.screen, where.processes)
    return whole if set(tasks) == set(stage.learn) else whole.only(tasks[0])


def _begun(where: Where) -> int:
    """The step that an earlier attempt reached; what its journal holds beyond it is forgotten."""
    found = newest_checkpoint(where.folder / "checkpoints")
    step = found.step if found else 0
    if where.processes.first:
        forget_after(where.folder, step if found else -1)  # what was told before the first step
    return step


def _goes_back(stage: StageSettings) -> bool:
    rule = stage.retains(Interpolate)
    return rule is not None and rule.to == "start"


def _go_to_end(stage: StageSettings, model: LanguageModel, folder: Path) -> None:
    """Give the model the weights that a finished stage ended with."""
    body = json.loads((folder / DONE).read_text(encoding="utf-8"))

    def kept(step: int) -> Checkpoint:
        found = load_checkpoint(folder / "checkpoints", step)
        if found is None:
            raise RunFolderError(
                f"{folder}: the checkpoint of step {step} is missing or damaged; "
                "start anew with another --out"
            )
        return found

    changed = next((k.kind for k in stage.retain if isinstance(k, Merge | Interpolate)), None)
    if changed is not None:
        put(model, read_weights(folder / KEPT / WEIGHTS, changed, model))
        return
    restore(model, None, kept(body["weights_of_step"]))
    if body.get("rolled_back"):
        parts = BestParts(model, stage.early_stop)
        parts.load(kept(body["steps"]).moments)
        parts.put_back(body["rolled_back"])


def _finish(stage: StageSettings, folder: Path, progress: Progress) -> None:
    """Say that the stage is done."""
    rule = stage.early_stop
    body = {
        "steps": progress.step,
        "weights_of_step": progress.result_step,
        "stopped": progress.stopped,
        "rolled_back": list(progress.done) if rule and rule.roll_back else [],
    }
    write_whole(folder / DONE, json.dumps(body) + "\n")


def all_watching(watchers: Sequence[Observer]) -> Observer:
    """One observer for several."""

    def observe(seen: Told) -> None:
        for watch in watchers:
            watch(seen)

    return observe


def _validation(
    built: Built, model: LanguageModel, tasks: Sequence[str], seen: Watched
) -> Validate | None:
    """Scores the tasks that have validation records; None where none has."""
    scored = built.recipe.scored(tasks)
    judged = [name for name in scored if built.tasks[name].splits["validation"]]
    return (lambda: validation_scores(built, model, judged, seen.note)) if judged else None


def _validate_every(stage: StageSettings, source: Mixture) -> int:
    if stage.validate_every or (stage.early_stop is None and stage.guard is None):
        return stage.validate_every
    return max(1, source.steps // 10)
