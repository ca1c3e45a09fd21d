"""`madrigal extend RUN --task NAME=FILE`."""

from dataclasses import dataclass
from pathlib import Path

from madrigal.cli.located import located
from madrigal.errors import RecipeError, UserMistake
from madrigal.recipe.balance import Mean
from madrigal.recipe.extend import extended
from madrigal.recipe.load import LoadedRecipe, loaded


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    run: Path
    tasks: tuple[str, ...]
    overrides: tuple[str, ...]
    out: Path | None
    resume: bool


def extend(wish: Wish) -> None:
    """Trains a finished run's model on further tasks, in a folder of its own."""
    recipe = recipe_to_extend(wish)
    out = wish.out or wish.run.with_name(recipe.recipe.name)
    from madrigal.pipeline.run import run

    with located(recipe):
        run(recipe, out, wish.resume)


def recipe_to_extend(wish: Wish) -> LoadedRecipe:
    """The recipe of the further stage, checked.

    Raises:
        UserMistake: the run has not finished or is damaged, or a task is named wrongly.
    """
    from madrigal.pipeline.finished import finished_run

    given = finished_run(wish.run)
    new = _files(wish, given)
    learnt = (task for stage in given.recipe.stages for task in given.recipe.scored(stage.learn))
    learned = tuple(dict.fromkeys((*given.recipe.before(), *learnt)))
    name = f"{wish.run.resolve().name}-{'-'.join(new)}"
    about = (given.recipe, wish.run.resolve(), learned, new, name)
    try:
        return loaded(extended(*about), given.root, wish.overrides)
    except RecipeError as error:
        # The former stage's balancer may have nothing to weigh in this one.
        if not all(".balance" in mistake for mistake in error.mistakes):
            raise
        try:
            return loaded(extended(*about, Mean()), given.root, wish.overrides)
        except RecipeError:
            raise error from None


def _files(wish: Wish, given: LoadedRecipe) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in wish.tasks:
        name, mark, path = text.partition("=")
        if not (name and mark and path):
            raise UserMistake(f"--task {text}: write NAME=FILE, for example --task law=law.jsonl")
        if name in given.recipe.tasks or name in found:
            raise UserMistake(
                f"--task {text}: the run has a task {name!r} already; rename this one"
            )
        if not Path(path).exists():
            raise UserMistake(f"--task {text}: there is no {path}; name a file of examples")
        found[name] = Path(path).resolve()
    return found
