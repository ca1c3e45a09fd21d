"""Contradictions in how a stage keeps what earlier ones taught."""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.suggest import did_you_mean


def retain_rules(root: Node) -> Iterator[Mistake]:
    """Nothing to retain, twice the same, kinds that contradict each other or the adapter."""
    stages = root.get("stages").elements()
    known = [name.text or "" for name in root.get("start_from", "learned").elements()]
    yield from _learned(root, known)
    yield from _fresh_adapters(stages)
    for number, stage in enumerate(stages):
        if not known:
            yield from _nothing_before(stage, stages[:number])
        yield from _guard(stage, {*known, *(t for one in stages[:number] for t in learnt(one))})
        yield from _together(stage)
        yield from _replay(stage, {*known, *(t for one in stages[:number] for t in learnt(one))})
        yield from _adapter(stage, root.get("model", "adapter"))
        yield from _always(stage, stages[1:number], stages[number + 1 :])


def kinds_retained(stage: Node) -> dict[str, Node]:
    """Kinds of retention in a stage, and where each stands."""
    held = stage.get("retain").elements()
    return {one.get("kind").text or "": one for one in held}


def _learned(root: Node, known: list[str]) -> Iterator[Mistake]:
    tasks = root.get("tasks").names()
    for name, node in zip(known, root.get("start_from", "learned").elements(), strict=True):
        if name not in tasks:
            text = f"no task is called {name!r}{did_you_mean(name, tasks, 'tasks')}"
            yield Mistake(node, f"{text}; describe here what the run taught, or leave it out")


def _nothing_before(stage: Node, before: tuple[Node, ...]) -> Iterator[Mistake]:
    if stage.get("retain").elements() and not before:
        text = "the first stage has nothing to retain"
        yield Mistake(stage.get("retain"), f"{text}; remove it, or put it into a later stage")


def _guard(stage: Node, earlier: set[str]) -> Iterator[Mistake]:
    guard = stage.get("guard")
    if not isinstance(guard.value, dict):
        return
    forgetting = guard.get("forgetting").value
    if forgetting is None and guard.get("chosen").value is None:
        text = "names nothing to watch; write `forgetting: 0.05` or `chosen: 1.0`, or remove it"
        yield Mistake(guard, text)
    elif forgetting is not None and earlier <= set(learnt(stage)):
        text = "no earlier task could be forgotten in this stage"
        yield Mistake(guard.get("forgetting"), f"{text}; remove it, or put it into a later stage")


def _together(stage: Node) -> Iterator[Mistake]:
    seen: set[str] = set()
    for one in stage.get("retain").elements():
        kind = one.get("kind").text or ""
        if kind in seen:
            yield Mistake(one, f"{kind!r} stands twice; keep one")
        seen.add(kind)
    asks = kinds_retained(stage).get("distill")
    if asks is not None and asks.get("on").text in ("replayed", "all") and "replay" not in seen:
        text = "nothing is replayed that the teacher could be asked about"
        yield Mistake(asks.get("on"), f"{text}; add `replay`, or write `on: new`")


def _fresh_adapters(stages: tuple[Node, ...]) -> Iterator[Mistake]:
    """Adapters that are frozen cannot be gone back behind."""
    held = [(kind, node) for stage in stages for kind, node in kinds_retained(stage).items()]
    if all(kind != "o_lora" for kind, _ in held):
        return
    for kind, node in held:
        if kind == "merge":
            text = (
                "'merge' begins each stage at the weights before all stages, and 'o_lora' on top "
                "of what earlier ones froze"
            )
            yield Mistake(node, f"{text}; keep one of the two in the whole recipe")
            return
        if kind == "interpolate" and node.get("to").text == "base":
            text = (
                "'o_lora' freezes the adapters of earlier stages, and `to: base` would change them"
            )
            yield Mistake(node.get("to"), f"{text}; write `to: start`, or keep one of the two")


def _replay(stage: Node, earlier: set[str]) -> Iterator[Mistake]:
    replay = kinds_retained(stage).get("replay")
    if replay is None:
        return
    if replay.get("share").value is not None and replay.get("count").value is not None:
        text = "`share` and `count` are both given; keep one"
        yield Mistake(replay.get("count"), text)
    if earlier and earlier <= set(learnt(stage)):
        text = "every earlier task is learnt by this stage again, so none is left to replay"
        yield Mistake(replay, f"{text}; remove it, or learn fewer tasks")


def _adapter(stage: Node, adapter: Node) -> Iterator[Mistake]:
    found = kinds_retained(stage).get("o_lora")
    if found is None:
        return
    if adapter.get("kind").text == "full":
        yield Mistake(found, "'o_lora' needs `adapter: lora`, and this is `full`; choose another")
    elif adapter.get("layers").text == "none":
        text = "'o_lora' freezes the shared adapter, and with `layers: none` there is none"
        yield Mistake(found, f"{text}; remove it: private parts keep tasks apart already")


def _always(stage: Node, before: tuple[Node, ...], after: tuple[Node, ...]) -> Iterator[Mistake]:
    """A merged change is one from the weights before all stages, so all but the first merge."""
    found = kinds_retained(stage).get("merge")
    if found is None:
        return
    if before and "merge" not in kinds_retained(before[-1]):
        text = "'merge' joins changes from the weights before all stages, and the stage before this"
        yield Mistake(found, f"{text} began elsewhere; give that `retain: merge` too, or remove it")
    if after and "merge" not in kinds_retained(after[0]):
        text = "the stage after one that merges starts at the merged weights, and does not merge"
        yield Mistake(after[0], f"{text}; give it `retain: merge` too, or remove it here")
