"""Mistakes that any list of tasks can have."""

from collections.abc import Callable, Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.suggest import did_you_mean


def task_names(
    root: Node,
    names: Node,
    refused: Callable[[str], str | None] = lambda _: None,
    twice: str = "remove one",
) -> Iterator[Mistake]:
    """Tasks that the recipe does not have, that are `refused` for a reason, or stand twice."""
    tasks = root.get("tasks").names()
    seen: set[str] = set()
    for node in names.elements():
        name = node.text
        if name is None:
            continue
        reason = refused(name)
        if name not in tasks:
            yield Mistake(node, f"no task is called {name!r}{did_you_mean(name, tasks, 'tasks')}")
        elif reason is not None:
            yield Mistake(node, reason)
        elif name in seen:
            yield Mistake(node, f"{name!r} stands twice; {twice}")
        seen.add(name)
