"""Contradictions between the metric of gradients, the adapter and the balancer."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node


def gradients_rules(root: Node) -> Iterator[Mistake]:
    """Updates of the weights are products of low-rank factors' gradients, and not remembered."""
    full = root.get("model", "adapter", "kind").text == "full"
    for stage in root.get("stages").elements():
        metric = stage.get("gradients", "metric")
        if metric.text != "update":
            continue
        if full:
            text = "'update' needs an adapter, and `adapter: full` has none"
            yield Mistake(metric, f"{text}; write `raw`")
        elif stage.get("balance", "kind").text == "db_mtl":
            text = "'update' does not fit the remembered gradients of 'db_mtl'"
            yield Mistake(metric, f"{text}; write `raw` or `adam`, or choose another balancer")
