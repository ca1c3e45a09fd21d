"""How much a recipe asks for, in tokens and in seconds on this machine, before anything is done."""

from collections.abc import Sequence

from madrigal.evaluation.few_shot import with_examples
from madrigal.mixture import Mixture
from madrigal.pipeline.asked import asked, measured_by_kl, measured_by_reference, preferring
from madrigal.pipeline.build import Built
from madrigal.pipeline.estimate_acting import acted, trained
from madrigal.pipeline.estimate_retention import retained
from madrigal.pipeline.work import Part
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split, Task

_LOOKED_AT = 200  # records of a split whose tokens are counted; the others are like them


def estimate(built: Built, sources: Sequence[Mixture]) -> list[Part]:
    """The parts of a run's work in their order; `sources` are the schedules of its stages.

    Single-task baselines see each task's examples of the joint run again, which takes as long
    whether they are trained one after another or in the same passes. Answers that are generated
    count with the most tokens they may have.
    """
    recipe = built.recipe
    stages = list(zip(recipe.stages, sources, strict=True))
    parts = [
        Part(f"train {stage.name}", trained(built, stage, source), True) for stage, source in stages
    ]
    parts += [part for stage, source in stages for part in acted(built, stage, source)]
    parts += [part for stage, source in stages for part in retained(built, stage, source)]
    checked = sum(_validation(built, stage, source) for stage, source in stages)
    parts.append(Part("validation", checked, False))
    measured = sum(_measured(built, stage) for stage in recipe.stages)
    parts.append(Part("loss of the base, for a curriculum", measured, False))
    if recipe.evaluate.baselines:
        again = sum(
            got.tokens
            for _, source in stages
            for task, got in source.achieved().items()
            if recipe.scored([task])
        )
        parts.append(Part("single-task baselines", again, True))
    return [part for part in (*parts, *_scoring(built)) if part.tokens]


def _scoring(built: Built) -> list[Part]:
    recipe = built.recipe
    watched = {name: scored_tokens(built, name) for name in recipe.watched()}
    once = sum(watched.values())
    found = [Part("score base", once, False)] if recipe.evaluate.base else []
    if recipe.evaluate.few_shot:
        shots = recipe.evaluate.few_shot
        answering = [name for name in watched if built.tasks[name].answered]
        shown = sum(scored_tokens(built, name, shots=shots) for name in answering)
        found.append(Part(f"score base, {shots} shots", shown, False))
    wrote = sum(_written(built, name) for name in preferring(built, recipe.stages))
    found += [Part("write answers of the base", wrote, False)] if recipe.evaluate.base else []
    for stage in recipe.stages:
        found.append(Part(f"score after {stage.name}", once, False))
        found.append(Part(f"write answers after {stage.name}", wrote, False))
        divergent = measured_by_kl(built, stage)
        if divergent:
            both = 2 * sum(_answered(built, name) for name in divergent)
            found.append(Part(f"KL to the base after {stage.name}", both, False))
        both = 2 * sum(_answered(built, name) for name in measured_by_reference(built, stage))
        found.append(Part(f"KL to the reference after {stage.name}", both, False))
    if recipe.evaluate.baselines:
        learnt = {task for stage in recipe.stages for task in recipe.scored(stage.learn)}
        alone = sum(tokens for task, tokens in watched.items() if task in learnt)
        found.append(Part("score baselines", alone, False))
    return found


def _measured(built: Built, stage: StageSettings) -> int:
    """Tokens of the examples whose loss a curriculum asks for."""
    if not stage.goes_by_loss():
        return 0
    rows = (row for name in stage.learn for example in built.examples[name] for row in example)
    return sum(row.length for row in rows)


def _validation(built: Built, stage: StageSettings, source: Mixture) -> int:
    every = stage.validate_every
    if not every and stage.early_stop is not None:
        every = max(1, source.steps // 10)
    if not every:
        return 0
    once = sum(
        scored_tokens(built, name, "validation") for name in built.recipe.scored(stage.learn)
    )
    return once * (source.steps // every)


def scored_tokens(built: Built, name: str, split: Split = "test", shots: int = 0) -> int:
    """Tokens that one evaluation of a task feeds to the model, from up to 200 of its records."""
    task = built.tasks[name]
    records = task.splits[split]
    if not records:
        return 0
    seen = records[:: -(-len(records) // _LOOKED_AT)]
    shown: Sequence[Record] = seen
    if shots:
        found = with_examples(task, seen, shots, built.recipe.seed, built.coder)
        shown = [one.record for one in found]
    tokens = sum(_tokens(built.coder, task, record) for record in shown)
    return round(tokens * len(records) / len(seen))


def _written(built: Built, name: str) -> int:
    """Tokens of the prompts to which the model writes, with answers as long as they may be."""
    most, coder = built.tasks[name].max_new_tokens, built.coder
    return sum(len(coder.prompt(record, room=most)) + most for record in asked(built, name))


def _answered(built: Built, name: str) -> int:
    """Tokens of the test examples with their reference answers, from up to 200 of them."""
    task = built.tasks[name]
    records = task.splits["test"]
    seen = records[:: max(1, -(-len(records) // _LOOKED_AT))]
    tokens = sum(row.length for record in seen for row in built.coder.example(record, task))
    return round(tokens * len(records) / max(1, len(seen)))


def _tokens(coder: Coder, task: Task, record: Record) -> int:
    if task.kind == "text":
        return sum(window.length for window in coder.windows([record]))
    if task.kind == "answer":
        room = task.max_new_tokens
        return len(coder.prompt(record, room=room)) + room
    if task.kind == "feedback":
        return sum(row.length for row in coder.example(record, task))
    choices = sum(len(coder.answer(record, text)) for text in record.choices)
    return len(coder.prompt(record)) + choices
