"""Make an ensemble of what runs left, and see how far its members agree, at home and elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.errors import RunFolderError
from madrigal.evaluation.agreement import Judging, agreement
from madrigal.evaluation.measure import Measure, share
from madrigal.model.base import model_context
from madrigal.model.ensemble import (
    Aggregate,
    Ensemble,
    Facts,
    aggregate,
    load_ensemble,
    write_ensemble,
    write_facts,
)
from madrigal.pipeline.save import REWARD
from madrigal.pipeline.trained import find_trained, recipe_of
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.tasks.encoded import Example
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task

MEASURED = "measured.json"
_MOST = 400  # records of a task that are scored
HOWS: tuple[Aggregate, ...] = get_args(Aggregate)


@dataclass(frozen=True, slots=True)
class Member:
    """One reward model that a run left, and where it stands."""

    name: str
    folder: Path
    recipe: LoadedRecipe


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far members differ on answers. `spread` is the mean over answers of the standard
    deviation over members of their scores less each member's centre; `split` the share of pairs of
    answers to one prompt of which not all members prefer the same."""

    answers: int
    spread: Measure
    split: Measure | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Agreement with people of each member and each aggregate, and disagreement by task."""

    members: Mapping[str, Measure]
    aggregates: Mapping[str, Measure]
    home: str
    disagreement: Mapping[str, Disagreement]


def members_of(runs: Sequence[Path], tasks: Sequence[str], stage: str | None) -> list[Member]:
    """The reward models of these tasks in these runs.

    Raises:
        RunFolderError: not a run, or a run's stage left none of a task.
    """
    found = []
    for run in runs:
        for task in tasks:
            trained = find_trained(run, stage, task)
            left = [place.name for place in sorted((trained.stage / REWARD).glob("*"))]
            if task not in left:
                hint = did_you_mean(task, left, "it left those of") if left else ""
                raise RunFolderError(
                    f"{run}: stage {trained.label} left no reward model of {task!r}{hint}; give "
                    "`objective: reward` to the task"
                )
            name = f"{len(found)}-{task}".replace(".", "-")
            found.append(Member(name, trained.stage / REWARD / task, recipe_of(run)))
    return found


def make(
    members: Sequence[Member], task: Task, folder: Path, how: Aggregate, penalty: float
) -> Ensemble:
    """Write the ensemble; its centres are the members' mean scores on validation answers of the
    task, or on test answers where it has no others."""
    settings = members[0].recipe.recipe.model
    names = tuple(member.name for member in members)
    context = model_context(settings, members[0].recipe.root)
    facts = Facts(names, (0.0,) * len(names), how, penalty, context, settings.chat_template)
    write_ensemble([member.folder for member in members], folder, facts)
    ensemble = load_ensemble(folder)
    records = task.splits["validation"] or task.splits["test"]
    levels = _scored(ensemble, _examples(ensemble, task, records)).mean(dim=1)
    facts = replace(facts, centres=tuple(map(float, levels)))
    write_facts(folder, facts)
    return replace(ensemble, facts=facts)


def measure(ensemble: Ensemble, home: Task, others: Mapping[str, Task]) -> Measured:
    """On test answers of the task, and how far members differ on those of other tasks."""
    examples = _examples(ensemble, home, home.splits["test"])
    scores = _scored(ensemble, examples)
    penalty = ensemble.facts.penalty
    each = {
        name: _agreement(examples, scores[number])
        for number, name in enumerate(ensemble.facts.members)
    }
    together = {how: _agreement(examples, aggregate(scores, how, penalty)) for how in HOWS}
    told = {home.name: disagreement(scores.numpy(), [len(one) for one in examples])}
    for name, task in others.items():
        theirs = _examples(ensemble, task, task.splits["test"])
        found = _scored(ensemble, theirs)
        told[name] = disagreement(found.numpy(), [len(one) for one in theirs])
    return Measured(each, together, home.name, told)


def write_measured(folder: Path, found: Measured) -> None:
    """Beside the ensemble, so that who uses it knows."""
    text = json.dumps(asdict(found), indent=1, ensure_ascii=False)
    (folder / MEASURED).write_text(text + "\n", encoding="utf-8")


def disagreement(scores: Float[np.ndarray, "M N"], sizes: Sequence[int]) -> Disagreement:
    """Of answers that stand prompt after prompt, so many to each."""
    prompt = np.repeat(np.arange(len(sizes)), sizes)
    spread = share(scores.std(axis=0), np.ones(len(prompt)), prompt)
    split, of = np.zeros(len(sizes)), np.zeros(len(sizes))
    starts = np.cumsum([0, *sizes])
    for number, size in enumerate(sizes):
        first, second = np.triu_indices(size, 1)
        own = scores[:, starts[number] : starts[number + 1]]
        above = own[:, first] > own[:, second]
        split[number] = (above.any(axis=0) & ~above.all(axis=0)).sum()
        of[number] = len(first)
    assert spread is not None
    return Disagreement(len(prompt), spread, share(split, of, np.arange(len(sizes))))


def _examples(ensemble: Ensemble, task: Task, records: Sequence[Record]) -> list[Example]:
    return [ensemble.coder.example(record, task) for record in records[:_MOST]]


def _scored(ensemble: Ensemble, examples: Sequence[Example]) -> Float[Tensor, "M N"]:
    return ensemble.scores([row.tokens for example in examples for row in example])


def _agreement(examples: Sequence[Example], scores: Float[Tensor, " N"]) -> Measure:
    starts = np.cumsum([0, *map(len, examples)])
    hits = []
    for example, start in zip(examples, starts[:-1], strict=True):
        own = tuple(scores[start : start + len(example)].tolist())
        wins = tuple(row.judged.wins for row in example if row.judged is not None)
        texts, ones = ("",) * len(own), (1,) * len(own)
        hits.append(agreement(Judging(texts, wins, own, ones, own)))
    found = share(np.array(hits), np.ones(len(hits)), np.arange(len(hits)))
    assert found is not None
    return found
