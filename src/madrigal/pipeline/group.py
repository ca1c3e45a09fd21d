"""How the tasks of a stage affect each other: from a short run of it, or from a finished run."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError, UserMistake
from madrigal.evaluation.affinity import Measure, StepAffinity, read_affinity
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.stage import StageSettings
from madrigal.report.diagnosis import stage_named
from madrigal.report.folder import read_lines, read_run
from madrigal.tasks.encoded import Example

LEAST_STEPS = 60
SHARE = 10  # of the stage's steps, one in so many is taken
_LOOKS = 40  # steps at which a look-ahead run tries: each costs a forward pass a task
_DONE = "done.json"

Examples = Mapping[str, Sequence[Example]]


@dataclass(frozen=True, slots=True)
class Measuring:
    """A short run of a stage that finds out how its tasks affect each other.

    `steps` None: a tenth of the stage's, at least 60, at most all. It stands in a folder of its own
    below `home`, told by the recipe, the data and what is measured: the same command finds it
    again, goes on where it stopped, and takes what is finished as it is.
    """

    stage: StageSettings
    measure: Measure
    home: Path
    steps: int | None = None


def from_run(run: Path, stage: StageSettings, measure: Measure) -> StepAffinity:
    """What a finished run of the recipe measured in a stage.

    Raises:
        RunFolderError: no such run or stage, other tasks, or nothing measured.
    """
    folder = read_run(run)
    label = stage_named(folder, stage.name)
    log = next(log for log in folder.stages if log.name == label)
    found = read_affinity(log.steps, measure)
    if found is None and measure == "look_ahead":
        raise RunFolderError(
            f"{run}: looked ahead at no step, as only `madrigal group` itself does; leave --run "
            "out, or take --affinity first_order"
        )
    if found is None:
        raise RunFolderError(
            f"{run}: stage {stage.name} has no measured gradients of two tasks; leave --run out, "
            "or run it again with `gradients: {measure_every: 4}`"
        )
    if {*found.tasks} != {*stage.learn}:
        raise RunFolderError(
            f"{run}: stage {stage.name} measured {', '.join(found.tasks)}; the recipe's learns "
            f"{', '.join(stage.learn)}; give the recipe of that run"
        )
    return found.of(stage.learn)


def from_short_run(loaded: LoadedRecipe, plan: Measuring) -> StepAffinity:
    """Train the first model of the recipe on the stage for a few steps, and read what they say.

    Raises:
        UserMistake: as of a run; or nothing could be measured.
        KeyboardInterrupt: after a checkpoint; the same call goes on.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserMistake("group: measures in one process; start it without torchrun")
    folder = _trained(loaded, plan)
    found = read_affinity(read_lines(folder / "steps.jsonl", folder, []), plan.measure)
    if found is None:
        raise UserMistake(
            f"{folder}: no step held examples of two tasks; take a larger batch or more --steps"
        )
    missing = [task for task in plan.stage.learn if task not in found.tasks]
    if missing:
        raise UserMistake(
            f"{folder}: {missing[0]} was in no measured step; take a larger batch or more --steps"
        )
    return found.of(plan.stage.learn)


def _trained(loaded: LoadedRecipe, plan: Measuring) -> Path:
    """The folder of the finished short run."""
    # Here and not above: mistakes of the command line are told before torch is there.
    from madrigal.model.host import keep_freed_memory, only_our_progress_bars, set_determinism
    from madrigal.pipeline.build import build
    from madrigal.pipeline.folder import locked
    from madrigal.training.files import write_whole

    keep_freed_memory()
    only_our_progress_bars()
    set_determinism(loaded.recipe.determinism, loaded.recipe.seed)
    built = build(loaded)
    steps = plan.steps or short_steps(built.source(plan.stage).steps)
    stage = shortened(plan.stage, steps)
    folder = plan.home / f"{stage.name}-{_key(loaded, stage, plan, built.examples)}"
    if (folder / _DONE).exists():
        return folder
    with locked(folder):
        _train(built, stage, plan, folder)
        write_whole(folder / _DONE, json.dumps({"steps": steps}) + "\n")
        shutil.rmtree(folder / "checkpoints")
    return folder


def short_steps(steps: int) -> int:
    """How long the short run of a stage of so many steps is."""
    return min(steps, max(LEAST_STEPS, steps // SHARE))


def shortened(stage: StageSettings, steps: int) -> StageSettings:
    """The stage in so many steps, all of them measured, with its learning rates in that time."""
    # What a step does to a loss is asked, and products of weights' updates do not tell it.
    metric = "raw" if stage.gradients.metric == "update" else stage.gradients.metric
    each = {"measure_every": 1, "by_layer": False, "metric": metric}
    return stage.model_copy(
        update={
            "steps": steps,
            "epochs": None,
            "curriculum": None,  # every task is measured from the start
            "gradients": stage.gradients.model_copy(update=each),
            "validate_every": 0,
            "early_stop": None,
            "checkpoint_every": max(1, steps // 4),
        }
    )


def _key(loaded: LoadedRecipe, stage: StageSettings, plan: Measuring, examples: Examples) -> str:
    """What the measured numbers follow from, in eight letters."""
    recipe = loaded.recipe
    told = [plan.measure, recipe.model_dump_json(include={"seed", "determinism", "model"})]
    told += [stage.model_dump_json(), *(recipe.tasks[t].model_dump_json() for t in stage.learn)]
    digest = hashlib.sha256("\n".join(told).encode())
    for row in (row for task in stage.learn for example in examples[task] for row in example):
        digest.update(row.tokens.tobytes() + row.trained.tobytes())
    return digest.hexdigest()[:8]


def _train(built: Any, stage: StageSettings, plan: Measuring, folder: Path) -> None:
    from madrigal.model.frozen import frozen
    from madrigal.pipeline.journal import Journal, forget_after
    from madrigal.pipeline.parts import fresh_model, step_parts, validation_losses
    from madrigal.pipeline.reference import Reference
    from madrigal.pipeline.stage import all_watching
    from madrigal.pipeline.watch import Screen
    from madrigal.training.checkpoint import newest_checkpoint
    from madrigal.training.loop import train
    from madrigal.training.processes import Processes
    from madrigal.training.stage_run import StageRun

    source = built.source(stage)
    model, screen = fresh_model(built), Screen()
    reference = Reference(built, stage, model, screen, Processes())
    built = replace(built, examples=reference.of(built.examples, stage.learn))
    with frozen(model, stage.freeze):
        parts = step_parts(built, stage, model, Processes(), stage.learn)
        looks = max(1, source.steps // _LOOKS) if plan.measure == "look_ahead" else 0
        run = StageRun(
            settings=stage,
            parts=parts,
            source=source,
            examples={name: built.examples[name] for name in stage.learn},
            checkpoints=folder / "checkpoints",
            validate=None,
            validate_every=0,
            validation_losses=validation_losses(built, parts, reference.known),
            look_ahead_every=looks,
        )
        found = newest_checkpoint(run.checkpoints)
        done = found.step if found else 0
        forget_after(folder, done)
        with screen.training(f"measure {stage.name}", source.steps, done) as show:
            train(run, all_watching([show, Journal(folder)]))
