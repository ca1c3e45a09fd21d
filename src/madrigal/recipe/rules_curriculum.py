"""Contradictions in what comes first, and in what a task that leaves goes back to."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.suggest import did_you_mean

_NOTHING = {"enter": {}, "difficulty": None}  # the defaults


def curriculum_rules(root: Node) -> Iterator[Mistake]:
    """Curricula of tasks that are not there, and roll-backs of tasks that share all they have."""
    for stage in root.get("stages").elements():
        yield from _curriculum(stage)
        yield from _roll_back(root, stage)


def _curriculum(stage: Node) -> Iterator[Mistake]:
    curriculum, tasks = stage.get("curriculum"), learnt(stage)
    if curriculum.value is None:
        return
    enter = curriculum.get("enter")
    said = {key: node.value for key, node in curriculum.entries()}
    # What is there and wrong is told already.
    if isinstance(curriculum.value, dict) and _NOTHING | said == _NOTHING:
        text = "says nothing; write `enter` or `difficulty`, or leave it out"
        yield Mistake(curriculum, text)
    for name, node in enter.entries():
        if name not in tasks:
            yield Mistake(node, f"the stage does not learn {name!r}{did_you_mean(name, tasks)}")
    if tasks and set(tasks) <= set(enter.names()):
        text = "every task comes in later, so the first step has none; leave one of them out"
        yield Mistake(enter, text)


def _roll_back(root: Node, stage: Node) -> Iterator[Mistake]:
    rule = stage.get("early_stop")
    wish = rule.get("roll_back")
    if wish.value is not True:
        return
    if rule.get("per_task").value is not True:
        text = "no task leaves the mixture without `per_task: true`; add it, or leave this out"
        yield Mistake(wish, text)
        return
    if rule.get("maintenance").number:
        text = (
            "what a task went back to would move again with `maintenance` examples; keep one of "
            "the two"
        )
        yield Mistake(wish, text)
    shared = _without_part(root, stage)
    if shared:
        named = ", ".join(repr(name) for name in shared)
        text = (
            f"{named} {'has' if len(shared) == 1 else 'have'} no private part alone, and shared "
            "weights cannot go back for one task; add `model.adapter.private`, or use `maintenance`"
        )
        yield Mistake(wish, text)


def _without_part(root: Node, stage: Node) -> list[str]:
    """Tasks that may leave the stage and have no part of their own; auxiliary ones never leave."""
    tasks = [name for name in learnt(stage) if root.get("tasks", name, "role").text != "auxiliary"]
    private = root.get("model", "adapter", "private")
    if private.value is None:
        return tasks
    if private.get("groups").value is not None:
        members = [_names(group) for _, group in private.get("groups").entries()]
        own = [names[0] for names in members if len(names) == 1]
    elif private.get("tasks").text == "all" or not private.get("tasks").present:
        return []
    else:
        own = _names(private.get("tasks"))
    return [name for name in tasks if name not in own]


def _names(node: Node) -> list[str]:
    """A list of names, or one bare name."""
    found = [node] if node.text is not None else node.elements()
    return [one.text for one in found if one.text is not None]
