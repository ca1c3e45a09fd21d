"""What is asked of models beside scores, and for which tasks."""

from collections.abc import Sequence

from madrigal.pipeline.build import Built
from madrigal.recipe.objective import Reward
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.record import Record


def preferring(built: Built, stages: Sequence[StageSettings]) -> tuple[str, ...]:
    """Tasks of judged answers by which some stages change what the model says."""
    found = (
        name
        for stage in stages
        for name in stage.learn
        if built.tasks[name].kind == "feedback" and not isinstance(stage.objective_of(name), Reward)
    )
    return tuple(dict.fromkeys(found))


def measured_by_kl(built: Built, stage: StageSettings) -> tuple[str, ...]:
    """The tasks of a stage on whose test prompts the divergence from the base is measured."""
    wanted = built.recipe.evaluate.kl
    if wanted == "auto":
        return preferring(built, [stage])
    return tuple(built.recipe.scored(stage.learn)) if wanted else ()


def measured_by_reference(built: Built, stage: StageSettings) -> tuple[str, ...]:
    """The tasks of a later stage on which the divergence from its start is measured: those that
    learn preferences. What the first one starts with is the base."""
    if not built.recipe.evaluate.kl or stage == built.recipe.stages[0]:
        return ()
    return preferring(built, [stage])


def asked(built: Built, name: str) -> list[Record]:
    """The test prompts of a task to which the model writes: the first ones, the same every time."""
    records = built.tasks[name].splits["test"]
    return [record for record in records if record.turns][: built.recipe.evaluate.written]
