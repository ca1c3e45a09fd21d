"""Chosen and rejected answers of the validation records, while a stage trains on others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.preferred import Sided, fall, sided
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.asked import preferring
from madrigal.pipeline.build import Built
from madrigal.pipeline.scoring import validation_rows
from madrigal.recipe.stage import StageSettings
from madrigal.training.files import write_whole
from madrigal.training.lockstep import by_first
from madrigal.training.processes import Processes

FILE = "preferred.json"

Sides = Mapping[str, Sequence[Sided]]  # by task


class Watched:
    """What the model of a stage makes of its preferences: at the start, and at the last validation.

    It holds what a validation found, so that journal and guard need not ask the model again.
    """

    def __init__(self, start: Sides) -> None:
        self.start = start
        self._now: Sides = {}

    def note(self, rows: Mapping[str, Sequence[Prediction]]) -> None:
        """Take what a validation found."""
        self._now = {task: sided(rows[task]) for task in self.start if task in rows}

    def means(self) -> dict[str, dict[str, float]]:
        """By task, `chosen` and `rejected` in nats an answer, at the last validation."""
        return _means(self._now)

    def fell(self, most: float) -> str:
        """Why the stage has to end, where chosen answers surely fell by more; else nothing."""
        for task, start in self.start.items():
            found = fall(start, self._now.get(task, ()))
            if found is not None and found.low > most:
                return (
                    f"Falling likelihood: the preferred answers of {task} lost {found.mean:.2f} "
                    f"nats an answer since the stage began, surely more than {most:g} (at least "
                    f"{found.low:.2f})."
                )
        return ""


def watched(
    built: Built, stage: StageSettings, model: LanguageModel, folder: Path, processes: Processes
) -> Watched:
    """The preferences of a stage that has validation records of them, at its start.

    The model must be that before the stage. What it says is kept in `folder`, so that a resumed run
    compares with the same; there is nothing to keep where the stage does not validate.
    """
    names = [n for n in preferring(built, [stage]) if built.tasks[n].splits["validation"]]
    if not names or not validates(stage):
        return Watched({})
    path = folder / FILE
    if not processes.from_first(path.exists()):
        rows = by_first(processes, model, lambda: validation_rows(built, model, names))
        if rows is not None and processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(_body({n: sided(rows[n]) for n in names})) + "\n")
    held = processes.from_first(_read(path) if processes.first else None)
    assert held is not None
    return Watched(held)


def validates(stage: StageSettings) -> bool:
    """Whether the stage looks at validation records on its way."""
    return bool(stage.validate_every or stage.early_stop is not None or stage.guard is not None)


def _body(sides: Sides) -> dict[str, object]:
    examples = {task: [asdict(one) for one in some] for task, some in sides.items()}
    return {"means": _means(sides), "examples": examples}


def _read(path: Path) -> dict[str, list[Sided]]:
    body = json.loads(path.read_text(encoding="utf-8"))
    return {task: [Sided(**one) for one in some] for task, some in body["examples"].items()}


def _means(sides: Sides) -> dict[str, dict[str, float]]:
    return {
        task: {
            "chosen": float(np.mean([one.chosen for one in some])),
            "rejected": float(np.mean([one.rejected for one in some])),
        }
        for task, some in sides.items()
        if some
    }
