"""Mistakes of a recipe that show only beside its data and this machine."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.objective import Align, Likelihood, Reward
from madrigal.recipe.policy import Acting
from madrigal.recipe.retain import Distill, Replay
from madrigal.recipe.schema import Recipe
from madrigal.tasks.task import Task

# What fewer prompts share may be what they say, and not how they are asked.
_PROMPTS_OF_A_TEMPLATE = 8


def missing_trackers(recipe: Recipe) -> list[str]:
    """A line for every tracker of the recipe that is not installed."""
    return [
        f"track: '{name}' is not installed; pip install 'madrigal[{name}]' or leave it out"
        for name in recipe.track
        if find_spec(name) is None
    ]


def misfit(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Objectives that do not fit a task's data."""
    for number, stage in enumerate(recipe.stages):
        for name in stage.learn:
            said, judged = stage.objective.get(name), tasks[name].kind == "feedback"
            where = f"stages[{number}].objective"
            if judged and said is None:
                yield (
                    f"{where}: '{name}' holds judged answers; say how they are learnt, "
                    f"`objective: {{{name}: dpo}}`, or `likelihood` for the best ones alone"
                )
            if isinstance(said, Acting):
                if tasks[name].kind == "text":
                    yield (
                        f"{where}.{name}: {said.kind!r} answers prompts, and raw text has none; "
                        "choose `likelihood`, or name other data"
                    )
            elif not judged and said is not None and not isinstance(said, Likelihood | Align):
                yield (
                    f"{where}.{name}: {said.kind!r} learns from judged answers, and the data are "
                    f"{tasks[name].format or 'others'}; choose `likelihood`, or name other data"
                )


def unguarded(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Stages whose guard has no validation record to look at."""
    earlier = list(recipe.before())
    for number, stage in enumerate(recipe.stages):
        watched = [name for name in earlier if name not in stage.learn]
        guard = stage.guard
        cure = "raise data.split.validation, name data.validation, or leave the guard out"
        asked = guard is not None and guard.forgetting is not None
        if asked and not any(tasks[name].splits["validation"] for name in watched):
            what = "no earlier task has validation records"
            yield f"stages[{number}].guard.forgetting: {what}; {cure}"
        if guard is not None and guard.chosen is not None:
            liked = [n for n in stage.learn if tasks[n].kind == "feedback"]
            said = [n for n in liked if not isinstance(stage.objective_of(n), Reward)]
            if not said:
                what = "no task of the stage learns to say what people preferred; remove it"
                yield f"stages[{number}].guard.chosen: {what}"
            elif not any(tasks[name].splits["validation"] for name in said):
                what = "no task of judged answers in the stage has validation records"
                yield f"stages[{number}].guard.chosen: {what}; {cure}"
        earlier += recipe.scored(stage.learn)


def unroutable(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """A router with fewer than two parts to choose from, as raw text has no prompts to go by."""
    adapter = recipe.model.adapter
    private = adapter.private if isinstance(adapter, LoraAdapter) else None
    if private is None or not private.router:
        return
    taught = (*recipe.before(), *(t for one in recipe.stages for t in recipe.scored(one.learn)))
    asked = [name for name in taught if tasks[name].kind != "text"]
    if len({private.parts(asked).get(name) for name in asked}) < 2:
        yield (
            "model.adapter.private.router: raw text and auxiliary tasks have no prompts to answer, "
            "and the others have one part only, so nothing is left to choose; remove it"
        )


def without_validation(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Stages that ask for validation where no task has a record for it."""
    for number, stage in enumerate(recipe.stages):
        asks = "early_stop" if stage.early_stop else "validate_every"
        if not (stage.early_stop or stage.validate_every):
            continue
        if not any(tasks[name].splits["validation"] for name in stage.learn):
            yield (
                f"stages[{number}].{asks}: no task of the stage has validation records; "
                "raise data.split.validation, name data.validation, or leave it out"
            )


def unwritable(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Tasks with too few prompts to tell their template from their data, where the model is to
    write examples itself."""
    asked = [
        number
        for number, stage in enumerate(recipe.stages)
        if (kept := stage.retains(Replay)) is not None and kept.select == "generated"
    ]
    if not asked:
        return
    stages = recipe.stages[: asked[-1]]
    taught = (*recipe.before(), *(t for one in stages for t in recipe.scored(one.learn)))
    for name in dict.fromkeys(taught):
        if tasks[name].kind == "feedback":
            yield (
                f"stages[{asked[-1]}].retain: '{name}' holds answers that people judged, which a "
                "model cannot write; choose another `select`"
            )
            continue
        records = tasks[name].splits["train"] or tasks[name].splits["test"]
        found = len({record.turns for record in records})
        if tasks[name].kind != "text" and found < _PROMPTS_OF_A_TEMPLATE:
            yield (
                f"stages[{asked[-1]}].retain: '{name}' has {found} different training prompts, and "
                "what they share may be their text; `select: generated` needs "
                f"{_PROMPTS_OF_A_TEMPLATE} or more, so choose another `select`"
            )


def unasked(recipe: Recipe, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Stages that distil what the model says to prompts, and learn nothing that has any."""
    for number, stage in enumerate(recipe.stages):
        kept = stage.retains(Distill)
        if kept is None or kept.on != "own" or any(tasks[n].answered for n in stage.learn):
            continue
        yield (
            f"stages[{number}].retain: the stage learns raw text or judged answers only, which "
            "have no prompts that the model is to answer; write `on: new`"
        )
