"""Fine-tune one language model on many tasks, and measure what each gave to and took from others.

What the command line does, in Python:

    import madrigal

    run = madrigal.run("recipe.yaml", overrides=["seed=3"])

and below it the parts: `load_recipe` and `Recipe`, `load_tasks` and `Task`, `load_model`,
`Mixture`, `train`, `evaluate`, `write_report`. Each is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madrigal.evaluation.evaluate import evaluate_task as evaluate
    from madrigal.mixture import Mixture
    from madrigal.model.load import load_model
    from madrigal.pipeline.python import check, run
    from madrigal.recipe.load import load_recipe
    from madrigal.recipe.schema import Recipe
    from madrigal.report import write_report
    from madrigal.tasks.load import load_tasks
    from madrigal.tasks.task import Task
    from madrigal.training.loop import train

__all__ = [
    "Mixture", "Recipe", "Task", "check", "evaluate", "load_model", "load_recipe", "load_tasks",
    "run", "train", "write_report",
]  # fmt: skip

# Name, its module, its name there.
_HOMES = {
    "Mixture": ("madrigal.mixture", "Mixture"),
    "Recipe": ("madrigal.recipe.schema", "Recipe"),
    "Task": ("madrigal.tasks.task", "Task"),
    "check": ("madrigal.pipeline.python", "check"),
    "evaluate": ("madrigal.evaluation.evaluate", "evaluate_task"),
    "load_model": ("madrigal.model.load", "load_model"),
    "load_recipe": ("madrigal.recipe.load", "load_recipe"),
    "load_tasks": ("madrigal.tasks.load", "load_tasks"),
    "run": ("madrigal.pipeline.python", "run"),
    "train": ("madrigal.training.loop", "train"),
    "write_report": ("madrigal.report", "write_report"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'madrigal' has no attribute {name!r}")
    module, its_name = _HOMES[name]
    value = getattr(import_module(module), its_name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
