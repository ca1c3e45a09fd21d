"""The folder of a sweep: its files, and that it holds one sweep only."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.recipe.load import dump_resolved
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial, read_trial, write_trial
from madrigal.training.files import write_whole

_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Names of the files of a sweep."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "sweep.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def trial(self, number: int) -> Path:
        """Folder of a trial."""
        return self.path / "trials" / f"{number:04d}"

    def run(self, number: int) -> Path:
        """Run folder of a trial."""
        return self.trial(number) / "run"

    def trials(self) -> dict[int, Trial]:
        """Trials that were begun here, by number."""
        found = (read_trial(file) for file in sorted(self.path.glob("trials/*/trial.json")))
        return {trial.number: trial for trial in found if trial is not None}

    def keep(self, trial: Trial) -> None:
        """Write down what is known of a trial."""
        write_trial(self.trial(trial.number) / "trial.json", trial)


def identity(plan: Plan) -> dict[str, Any]:
    """What the trials follow from. A sweep by chance alone may be looked at under another aim."""
    resolved = hashlib.sha256(dump_resolved(plan.loaded).encode()).hexdigest()
    return {
        "recipe": plan.name,
        "recipe_sha256": resolved,
        "search": {knob.key: str(knob) for knob in plan.knobs},
        "sampler": plan.sampler,
        "seed": plan.seed,
        "score_on": plan.score_on,
        **({"aim": str(plan.aim)} if plan.sampler == "tpe" else {}),
    }


def other_than(plan: Plan, held: Any) -> str:
    """In what a written identity differs from the plan's, in words; empty where in nothing."""
    wanted = identity(plan)
    held = held if isinstance(held, dict) else {}
    names = [name for name in wanted if held.get(name) != wanted[name]]
    if "recipe" in names:
        return f"recipe {held.get('recipe')!r}"
    words = {"recipe_sha256": "values in the recipe or --set", "score_on": "score_on"}
    return ", ".join(words.get(name, name) for name in names)


def refuse_foreign(folder: SweepFolder, plan: Plan) -> None:
    """Raises where the folder holds anything but this sweep.

    Raises:
        RunFolderError: it is of another sweep, or of something else.
    """
    path = folder.path
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path}: is a file; choose another --out")
    if folder.plan.is_file():
        try:
            held = json.loads(folder.plan.read_text(encoding="utf-8"))
        except ValueError:
            raise RunFolderError(f"{folder.plan}: is damaged; choose another --out") from None
        other = other_than(plan, held)
        if other:
            raise RunFolderError(
                f"{path}: holds a sweep with another {other}; give what it was begun with, or "
                "choose another --out"
            )
        return
    found = sorted(one.name for one in path.iterdir()) if path.exists() else []
    found = [name for name in found if name != _LOCK]
    if "recipe.yaml" in found:
        raise RunFolderError(f"{path}: holds a run, not a sweep; choose another --out")
    if found:
        raise RunFolderError(f"{path}: no sweep, it holds {found[0]!r}; choose another --out")


def keep_plan(folder: SweepFolder, plan: Plan) -> None:
    """Write down what the folder is of, once."""
    if not folder.plan.is_file():
        text = json.dumps(identity(plan), indent=1, ensure_ascii=False)
        write_whole(folder.plan, text + "\n")
