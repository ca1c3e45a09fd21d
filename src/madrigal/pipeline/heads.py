"""Which tasks of a recipe train a reward model."""

from collections.abc import Iterator, Mapping

from madrigal.recipe.objective import ObjectiveSettings, Reward
from madrigal.recipe.policy import Ppo
from madrigal.recipe.schema import Recipe

Objectives = Mapping[str, ObjectiveSettings]


def reward_heads(recipe: Recipe, before: Objectives) -> dict[str, int]:
    """Scores that the reward head of each task gives; tasks without a head are left out. `before`
    are objectives of earlier runs."""
    found: dict[str, int] = {}
    for _, name, outputs in _asked(recipe, before):
        found.setdefault(name, outputs)
    return found


def critics(recipe: Recipe) -> list[str]:
    """Tasks that some stage trains a critic for."""
    asked = (kind for stage in recipe.stages for kind in stage.acting().items())
    return list(dict.fromkeys(task for task, settings in asked if isinstance(settings, Ppo)))


def unlike_heads(recipe: Recipe, before: Objectives) -> Iterator[str]:
    """Stages that want more or fewer scores of a task than an earlier one."""
    found = reward_heads(recipe, before)
    for number, name, outputs in _asked(recipe, before):
        if outputs != found[name]:
            yield (
                f"stages[{number}].objective.{name}: `length_debias` trains two heads and its "
                "absence one, and an earlier stage does the other; give both stages the same"
            )


def _asked(recipe: Recipe, before: Objectives) -> Iterator[tuple[int, str, int]]:
    """Number of the stage (before the first: -1), task, and scores that its objective wants."""
    for name, settings in before.items():
        if isinstance(settings, Reward):
            yield -1, name, settings.heads
    for number, stage in enumerate(recipe.stages):
        for name in stage.learn:
            settings = stage.objective_of(name)
            if isinstance(settings, Reward):
                yield number, name, settings.heads
