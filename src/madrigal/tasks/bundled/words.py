"""Words that several bundled tasks share, those of training apart from those of the test."""

from collections.abc import Mapping
from typing import TypeVar

from madrigal.tasks.task import Split

T = TypeVar("T")
BySplit = Mapping[Split, tuple[T, ...]]


def by_split(train: tuple[T, ...], test: tuple[T, ...]) -> BySplit[T]:
    """Words or patterns by split; validation shares those of training."""
    return {"train": train, "validation": train, "test": test}


NAMES = by_split(
    (
        "Anna", "Tom", "Mary", "John", "Lucy", "Ben", "Sara", "Peter", "Jane", "Jack", "Emma",
        "Max", "Rose", "Paul", "Alice", "Henry", "Ruth", "Sam", "Kate", "George", "Helen", "Mark",
        "Clara", "David", "Nora", "Robert", "Julia", "Simon", "Ella", "Philip", "Maria", "Luke",
        "Grace", "Martin", "Edith", "Frank",
    ),
    (
        "Lily", "Arthur", "Susan", "Daniel", "Margaret", "Charles", "Eva", "Thomas", "Amy",
        "Walter", "Sophie", "Ralph", "Molly", "Edward", "Laura", "Oliver", "Martha", "Adam",
    ),
)  # fmt: skip
TOWNS = by_split(
    (
        "Paris", "London", "Rome", "Berlin", "Vienna", "Dublin", "Madrid", "Oxford", "Athens",
        "Cairo", "Moscow", "Boston", "Chicago", "Sydney", "York", "Geneva", "Lisbon", "Milan",
        "Bath", "Prague", "Florence", "Hamburg", "Lyon", "Bristol",
    ),
    (
        "Venice", "Dover", "Munich", "Naples", "Cambridge", "Brussels", "Glasgow", "Toronto",
        "Leeds", "Antwerp", "Derby", "Warsaw",
    ),
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
