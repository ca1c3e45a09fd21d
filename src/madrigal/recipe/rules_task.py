"""Contradictions inside a task."""

from collections import Counter
from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.settings import Settings
from madrigal.recipe.suggest import did_you_mean, short
from madrigal.recipe.task import Augment, InstructionSettings, SplitShares, TaskSettings

_SOURCES = ("train", "hub", "bundled")
_TRAINING_ONLY = ("weight", "max_epochs", "label_smoothing", "pull_to_start", "augment")
_ANSWERS_ONLY = (
    "prompt", "answer", "system", "labels", "normalise_choices", "max_new_tokens", "shots"
)  # fmt: skip


def task_rules(root: Node) -> Iterator[Mistake]:
    """Names, sources of data, and keys that do not fit the format."""
    tasks = root.get("tasks")
    trained = {name for stage in root.get("stages").elements() for name in learnt(stage)}
    shown = (root.get("evaluate", "few_shot").number or 0) > 0  # also of tasks that nobody trains
    lower = Counter(name.lower() for name in tasks.names())
    for name, task in tasks.entries():
        if lower[name.lower()] > 1:
            yield Mistake(task, "another task has this name in other capitals; rename one")
        yield from _source(task.get("data"), name in trained)
        yield from _split(task.get("data"))
        yield from _select(root, task.get("data", "select"), name, name in trained)
        yield from _format(task)
        yield from _labels(task.get("labels"))
        yield from _scale(task.get("feedback", "scale"))
        yield from _role(task, name in trained)
        yield from _augment(task.get("augment"))
        yield from _shots(task, name, name in trained or shown)
        if name not in trained:
            for node in _changed(task, TaskSettings, _TRAINING_ONLY):
                yield Mistake(node, f"has no effect: no stage learns {name!r}; remove it")


def unused_rules(root: Node) -> Iterator[Mistake]:
    """Tasks that nothing uses: told only where no misspelt name or `--set` explains them."""
    tasks, general = root.get("tasks"), root.get("evaluate", "general")
    lists = [stage.get("learn") for stage in root.get("stages").elements()]
    before = root.get("start_from", "learned")
    named = [name for part in (*lists, general, before) for name in part.elements()]
    nears = (task.get("data", "select", "near") for _, task in tasks.entries())
    named += [node for node in nears if node.text is not None]
    misspelt = any(name.text not in tasks.names() for name in named)
    narrowed = any(node.set_path for part in lists for node in part.walk())
    if not lists or misspelt or narrowed or not all(part.elements() for part in lists):
        return
    used = {name.text for name in named}
    for name, task in tasks.entries():
        if name not in used:
            text = "no stage learns it and `evaluate.general` does not name it"
            yield Mistake(task, f"{text}; add it to one of them or remove it")


def _source(data: Node, trained: bool) -> Iterator[Mistake]:
    if not isinstance(data.value, dict):
        return
    given = [key for key in _SOURCES if data.get(key).value is not None]
    if not given and (trained or data.get("test").value is None):
        yield Mistake(data, "no examples are named; give one of `train`, `hub` and `bundled`")
    for key in given[1:]:
        yield Mistake(data.get(key), f"`{given[0]}` is given too; keep one source of examples")
    if given and given[0] != "train":
        for key in ("validation", "test"):
            if data.get(key).value is not None:
                text = f"goes with `train` only; `{given[0]}` brings its own splits"
                yield Mistake(data.get(key), text)
    for key in ("train", "validation", "test"):
        if data.get(key).value in ("", []):
            yield Mistake(data.get(key), "no path is named; write a file, a pattern or a folder")


def _augment(augment: Node) -> Iterator[Mistake]:
    if augment.value is None:
        return
    edits, rate = augment.get("edits"), augment.get("rate")
    shares = any(augment.get(key).number for key in ("edits", "swaps", "templates"))
    if not shares and augment.get("written").value is None:
        said = "`edits`, `swaps` and `templates` are all 0, so nothing is made; raise one"
        yield Mistake(augment, said)
    elif not edits.number and rate.number not in (None, Augment.model_fields["rate"].default):
        yield Mistake(rate, "has no effect without `edits`; remove it")


def _select(root: Node, select: Node, name: str, trained: bool) -> Iterator[Mistake]:
    near, tasks = select.get("near"), root.get("tasks").names()
    if select.value is None:
        return
    if not trained:
        yield Mistake(select, f"has no effect: no stage learns {name!r}; remove it")
    if near.text == name:
        yield Mistake(near, "all text is near to itself; name another task")
    elif near.text is not None and near.text not in tasks:
        more = did_you_mean(near.text, tasks, "tasks")
        yield Mistake(near, f"no task is called {near.text!r}{more}")
    if select.get("share").value is not None and select.get("characters").value is not None:
        text = "`share` and `characters` are both given; keep one"
        yield Mistake(select.get("characters"), text)


def _split(data: Node) -> Iterator[Mistake]:
    """Shares to hold out where nothing is held out."""
    for node in _changed(data.get("split"), SplitShares, ("validation", "test")):
        key = str(node.path[-1])
        if data.get("bundled").value is not None:
            yield Mistake(node, "has no effect: a bundled task is split already; remove it")
        elif data.get(key).value is not None or data.get("hub", key).value is not None:
            yield Mistake(node, f"has no effect: the {key} examples are named; remove one")


def _format(task: Node) -> Iterator[Mistake]:
    name = task.get("data", "format").text or "auto"
    metric = task.get("metric")
    if name == "text":
        for node in _changed(task, TaskSettings, _ANSWERS_ONLY):
            yield Mistake(node, "has no effect: format `text` has no answers; remove it")
        if metric.text not in (None, "auto", "perplexity"):
            yield Mistake(metric, f"{metric.text} needs answers; raw text is judged by perplexity")
    elif metric.text == "perplexity" and (name != "auto" or task.get("labels").value is not None):
        yield Mistake(metric, "perplexity judges raw text only; this task has answers")
    if name not in ("auto", "natural_instructions"):
        keys = tuple(InstructionSettings.model_fields)
        for node in _changed(task.get("instruction"), InstructionSettings, keys):
            text = f"has no effect with format `{name}`; only Natural Instructions have it"
            yield Mistake(node, f"{text}; remove it")


def _role(task: Node, trained: bool) -> Iterator[Mistake]:
    role, metric = task.get("role"), task.get("metric")
    if role.text != "auxiliary":
        return
    if not trained:
        yield Mistake(role, "an auxiliary task trains and is not scored, and no stage learns it")
    elif metric.present and metric.text != "auto":
        yield Mistake(metric, "an auxiliary task is not scored; remove `metric`, or its `role`")


def _shots(task: Node, name: str, counts: bool) -> Iterator[Mistake]:
    """`shots` beside what it contradicts, and `draw` without it."""
    shots, draw, most = task.get("shots"), task.get("draw"), task.get("data", "max_train")
    if shots.value is None:
        if draw.present and draw.number != TaskSettings.model_fields["draw"].default:
            yield Mistake(draw, "has no effect: it says which draw of `shots`; give that, too")
        return
    if not counts:
        yield Mistake(shots, f"has no effect: no stage learns {name!r}; remove it")
    if most.value is not None:
        yield Mistake(most, "`shots` draws from the training examples too; keep one of them")


def _labels(labels: Node) -> Iterator[Mistake]:
    names = labels.names() or tuple(node.text for node in labels.elements())
    if isinstance(labels.value, dict | list) and len(names) < 2:
        yield Mistake(labels, f"{len(names)} label; a choice needs at least two")
    seen: set[str | None] = set()
    for node in labels.elements():
        if node.text is not None and node.text in seen:
            yield Mistake(node, f"label {short(node.text)} stands twice; remove one")
        seen.add(node.text)
    words = {node.text for _, node in labels.entries()}
    if len(names) > 1 and labels.names() and len(words) < 2:
        yield Mistake(labels, "all labels become the same word; a choice needs at least two")


def _scale(scale: Node) -> Iterator[Mistake]:
    ends = [node.number for node in scale.elements()]
    if isinstance(scale.value, list) and len(ends) != 2:
        yield Mistake(scale, "write the lowest and the highest rating, [1, 5]")
    elif len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
        yield Mistake(scale, "the lowest rating stands first and below the highest, [1, 5]")


def _changed(node: Node, model: type[Settings], keys: tuple[str, ...]) -> Iterator[Node]:
    """The nodes of `keys` that hold something else than the default, so that it should count."""
    for key in keys:
        child = node.get(key)
        if child.present and child.value is not None:
            default = model.model_fields[key].default
            if child.plain() != default:
                yield child
