"""One trial: a run of the recipe with values of its own, and what became of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from madrigal.errors import RunFolderError
from madrigal.sweep.aim import Aim
from madrigal.sweep.knob import Values
from madrigal.training.files import write_whole

State = Literal["planned", "finished", "failed"]
Ends = Mapping[str, int | float | None]  # value, low, high


@dataclass(frozen=True, slots=True)
class Trial:
    """Trial 0 is the recipe as it stands; `values` are then the recipe's own."""

    number: int
    values: Values
    state: State = "planned"
    scores: Mapping[str, Ends] = field(default_factory=dict)
    why: str = ""  # of a failed one, in a sentence
    seconds: float = 0.0
    run: str = ""  # its run folder, with the machine where there are several

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state != "planned"

    def numbers(self) -> dict[str, float]:
        """The scores without their intervals."""
        return {name: float(ends["value"] or 0.0) for name, ends in self.scores.items()}

    def knows(self, aim: Aim) -> bool:
        """Whether it is finished and has every score that the aim looks at."""
        return self.state == "finished" and set(aim.scores) <= set(self.scores)

    def to_json(self) -> dict[str, Any]:
        """The content of trial.json."""
        return asdict(self)


def write_trial(path: Path, trial: Trial) -> None:
    """Write trial.json whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(trial.to_json(), indent=1, ensure_ascii=False) + "\n")


def read_trial(path: Path) -> Trial | None:
    """The trial of a file, or None where there is none.

    Raises:
        RunFolderError: it is damaged.
    """
    try:
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        cure = f"remove {path.parent} and the trial is run anew"
        raise RunFolderError(f"{path}: is damaged; {cure}") from error
