"""From a built recipe to what trains: a model, and the parts of a stage's steps."""

from collections.abc import Sequence

from madrigal.balancing import build_balancer
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.objectives import build_objective
from madrigal.pipeline.build import Built
from madrigal.recipe.stage import Likelihood, StageSettings
from madrigal.training.processes import Processes
from madrigal.training.pull import Pull
from madrigal.training.step import StepParts


def fresh_model(built: Built) -> LanguageModel:
    """A model as it is before any training; the same each time."""
    return load_model(built.recipe.model, built.root, built.recipe.seed, built.tokenizer)


def step_parts(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    processes: Processes,
    tasks: Sequence[str],
) -> StepParts:
    """What every step of a stage works with, for all or some of its tasks."""
    held = {name: built.tasks[name] for name in tasks}
    pulls = {name: task.pull_to_start for name, task in held.items()}
    return StepParts(
        model=model,
        objectives={
            name: build_objective(stage.objective.get(name, Likelihood()), task)
            for name, task in held.items()
        },
        balancer=build_balancer(stage.balance),
        task_weights={name: task.weight for name, task in held.items()},
        microbatch_tokens=stage.batch.microbatch_tokens,
        pad=built.coder.pad,
        stage=stage.name,
        seed=built.recipe.seed,
        processes=processes,
        pull=Pull((p for _, p in model.trainable()), pulls),
    )
