"""Contradictions in what is shared and what is private."""

from collections.abc import Iterator

from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_names import task_names
from madrigal.recipe.rules_stage import learnt


def private_rules(root: Node, adapter: Node) -> Iterator[Mistake]:
    """Private parts of tasks that nobody trains, groups that overlap, and an adapter without any
    part."""
    private = adapter.get("private")
    yield from _named(root, private.get("tasks"))
    yield from _groups(root, private)
    yield from _router(root, private)
    for layers in (adapter.get("layers"), private.get("layers")):
        if layers.value == []:
            yield Mistake(layers, "names no block; write numbers from 0, or `all`")
    if private.get("layers").text == "none" and private.get("head").value is not True:
        text = "nothing would be private; add `head: true`, or name the blocks with private parts"
        yield Mistake(private.get("layers"), text)
    if adapter.get("layers").text == "none":
        yield from _nothing_shared(root, adapter)


def _trained(root: Node) -> list[str]:
    return [name for stage in root.get("stages").elements() for name in learnt(stage)]


def _named(root: Node, names: Node) -> Iterator[Mistake]:
    """Tasks that are unknown, trained by nobody, or named twice in one list."""
    trained = _trained(root)

    def empty(name: str) -> str | None:
        if name in trained:
            return None
        return f"no stage learns {name!r}, so its part stays empty; remove it"

    yield from task_names(root, names, empty)


def _groups(root: Node, private: Node) -> Iterator[Mistake]:
    groups = private.get("groups")
    if groups.value is None:
        return
    if private.get("tasks").elements():
        yield Mistake(private.get("tasks"), "`groups` says which tasks have a part; remove one")
    if not groups.entries() and isinstance(groups.value, dict):
        yield Mistake(groups, "names no group; write `{name: [task, task]}`, or remove it")
    group_of: dict[str, str] = {}
    for name, members in groups.entries():
        yield from _named(root, members)
        inside = {node.text for node in members.elements()}
        if members.value == []:
            yield Mistake(members, "names no task; add some, or remove the group")
        if name in root.get("tasks").names() and name not in inside:
            yield Mistake(members, f"task {name!r} is not in the group of its name; rename one")
        for node in members.elements():
            other = name if node.text is None else group_of.setdefault(node.text, name)
            if other != name:
                text = f"{node.text!r} is in group {other!r} too; a task has one part"
                yield Mistake(node, text)


def _router(root: Node, private: Node) -> Iterator[Mistake]:
    """A router needs parts to choose from, and a base that stays as it is."""
    router = private.get("router")
    if router.value is not True:
        return
    groups, names = private.get("groups"), private.get("tasks")
    group_of = {
        node.text: name for name, members in groups.entries() for node in members.elements()
    }
    own = {node.text for node in names.elements()}
    before = [name.text or "" for name in root.get("start_from", "learned").elements()]
    routes = set()
    for task in (*before, *_trained(root)):
        apart = groups.value is None and (not own or task in own)
        routes.add(task if apart else group_of.get(task, ""))
    if len(routes) < 2:
        text = "there is one part only, so nothing to choose; give another task a part of its own"
        yield Mistake(router, f"{text}, or remove it")
    for stage in root.get("stages").elements():
        if any(one.get("kind").text == "o_lora" for one in stage.get("retain").elements()):
            text = "goes by the frozen base, and 'o_lora' lays adapters into it; remove one of them"
            yield Mistake(router, text)
            return


def _nothing_shared(root: Node, adapter: Node) -> Iterator[Mistake]:
    private = adapter.get("private")
    if private.value is None:
        text = "nothing would be trained; add `private`, or name the blocks to share"
        yield Mistake(adapter.get("layers"), text)
    for key in ("rank", "alpha"):
        node = adapter.get(key)
        if node.value not in (None, LoraAdapter.model_fields[key].default):
            text = "has no effect with `layers: none`; remove it (`private` has its own)"
            yield Mistake(node, text)
    groups, tasks = private.get("groups"), private.get("tasks")
    lists = groups if groups.entries() else tasks
    if not lists.entries() and not lists.elements():
        return
    inside = {node.text for node in lists.walk()}
    for name in dict.fromkeys(_trained(root)):
        if name in root.get("tasks").names() and name not in inside:
            yield Mistake(lists, f"{name!r} would train nothing with `layers: none`; add it")
