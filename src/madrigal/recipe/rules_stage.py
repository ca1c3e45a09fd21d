"""Contradictions in the stages."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_names import task_names
from madrigal.recipe.stage import Optimiser
from madrigal.recipe.suggest import did_you_mean


def stage_rules(root: Node) -> Iterator[Mistake]:
    """Names of stages and tasks, length, batch, shares."""
    names: set[str] = set()
    for stage in root.get("stages").elements():
        name = stage.get("name").text
        if name is not None and name.lower() in names:
            yield Mistake(stage.get("name"), f"two stages are called {name!r}; rename one")
        names.add((name or "").lower())
        more = "`mixture` and `weight` give a task more"
        yield from task_names(root, stage.get("learn"), twice=more)
        yield from _one_of(stage, "steps", "epochs", required=True)
        yield from _one_of(stage.get("batch"), "rows", "tokens", required=False)
        yield from _shares(stage)
        yield from _schedule(stage.get("optimiser"))
        yield from _early_stop(stage.get("early_stop"))


def learnt(stage: Node) -> list[str]:
    """Names of the tasks that a stage learns."""
    return [name.text for name in stage.get("learn").elements() if name.text is not None]


def _one_of(node: Node, first: str, second: str, required: bool) -> Iterator[Mistake]:
    given = [key for key in (first, second) if node.get(key).value is not None]
    if len(given) == 2:
        text = f"`{first}` and `{second}` are both given; keep one (`null` clears the other)"
        yield Mistake(node.get(second), text)
    if not given and required and isinstance(node.value, dict):
        yield Mistake(node, f"neither `{first}` nor `{second}` is given; write one of them")


def _early_stop(rule: Node) -> Iterator[Mistake]:
    share, leaves = rule.get("maintenance"), rule.get("per_task").value
    if share.value and not leaves:
        text = "no task leaves the mixture without `per_task: true`; add it, or leave this out"
        yield Mistake(share, text)


def _shares(stage: Node) -> Iterator[Mistake]:
    weights, tasks = stage.get("mixture", "weights"), learnt(stage)
    for name, node in weights.entries():
        if name not in tasks:
            yield Mistake(node, f"the stage does not learn {name!r}{did_you_mean(name, tasks)}")
    if isinstance(weights.value, dict):
        for name in tasks:
            if name not in weights.names():
                yield Mistake(weights, f"no share for {name!r}; each task of the stage needs one")


def _schedule(optimiser: Node) -> Iterator[Mistake]:
    final = optimiser.get("final")
    default = Optimiser.model_fields["final"].default
    if optimiser.get("schedule").text == "constant" and final.number not in (None, default):
        yield Mistake(final, "has no effect with `schedule: constant`; remove it")
