"""Contradictions in the objectives of a stage."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.suggest import did_you_mean


def objective_rules(root: Node) -> Iterator[Mistake]:
    """Names of tasks, keys that exclude each other, keys without effect."""
    for stage in root.get("stages").elements():
        tasks = learnt(stage)
        for name, node in stage.get("objective").entries():
            if name not in tasks:
                yield Mistake(node, f"the stage does not learn {name!r}{did_you_mean(name, tasks)}")
            yield from _noise(node)


def _noise(node: Node) -> Iterator[Mistake]:
    if node.get("smoothing").number and node.get("flip_rate").number:
        text = "`smoothing` and `flip_rate` are both given; one regularises, the other corrects"
        yield Mistake(node.get("flip_rate"), f"{text}; keep one")
