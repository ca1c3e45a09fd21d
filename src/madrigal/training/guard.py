"""What may end a stage before its time."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition that is looked at after every validation.

    `tripped` says in a sentence why the stage has to end, or nothing. With `roll_back` the stage
    then ends with the weights of the last time that it said nothing.
    """

    tripped: Callable[[], str]
    roll_back: bool
