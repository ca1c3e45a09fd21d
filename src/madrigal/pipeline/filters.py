"""A filter ready to use: rules of text at once, those of models with their models loaded."""

from pathlib import Path

from madrigal.audit.filter_settings import Classifier, Judge, Patterns, Words
from madrigal.audit.read import PLAIN, ReadFilter, read_filter, text_rule
from madrigal.audit.verdict import Filter, Rule
from madrigal.errors import RecipeError, UserMistake


def load_filter(name: str | Path) -> Filter:
    """The filter of a file, or `plain`, which Madrigal brings.

    A model that several rules name is loaded for each.

    Raises:
        UserMistake: with every mistake of the file, or of the models that it names.
    """
    read = read_filter(name)
    rules: list[Rule] = []
    mistakes: list[str] = []
    for place, settings in enumerate(read.settings.rules):
        try:
            rules.append(_rule(settings, read))
        except UserMistake as error:
            mistakes += (f"{read.where(place)}: {said}" for said in error.mistakes)
    if mistakes:
        raise RecipeError(mistakes)
    return Filter(tuple(rules), read.settings.instead)


def filter_of(name: str, root: Path) -> Filter:
    """The filter that a recipe names: `plain`, or a file of the recipe's folder `root`.

    Raises:
        UserMistake: see `load_filter`.
    """
    return load_filter(name if name == PLAIN else root / name)


def _rule(settings: Words | Patterns | Classifier | Judge, read: ReadFilter) -> Rule:
    if isinstance(settings, Words | Patterns):
        return text_rule(settings, read.root)
    from madrigal.pipeline.filter_models import classifier, judge

    if isinstance(settings, Classifier):
        return classifier(settings, read.root)
    return judge(settings, read.root)
