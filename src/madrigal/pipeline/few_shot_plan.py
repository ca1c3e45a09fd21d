"""What of a few-shot curve is to be measured, and that a folder holds one such measurement only."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.pipeline.build import Built
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import Batch, StageSettings
from madrigal.training.files import write_whole

_PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class FewShot:
    """What is to be measured. Every fine-tuning takes `steps` steps of at most `rows` examples.

    Finished parts stand in `folder`; the same call goes on with what is missing, and more numbers
    of examples or draws add to what is there.
    """

    task: str
    shots: Sequence[int]
    draws: int
    folder: Path
    start: Path | None = None  # a run to fine-tune from, beside the base
    stage: str | None = None  # of that run
    steps: int = 100
    rows: int = 8
    learning_rate: float | None = None  # None: that of the recipe


def of_task(loaded: LoadedRecipe, plan: FewShot) -> LoadedRecipe:
    """The recipe with one stage, which learns the task from all of its examples."""
    recipe = loaded.recipe
    task = recipe.tasks[plan.task].model_copy(
        update={"shots": None, "draw": 0, "role": "main", "max_epochs": None}
    )
    stage = fine_tuning(recipe, plan, max(plan.shots), 0)
    changes = {"tasks": {**recipe.tasks, plan.task: task}, "stages": (stage,)}
    return replace(loaded, recipe=recipe.model_copy(update=changes))


def fine_tuning(recipe: Recipe, plan: FewShot, shots: int, draw: int) -> StageSettings:
    """How a number of examples is trained on: as the recipe's stage that learns the task (else its
    last one) says of optimiser and objective, without validation, which few examples do not have.
    """
    learning = [stage for stage in recipe.stages if plan.task in stage.learn]
    like = (learning or list(recipe.stages[-1:]) or [None])[0]
    stage = StageSettings(
        name=f"shots-{shots}-{draw}",
        learn=(plan.task,),
        steps=plan.steps,
        batch=Batch(rows=min(plan.rows, shots)),
        checkpoint_every=plan.steps,
    )
    gradients = stage.gradients.model_copy(update={"measure_every": 0})
    changes: dict[str, Any] = {"gradients": gradients}
    if like is not None:
        changes["optimiser"] = like.optimiser
        changes["objective"] = {t: o for t, o in like.objective.items() if t == plan.task}
    if plan.learning_rate is not None:
        rate = {"learning_rate": plan.learning_rate}
        changes["optimiser"] = (like or stage).optimiser.model_copy(update=rate)
    return stage.model_copy(update=changes)


def settings_of(built: Built, plan: FewShot) -> dict[str, Any]:
    """What the predictions follow from, beside the number of examples and the draw."""
    stage = fine_tuning(built.recipe, plan, max(plan.shots), 0)
    digest = hashlib.sha256()
    for split, records in sorted(built.tasks[plan.task].splits.items()):
        digest.update(split.encode())
        for record in records:
            digest.update(record.key.encode())
    return {
        "recipe": built.recipe.name,
        "task": plan.task,
        "seed": built.recipe.seed,
        "model": built.recipe.model.model_dump(mode="json"),
        "steps": plan.steps,
        "rows": plan.rows,
        "optimiser": stage.optimiser.model_dump(mode="json"),
        "objective": {t: o.model_dump(mode="json") for t, o in stage.objective.items()},
        "data_sha256": digest.hexdigest(),
    }


def keep(folder: Path, settings: dict[str, Any]) -> None:
    """Write down what this folder is of, or refuse one that is of something else."""
    path = folder / _PLAN
    if not path.exists():
        write_whole(path, json.dumps(settings, indent=1, ensure_ascii=False) + "\n")
        return
    held = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name in settings if held.get(name) != settings[name]]
    if other:
        raise RunFolderError(
            f"{folder}: was measured with another {', '.join(other)}; choose another --out"
        )
