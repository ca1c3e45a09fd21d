"""Which tasks of a recipe train a reward model."""

from collections.abc import Iterator

from madrigal.recipe.objective import Reward
from madrigal.recipe.schema import Recipe


def reward_heads(recipe: Recipe) -> dict[str, int]:
    """Scores that the reward head of each task gives; tasks without a head are left out."""
    found: dict[str, int] = {}
    for _, name, outputs in _asked(recipe):
        found.setdefault(name, outputs)
    return found


def unlike_heads(recipe: Recipe) -> Iterator[str]:
    """Stages that want more or fewer scores of a task than an earlier one."""
    found = reward_heads(recipe)
    for number, name, outputs in _asked(recipe):
        if outputs != found[name]:
            yield (
                f"stages[{number}].objective.{name}: `length_debias` trains two heads and its "
                "absence one, and an earlier stage does the other; give both stages the same"
            )


def _asked(recipe: Recipe) -> Iterator[tuple[int, str, int]]:
    """Number of the stage, task, and scores that its objective wants."""
    for number, stage in enumerate(recipe.stages):
        for name in stage.learn:
            settings = stage.objective_of(name)
            if isinstance(settings, Reward):
                yield number, name, settings.heads
