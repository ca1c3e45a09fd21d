"""What can go wrong, and the exit code that the command line answers with."""

from collections.abc import Iterable
from typing import ClassVar


class UserMistake(ValueError):
    """One or more mistakes in what the user gave: a recipe, data, a model. Exit code 2.

    Every mistake is one line that says where it stands, what was found, and the cure; what was
    found may have line breaks of its own, as a quoted field name of a table, which become spaces.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, mistakes: str | Iterable[str]) -> None:
        several = (mistakes,) if isinstance(mistakes, str) else tuple(mistakes)
        self.mistakes: tuple[str, ...] = tuple(" ".join(one.splitlines()) for one in several)
        super().__init__("\n".join(self.mistakes))


class RecipeError(UserMistake):
    """The recipe is wrong: `recipe.yaml:12: stages[0].balance: unknown kind ...`."""


class DataError(UserMistake):
    """A data file is wrong: `reviews.jsonl:41: no field 'label'; found 'text', 'lable'`."""


class ModelError(UserMistake):
    """A model folder or id cannot be used."""


class RunFolderError(UserMistake):
    """A run folder is in use, unfinished, foreign or damaged."""


class RetentionError(UserMistake):
    """What a stage taught cannot be held on to: its Fisher information is not finite."""


class RunStopped(RuntimeError):
    """The run stopped itself (guard, non-finite loss, disk full). Exit code 3.

    The last good checkpoint is kept; the sentence says why and how to go on.
    """

    exit_code: ClassVar[int] = 3
