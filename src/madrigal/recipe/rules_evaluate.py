"""Contradictions in what is measured."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.suggest import did_you_mean


def evaluate_rules(root: Node) -> Iterator[Mistake]:
    """General tasks, baselines, in-context examples."""
    evaluate = root.get("evaluate")
    yield from _general(root, evaluate.get("general"))
    stages = root.get("stages")
    if evaluate.get("baselines").value in (True, "together", "separate") and stages.value == []:
        text = "no stage trains anything to compare with; add a stage or remove `baselines`"
        yield Mistake(evaluate.get("baselines"), text)
    if evaluate.get("kl").value is True and stages.value == []:
        text = "no stage changes the model, which stays the base; add a stage or remove `kl`"
        yield Mistake(evaluate.get("kl"), text)
    shots = evaluate.get("few_shot")
    formats = [task.get("data", "format").text for _, task in root.get("tasks").entries()]
    if (shots.number or 0) > 0 and formats and all(name == "text" for name in formats):
        yield Mistake(shots, "raw text has no examples to show; remove it or add another task")


def _general(root: Node, general: Node) -> Iterator[Mistake]:
    tasks = root.get("tasks").names()
    trained = {name: stage for stage in root.get("stages").elements() for name in learnt(stage)}
    seen: set[str] = set()
    for node in general.elements():
        name = node.text
        if name is None:
            continue
        if name not in tasks:
            yield Mistake(node, f"no task is called {name!r}{did_you_mean(name, tasks, 'tasks')}")
        elif name in trained:
            stage = trained[name].get("name").text or "a stage"
            text = f"{name!r} is watched and never trained, but stage {stage!r} learns it"
            yield Mistake(node, f"{text}; take it out of one of the two")
        elif name in seen:
            yield Mistake(node, f"{name!r} stands twice; remove one")
        seen.add(name)
