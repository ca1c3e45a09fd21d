"""A run folder as it stands on the disk, read with patience: a piece may be missing or broken.

Nothing here knows a model. What cannot be read is left out and named in `problems`, so that the
page can say so: a run that was killed deserves a report too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from madrigal.errors import RunFolderError

Json = Mapping[str, Any]

_BEFORE = "00-before"


@dataclass(frozen=True, slots=True)
class StageLog:
    """What one stage (or one single-task baseline) wrote while it trained."""

    name: str
    steps: tuple[Json, ...] = ()
    validation: tuple[Json, ...] = ()
    events: tuple[Json, ...] = ()
    rollouts: tuple[Json, ...] = ()  # of answers of the model's own
    retention: Json = field(default_factory=dict)  # what keeping the past cost here
    kept: Json = field(default_factory=dict)  # what was kept for later stages, by kind
    preferred: Json = field(default_factory=dict)  # log-probabilities when the stage began
    looks: tuple[Json, ...] = ()  # at likeliest answers


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run, parsed. Predictions are only listed: they are read task by task."""

    path: Path
    manifest: Json
    recipe: Json
    recipe_text: str
    scores: Json
    cards: Mapping[str, Json]  # data cards by task
    before: StageLog  # what was kept of the run that this one goes on from
    stages: tuple[StageLog, ...]
    baselines: Mapping[str, Mapping[str, StageLog]]  # task -> stage, or "" in a run of one stage
    predictions: Mapping[str, Mapping[str, Path]]  # variant -> task -> file
    readme: str
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """The recipe's name, else the folder's."""
        name = self.recipe.get("name")
        return str(name) if name else self.path.resolve().name


def read_run(path: Path) -> RunFolder:
    """Reads the folder that `madrigal run` wrote.

    Raises `RunFolderError` where there is nothing of a run to be read.
    """
    if not path.is_dir():
        raise RunFolderError(f"{path}: no such folder; give the folder that `madrigal run` wrote")
    problems: list[str] = []
    run = RunFolder(
        path=path,
        manifest=_json_object(path / "manifest.json", path, problems),
        recipe=_recipe(path / "recipe.yaml", path, problems),
        recipe_text=_text(path / "recipe.yaml", path, problems),
        scores=_json_object(path / "scores.json", path, problems),
        cards=_cards(path, problems),
        before=_stage(path / "stages" / _BEFORE, _BEFORE, path, problems),
        stages=_stages(path, problems),
        baselines=_baselines(path, problems),
        predictions=_prediction_files(path),
        readme=_text(path / "README.md", path, problems),
        problems=tuple(problems),
    )
    if not (run.manifest or run.scores or run.stages or run.predictions):
        raise RunFolderError(
            f"{path}: not a run folder; found none of manifest.json, scores.json, stages/ and "
            "predictions/; give the folder that `madrigal run` wrote"
        )
    return run


def read_lines(path: Path, root: Path, problems: list[str]) -> tuple[Json, ...]:
    """The objects of a JSON-lines file; lines that are none are counted into `problems`.

    A last line without its line end was cut by a crash and is left out silently.
    """
    text = _text(path, root, problems)
    whole = text if text.endswith("\n") else text[: text.rfind("\n") + 1]
    parsed = [_parsed(line) for line in whole.split("\n") if line.strip()]
    rows = tuple(row for row in parsed if isinstance(row, dict))
    if len(rows) < len(parsed):
        broken = len(parsed) - len(rows)
        problems.append(f"{path.relative_to(root)}: {broken} lines are not JSON objects; left out")
    return rows


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(path: Path, root: Path, problems: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        problems.append(f"{path.relative_to(root)}: cannot be read ({error.strerror}); left out")
        return ""


def _json_object(path: Path, root: Path, problems: list[str]) -> Json:
    text = _text(path, root, problems)
    if not text:
        return {}
    value = _parsed(text)
    if not isinstance(value, dict):
        problems.append(f"{path.relative_to(root)}: not a JSON object; left out")
        return {}
    return value


def _recipe(path: Path, root: Path, problems: list[str]) -> Json:
    try:
        value = yaml.safe_load(_text(path, root, problems))
    except yaml.YAMLError:
        problems.append(f"{path.relative_to(root)}: not valid YAML; left out")
        return {}
    return value if isinstance(value, dict) else {}


def _cards(path: Path, problems: list[str]) -> Mapping[str, Json]:
    files = sorted((path / "data").glob("*.json"))
    cards = {file.stem: _json_object(file, path, problems) for file in files}
    return {str(card.get("task", stem)): card for stem, card in cards.items() if card}


def _stage(folder: Path, name: str, root: Path, problems: list[str]) -> StageLog:
    steps, validation, events, rollouts, looks = (
        read_lines(folder / file, root, problems)
        for file in (
            "steps.jsonl", "validation.jsonl", "events.jsonl", "rollouts.jsonl", "looks.jsonl"
        )
    )  # fmt: skip
    retention = _json_object(folder / "retention.json", root, problems)
    kept = _json_object(folder / "kept" / "costs.json", root, problems)
    preferred = _json_object(folder / "preferred.json", root, problems)
    return StageLog(name, steps, validation, events, rollouts, retention, kept, preferred, looks)


def _stages(path: Path, problems: list[str]) -> tuple[StageLog, ...]:
    found = (folder for folder in (path / "stages").glob("*") if folder.is_dir())
    folders = sorted(folder for folder in found if folder.name != _BEFORE)
    return tuple(_stage(folder, folder.name, path, problems) for folder in folders)


def _baselines(path: Path, problems: list[str]) -> Mapping[str, Mapping[str, StageLog]]:
    found: dict[str, dict[str, StageLog]] = {}
    for steps in sorted(path.glob("baselines/*/**/steps.jsonl")):
        task, *deeper = steps.parent.relative_to(path / "baselines").parts
        stage = deeper[-1] if deeper else ""
        found.setdefault(task, {})[stage] = _stage(steps.parent, stage, path, problems)
    return found


def _prediction_files(path: Path) -> Mapping[str, Mapping[str, Path]]:
    folders = sorted(folder for folder in (path / "predictions").glob("*") if folder.is_dir())
    return {
        folder.name: {file.stem: file for file in sorted(folder.glob("*.jsonl"))}
        for folder in folders
        if any(folder.glob("*.jsonl"))
    }
