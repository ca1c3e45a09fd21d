"""Contradictions in what is measured."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_names import task_names
from madrigal.recipe.rules_stage import learnt


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
    trained = {name: stage for stage in root.get("stages").elements() for name in learnt(stage)}

    def learns(name: str) -> str | None:
        if name not in trained:
            return None
        stage = trained[name].get("name").text or "a stage"
        text = f"{name!r} is watched and never trained, but stage {stage!r} learns it"
        return f"{text}; take it out of one of the two"

    yield from task_names(root, general, learns)
