"""Prompts whose task is not told: a router chooses the private part that answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.evaluate import evaluate_task, still
from madrigal.evaluation.features import prompt_features
from madrigal.evaluation.kl import AdapterOff
from madrigal.evaluation.plan import ROUTED
from madrigal.evaluation.prediction import Prediction, read_predictions, write_predictions
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import stage_label
from madrigal.pipeline.past import KEPT, ROUTER, Past
from madrigal.pipeline.scoring import Scorer
from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.model import has_router as asks_router
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import StageSettings
from madrigal.retention.router import Router, Rule, read_router
from madrigal.retention.select import at_random
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.record import Record
from madrigal.training.chance import derive
from madrigal.training.lockstep import by_first

PROMPTS = 1000  # training prompts of a task that the router sees, at most


def has_router(recipe: Recipe) -> bool:
    """Whether the recipe asks for a router."""
    return asks_router(recipe.model)


def part_of(recipe: Recipe, tasks: Sequence[str]) -> dict[str, str]:
    """The private part of each of these tasks; of one without, the empty name."""
    adapter = recipe.model.adapter
    held = isinstance(adapter, LoraAdapter) and adapter.private
    return dict.fromkeys(tasks, "") | (held.parts(tasks) if held else {})


def routed_tasks(built: Built, tasks: Sequence[str]) -> list[str]:
    """The scored ones that have prompts. Raw text has none that could be looked at beforehand."""
    return [t for t in built.recipe.scored(tasks) if built.tasks[t].kind != "text"]


def features(
    model: LanguageModel, prompts: Sequence[np.ndarray], batch_tokens: int
) -> Float[np.ndarray, "n D"]:
    """What the frozen base makes of prompts; it is the same before, in and after every stage."""
    rows = [Encoded(tokens, np.zeros(len(tokens), dtype=bool)) for tokens in prompts]
    with still(model):
        return prompt_features(model, rows, batch_tokens, AdapterOff(model).states)


def router_before(past: Past) -> Router:
    """The router of the stages before; at the first one it knows no task.

    Raises:
        RunFolderError: what the stage before kept is gone or damaged.
    """
    return read_router(past.folders[-1] / ROUTER) if past.folders else Router.empty()


@dataclass(frozen=True, slots=True)
class Grown:
    """A router, and how many tokens each prompt has that was added to it."""

    router: Router
    lengths: tuple[int, ...]


def router_after(built: Built, stage: StageSettings, model: LanguageModel, past: Past) -> Grown:
    """The router of the stages before with the stage's new tasks added.

    Raises:
        RunFolderError: what the stage before kept is gone or damaged.
    """
    router, seed = router_before(past), derive(built.recipe.seed, "router")
    lengths: list[int] = []
    for name in routed_tasks(built, stage.learn):
        if name in router.counts:
            continue  # the same prompts through the same base
        records = built.tasks[name].splits["train"]
        chosen = [records[int(i)] for i in at_random(len(records), PROMPTS, seed, name)]
        prompts = [built.coder.prompt(record) for record in chosen]
        found = features(model, prompts, built.recipe.evaluate.batch_tokens)
        router = router.plus(name, found)
        lengths += map(len, prompts)
    return Grown(router, tuple(lengths))


def _features(
    built: Built, model: LanguageModel, records: Sequence[Record]
) -> Float[np.ndarray, "n D"]:
    prompts = [built.coder.prompt(record) for record in records]
    return features(model, prompts, built.recipe.evaluate.batch_tokens)


def score_routed(scorer: Scorer, number: int, model: LanguageModel) -> None:
    """A further row of predictions after stage `number`: of each task taught so far, routed.

    What the router sends to the task's own part is answered already. Where one part only has been
    taught there is nothing to choose, and no row.
    """
    recipe = scorer.built.recipe
    stages = recipe.stages[:number]
    every = (*recipe.before(), *(task for stage in stages for task in stage.learn))
    tasks = routed_tasks(scorer.built, list(dict.fromkeys(every)))
    label = stage_label(number, stages[-1].name)
    if len(set(part_of(recipe, tasks).values())) > 1:
        place = scorer.folder.stage(number, stages[-1].name) / KEPT / ROUTER
        by_first(scorer.processes, model, lambda: _missing(scorer, label, model, tasks, place))
    scorer.processes.wait()


def _missing(
    scorer: Scorer, label: str, model: LanguageModel, tasks: Sequence[str], place: Path
) -> None:
    todo = scorer.missing(label + ROUTED, tasks)
    if todo:
        _score(scorer, label, model, todo, read_router(place).rule())


def _score(
    scorer: Scorer, label: str, model: LanguageModel, todo: Sequence[str], rule: Rule
) -> None:
    built = scorer.built
    total = sum(len(built.tasks[name].splits["test"]) for name in todo)
    before = 0
    with scorer.screen.bar("routed", total) as (moved, remark):
        for name in todo:
            remark(name)
            records = built.tasks[name].splits["test"]
            routes = _routes(built, rule.choose(_features(built, model, records)), name)
            own = read_predictions(scorer.folder.predictions(label, name))
            rows = _answered(scorer, model, name, own, routes)
            write_predictions(scorer.folder.predictions(label + ROUTED, name), rows)
            before += len(records)
            moved(before, total)


def _routes(built: Built, chosen: Sequence[str], task: str) -> list[str]:
    """The tasks whose parts were chosen; the task's own name where its part is the same."""
    parts = part_of(built.recipe, [task, *chosen])
    return [task if parts[name] == parts[task] else name for name in chosen]


def _answered(
    scorer: Scorer,
    model: LanguageModel,
    name: str,
    own: Sequence[Prediction],
    routes: Sequence[str],
) -> list[Prediction]:
    """The task's own predictions, and anew what another task's part answers."""
    built = scorer.built
    task = built.tasks[name]
    rows = [replace(row, route=task.name) for row in own]
    for route in sorted({*routes} - {task.name}):
        places = [i for i, name in enumerate(routes) if name == route]
        found = evaluate_task(
            model,
            built.coder,
            task,
            [task.splits["test"][i] for i in places],
            batch_tokens=built.recipe.evaluate.batch_tokens,
            route=route,
        )
        for i, row in zip(places, scorer.seen(found, task.metric), strict=True):
            rows[i] = replace(row, id=own[i].id, cluster=own[i].cluster, route=route)
    return rows
