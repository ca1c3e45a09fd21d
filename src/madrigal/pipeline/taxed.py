"""The stages of a run whose alignment tax can be measured, and the point that was chosen."""

import json
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.pipeline.folder import recipe_of, stage_labels
from madrigal.pipeline.former import finished_stages
from madrigal.recipe.objective import Align, Likelihood, Reward
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean
from madrigal.training.files import write_whole

TAX = "tax"  # in a run folder: a folder for each stage that was measured
FOUND, CHOSEN = "tax.json", "chosen.json"


def taxed(run: Path, stage: str | None = None) -> tuple[str, StageSettings]:
    """Label and settings of the stage named that learnt what is better; left out: of the last one.

    Raises:
        RunFolderError: there is no such stage, or it learnt no such thing.
    """
    recipe = recipe_of(run).recipe
    every = dict(zip(stage_labels(recipe), recipe.stages, strict=True))
    done = {label: every[label] for label in finished_stages(run, recipe)}
    able = {label: one for label, one in done.items() if own_tasks(one)}
    if not done:
        raise RunFolderError(f"{run}: no stage has finished; go on with `madrigal run --resume`")
    if stage is not None:
        names = {name: label for label in done for name in (label, done[label].name)}
        if stage not in names:
            raise RunFolderError(f"{run}: no finished stage {stage!r}{did_you_mean(stage, names)}")
        if names[stage] not in able:
            there = f"; take {' or '.join(able)}" if able else ""
            text = f"stage {stage} learns no task from preferences or rewards"
            raise RunFolderError(f"{run}: {text}, so it has no tax{there}")
        return names[stage], able[names[stage]]
    if not able:
        raise RunFolderError(
            f"{run}: no finished stage learns from preferences or rewards, so there is no tax"
        )
    return list(able.items())[-1]


def own_tasks(stage: StageSettings) -> tuple[str, ...]:
    """The tasks by which a stage learns what is better: not by likelihood, and not a head alone."""
    held = {task: stage.objective_of(task) for task in stage.learn}
    return tuple(t for t, kind in held.items() if not isinstance(kind, Likelihood | Align | Reward))


def note_choice(run: Path, label: str, share: float, task: str | None, out: Path) -> None:
    """Note in the run that a point of a stage's way was chosen, and where it was written."""
    folder = run / TAX / label
    folder.mkdir(parents=True, exist_ok=True)
    body = {"share": share, "out": str(out), "task": task}
    write_whole(folder / CHOSEN, json.dumps(body) + "\n")
