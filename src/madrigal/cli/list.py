"""`madrigal list balancers|objectives|...`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from madrigal.errors import UserMistake
from madrigal.recipe.model import ModelSettings
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import Shape, shapes
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean

# Titles, then rows of as many cells.
Listing = tuple[Sequence[str], Sequence[Sequence[str]]]


def print_list(what: str) -> None:
    """Prints a table of everything of one sort. UserMistake for an unknown sort."""
    if what not in LISTINGS:
        hint = did_you_mean(what, LISTINGS, "there are")
        raise UserMistake(f"madrigal list: there is no list {what!r}{hint}")
    titles, rows = LISTINGS[what]()
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title == "name")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def kinds(shape: Shape | None) -> Listing:
    """Every kind at a place of the recipe, from its settings class."""
    found = shape.kinds if shape is not None else {}
    return ("name", "paper", "needs", "cost", "what it does"), [
        (name, model.method.paper or "-", model.method.needs, model.method.cost, _first(model))
        for name, model in found.items()
    ]


def _first(model: type[Settings]) -> str:
    """The first sentence of a docstring."""
    text = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    return text.split(". ")[0].rstrip(".")


def _metrics() -> Listing:
    from madrigal.evaluation.metrics import METRICS

    return ("name", "judges", "better", "definition"), [
        (name, ", ".join(sorted(metric.kinds)), metric.direction, metric.page)
        for name, metric in METRICS.items()
    ]


def _measures() -> Listing:
    from madrigal.evaluation.summary import DEFINITIONS

    return ("name", "definition"), list(DEFINITIONS.items())


def _formats() -> Listing:
    from madrigal.tasks.formats.detect import FORMATS

    return ("name", "fields"), [(known.name, known.shape) for known in FORMATS]


def _tasks() -> Listing:
    from madrigal.tasks.bundled import BUNDLED

    made: Mapping[str, Any] = {name: make() for name, make in BUNDLED.items()}
    return ("name", "train", "test", "what it asks", "only in the test"), [
        (name, f"{len(t.rows['train']):,}", f"{len(t.rows['test']):,}", t.about, t.held_out)
        for name, t in made.items()
    ]


LISTINGS: Mapping[str, Callable[[], Listing]] = {
    "balancers": lambda: kinds(shapes(StageSettings)["balance"]),
    "objectives": lambda: kinds(shapes(StageSettings)["objective"].values),
    "adapters": lambda: kinds(shapes(ModelSettings)["adapter"]),
    "mixtures": lambda: kinds(shapes(StageSettings)["mixture"]),
    "retentions": lambda: kinds(shapes(StageSettings)["retain"].items),
    "metrics": _metrics,
    "measures": _measures,
    "formats": _formats,
    "tasks": _tasks,
}
