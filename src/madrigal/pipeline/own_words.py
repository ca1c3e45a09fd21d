"""Answers of a model's own to held-out prompts: what it writes, how far that is from another model,
and what it is worth."""

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madrigal.errors import RunFolderError
from madrigal.evaluation.tax import Said
from madrigal.evaluation.write import answered
from madrigal.experience.answer import Answer, Given, Prompt
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.reward import build_reward
from madrigal.pipeline.save import REWARD
from madrigal.pipeline.trained import find_trained
from madrigal.recipe.reward import RewardModel
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.record import Record
from madrigal.tasks.room import bare, limit
from madrigal.training.processes import Processes
from madrigal.training.reference import Asked, answer_logps


@dataclass(frozen=True, slots=True)
class Judge:
    """Who says what answers are worth, and the name of the files with what was said: of another
    run it holds which one, so that two runs in folders of one name are never mixed up."""

    given: Given
    file: str


def prompts_of(built: Built, task: str, most: int) -> list[Record]:
    """The first test prompts of a task."""
    return [record for record in built.tasks[task].splits["test"] if record.turns][:most]


def said(
    built: Built, model: LanguageModel, before: LanguageModel, task: str, records: Sequence[Record]
) -> list[Said]:
    """An answer to each prompt, drawn at temperature 1 with chance that belongs to the prompt, and
    log pi - log pi_before of the whole of it."""
    coder, settings = built.coder, built.recipe.evaluate
    held = [_prompt(built, task, record) for record in records]
    some = answered(
        model,
        coder,
        built.tasks[task],
        records,
        [one.tokens for one in held],
        [one.limit for one in held],
        settings.batch_tokens,
        built.recipe.seed,
    )
    rows = [(_row(prompt.tokens, one.written),) for prompt, one in zip(held, some, strict=True)]
    sums = [
        np.concatenate(
            answer_logps(
                Asked(who, settings.batch_tokens, coder.pad, Processes(), False),
                task,
                rows,
                _quiet,
            )
        )
        for who in (model, before)
    ]
    away = (sums[0] - sums[1]).tolist()
    return [
        Said(one.id, one.cluster, one.prompt, one.output, tuple(one.written), one.ended, nats)
        for one, nats in zip(some, away, strict=True)
    ]


def worth(
    built: Built, task: str, records: Sequence[Record], rows: Sequence[Said], reward: Given
) -> list[float | None]:
    """What each answer is worth; None where the reward gave no number."""
    answers = [
        Answer(_prompt(built, task, record), np.array(row.written), row.output, row.ended)
        for record, row in zip(records, rows, strict=True)
    ]
    return [float(x) if math.isfinite(x) else None for x in reward(answers).rewards.tolist()]


def judges(
    built: Built, stage: StageSettings, given: Sequence[tuple[str, Path]], keep: Path
) -> dict[str, dict[str, Judge]]:
    """Who says what answers are worth, by task and name: the rewards in training and the gold ones
    of the stage, and reward models of other runs by the name of their folder, with as much of the
    path before it as tells them apart. What judges behind addresses say is kept in `keep`.

    Raises:
        DataError, ModelError, RunFolderError: a reward is not there.
    """
    tokens, found = built.recipe.evaluate.batch_tokens, {}
    for task, settings in stage.acting().items():
        place = keep / task
        own = {"reward": build_reward(settings.reward, built.root, tokens, place)}
        if settings.gold:
            own["gold"] = build_reward(settings.gold, built.root, tokens, place / "gold")
        found[task] = {name: Judge(reward, name) for name, reward in own.items()}
    for task in dict.fromkeys(task for task, _ in given):
        own = found.setdefault(task, {})
        runs = list(dict.fromkeys(run.resolve() for name, run in given if name == task))
        for name, run in zip(_names(runs, frozenset(own)), runs, strict=True):
            model = RewardModel(run=str(run), task=_head_of(run, task))
            key = hashlib.sha256(str(run).encode()).hexdigest()[:8]
            reward = build_reward((model,), built.root, tokens)
            own[name] = Judge(reward, f"{run.name}-{key}")
    return found


def _names(runs: Sequence[Path], taken: Collection[str]) -> list[str]:
    """As few of the last parts of each path as tell all of them apart, and from what is taken."""
    for count in range(1, max((len(run.parts) for run in runs), default=0)):
        names = ["/".join(run.parts[1:][-count:]) for run in runs]
        if len({*names, *taken}) == len(names) + len(taken):
            return names
    return [str(run) for run in runs]


def _head_of(run: Path, task: str) -> str:
    """The task of a run whose reward model judges answers to the prompts of `task`."""
    heads = sorted(place.name for place in (find_trained(run).stage / REWARD).glob("*"))
    if task in heads:
        return task
    if len(heads) == 1:
        return heads[0]
    has = f"it has those of {', '.join(heads)}" if heads else "it has none"
    raise RunFolderError(f"{run}: no reward model of {task!r}; {has}")


def read_said(path: Path) -> list[Said]:
    """What `said` found, from its file.

    Raises:
        RunFolderError: it is damaged.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Said(**{**row, "written": tuple(row["written"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise RunFolderError(f"{path}: not answers ({problem}); remove the file") from None


def as_rows(rows: Sequence[Said]) -> list[dict[str, Any]]:
    """For a file."""
    return [{**asdict(row), "written": [int(token) for token in row.written]} for row in rows]


def _prompt(built: Built, task: str, record: Record) -> Prompt:
    most = limit(built.tasks[task], record, built.coder)
    return Prompt(built.coder.prompt(bare(record), room=most), record, most)


def _row(prompt: np.ndarray, written: Sequence[int]) -> Encoded:
    trained = np.arange(len(prompt) + len(written)) >= len(prompt)
    return Encoded(np.concatenate([prompt, np.array(written, dtype=np.int64)]), trained)


def _quiet(done: int, total: int) -> None:
    del done, total
