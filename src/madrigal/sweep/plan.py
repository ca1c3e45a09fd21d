"""A sweep, read: the recipe, the knobs, the aim; and that all of it fits together."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from madrigal.errors import RecipeError, UserMistake
from madrigal.recipe.load import LoadedRecipe
from madrigal.sweep.aim import Aim, Bound, bound_of, unknown_score, wrong_way
from madrigal.sweep.fit import place_in, refused_values, set_twice
from madrigal.sweep.knob import Knob
from madrigal.sweep.written import Asked, Found, Written, read_written

Sampler = Literal["random", "tpe"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep does, whoever runs it and wherever."""

    recipe: Path
    overrides: tuple[str, ...]
    loaded: LoadedRecipe
    knobs: tuple[Knob, ...]
    aim: Aim
    trials: int
    sampler: Sampler
    seed: int
    score_on: str

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.loaded.recipe.name

    @property
    def given(self) -> tuple[str, ...]:
        """What every trial is given behind `--set`, before its own values."""
        return (*self.overrides, f"evaluate.split={self.score_on}")


def read_plan(asked: Asked, loaded: LoadedRecipe) -> Plan:
    """The sweep that the command line and its file ask for, checked against the recipe.

    Raises:
        UserMistake: with every mistake of the sweep.
    """
    written, mistakes = read_written(asked)
    if not written.knobs and not mistakes:
        cure = "name a file with `search:`, or give --over KEY=VALUES"
        mistakes.append(f"nothing to search; {cure}")
    aim, more = _aim(written, loaded)
    mistakes += more
    knobs, more = _fitted(written.knobs, asked, loaded)
    mistakes += more
    settings = written.settings
    there = find_spec("optuna") is not None
    if settings.sampler == "tpe" and not there:
        cure = "install it with `pip install 'madrigal[search]'`, or take `random`"
        mistakes.append(f"{written.where('sampler')}: tpe needs optuna, which is not here; {cure}")
    if mistakes:
        raise UserMistake(dict.fromkeys(mistakes))
    return Plan(
        recipe=asked.recipe,
        overrides=asked.overrides,
        loaded=loaded,
        knobs=tuple(knobs),
        aim=aim,
        trials=settings.trials,
        sampler="random" if settings.sampler == "random" or not there else "tpe",
        seed=settings.seed,
        score_on=settings.score_on,
    )


def _aim(written: Written, loaded: LoadedRecipe) -> tuple[Aim, list[str]]:
    """What is made large or small under which bounds, and what is wrong with that."""
    settings, told = written.settings, []
    if settings.maximise and settings.minimise:
        where = written.where("minimise")
        told.append(f"{where}: maximise is there too, and only one score can be made best")
    bounds: list[Bound] = []
    places = {}
    for place, text in enumerate(settings.subject_to):
        bound = bound_of(text)
        if isinstance(bound, str):
            told.append(f"{written.where('subject_to', place)}: {bound}")
        else:
            bounds.append(bound)
            places[bound.score] = written.where("subject_to", place)
    goal = "minimise" if settings.minimise else "maximise"
    score = settings.minimise or settings.maximise or "average"
    aim = Aim(score, goal == "maximise", tuple(bounds))
    places[score] = written.where(goal)
    for name in aim.scores:
        why = unknown_score(name, loaded.recipe)
        told += [f"{places[name]}: {why}"] if why else []
    why = wrong_way(aim)
    return aim, told + ([f"{places[score]}: {why}"] if why else [])


def _fitted(
    found: Sequence[Found], asked: Asked, loaded: LoadedRecipe
) -> tuple[list[Knob], list[str]]:
    """The knobs as the recipe's schema makes them, and what of them it refuses."""
    told: list[str] = []
    knobs: list[Knob] = []
    places: dict[str, str] = {}
    for knob, where in found:
        try:
            knobs.append(place_in(knob, loaded))
            places[knob.key] = where
        except RecipeError as error:
            told.append(f"{where}: {error}")
    for knob in knobs:
        refused = refused_values(knob, asked.recipe, asked.overrides, loaded.root)
        told += [f"{places[knob.key]}: {why}" for why in refused]
    if not told:
        for key, other in set_twice(knobs, asked.overrides, loaded):
            told.append(f"{places[key]}: undoes what {other} sets; set each key in one place only")
    return knobs, told
