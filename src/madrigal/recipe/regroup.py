"""A recipe with one adapter for each group of its tasks, written as the one it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, ScalarNode

from madrigal.errors import RecipeError
from madrigal.recipe.dump import scalar
from madrigal.recipe.load import LoadedRecipe, load_recipe
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.rewrite import only_private, partial, resolved_text, with_adapter
from madrigal.recipe.schema import Recipe

Groups = Mapping[str, Sequence[str]]
Edit = tuple[int, int, str]  # from, to, the new text

LEAST_TASKS = 3
_COLUMNS = 100  # a longer adapter is written with a line for each group


def why_not(recipe: Recipe, stage: int) -> Iterator[str]:
    """Why the tasks of a stage cannot be put in groups, a line each; nothing where they can."""
    learn, adapter = recipe.stages[stage].learn, recipe.model.adapter
    if len(learn) < LEAST_TASKS:
        yield (
            f"stages[{stage}].learn: {' and '.join(learn)} alone; groups need {LEAST_TASKS} tasks "
            "or more"
        )
    if not isinstance(adapter, LoraAdapter):
        yield (
            "model.adapter: full fine-tuning has no adapter to group; write `adapter: lora`, or "
            "train the tasks that agree in recipes of their own"
        )
    elif adapter.private is not None:
        what = "has groups" if adapter.private.groups else "gives tasks private parts"
        yield f"model.adapter.private: {what} already; remove it to find groups anew"


def named_groups(groups: Sequence[Sequence[str]], recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Groups by name, `group-1` and on; no task has the name of one.

    Tasks that only other stages learn come last, each in a group of its own: without a shared
    adapter they would have none.
    """
    inside = {task for group in groups for task in group}
    learnt = dict.fromkeys(task for stage in recipe.stages for task in stage.learn)
    every = [*map(tuple, groups), *((task,) for task in learnt if task not in inside)]
    stem = "group"
    while any(task.startswith(f"{stem}-") for task in recipe.tasks):
        stem += "s"
    return {f"{stem}-{number}": group for number, group in enumerate(every, 1)}


def regrouped(given: Recipe, groups: Groups) -> Recipe:
    """The recipe with one private part a group in place of the shared adapter, same rank."""
    adapter = given.model.adapter
    assert isinstance(adapter, LoraAdapter)
    private = PrivatePart(
        rank=adapter.rank,
        alpha=adapter.alpha,
        layers=adapter.layers if isinstance(adapter.layers, tuple) else "all",
        groups={name: tuple(tasks) for name, tasks in groups.items()},
    )
    return with_adapter(given, only_private(adapter, private), "grouped")


def write_regrouped(given: LoadedRecipe, groups: Groups, head: str, out: Path) -> None:
    """Write the recipe with groups; comments and layout stay where that is possible.

    The text of the given recipe is kept but for its name and its adapter. Where that does not
    give the recipe that is meant (it has `--set` values, or names its adapter by an alias), it is
    written as resolved. `head` is a comment in front.
    """
    wanted = regrouped(given.recipe, groups)
    aside = partial(out)
    try:
        for text in (_edited(given.text, wanted), resolved_text(given, wanted)):
            if text is not None:
                aside.write_text(head + text, encoding="utf-8")
                if _loads_to(aside, wanted):
                    aside.replace(out)
                    return
        load_recipe(aside)  # says what is wrong
    finally:
        aside.unlink(missing_ok=True)


def _loads_to(path: Path, wanted: Recipe) -> bool:
    try:
        return load_recipe(path).recipe == wanted
    except RecipeError:
        return False


def _edited(text: str, wanted: Recipe) -> str | None:
    """The text with another name and adapter; None where its shape is beyond a simple edit."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    if not isinstance(root, MappingNode) or root.flow_style:
        return None
    key, model = _entry(root, "model")
    edits = [_span(_entry(root, "name")[1], scalar(wanted.name))]
    if key is None or model is None:
        end = "" if text.endswith("\n") else "\n"
        edits.append((len(text), len(text), f"{end}model:\n  adapter: {_flow(wanted, 6)}\n"))
    elif isinstance(model, ScalarNode):
        base = scalar(wanted.model.base)
        edits.append(_span(model, f"{{base: {base}, adapter: {_flow(wanted, 4)}}}"))
    elif not isinstance(model, MappingNode):
        return None
    else:
        edits.append(_adapter_edit(text, key, model, wanted))
    for first, last, new in sorted(edits, reverse=True):
        text = text[:first] + new + text[last:]
    return text


def _adapter_edit(text: str, key: yaml.Node, model: MappingNode, wanted: Recipe) -> Edit:
    own, adapter = _entry(model, "adapter")
    if own is not None and adapter is not None:
        line = key if model.flow_style else own
        return _span(adapter, _flow(wanted, line.start_mark.column + 4))
    if model.flow_style:
        place = model.start_mark.index + 1
        return place, place, f"adapter: {_flow(wanted, key.start_mark.column + 4)}, "
    # On a line of its own below `model:`, above the comments of what follows.
    place, column = text.index("\n", key.end_mark.index), model.start_mark.column
    return place, place, f"\n{' ' * column}adapter: {_flow(wanted, column + 4)}"


def _span(value: yaml.Node | None, new: str) -> Edit:
    return (0, 0, "") if value is None else (value.start_mark.index, _end(value), new)


def _end(node: yaml.Node) -> int:
    """Where the text of a value ends; a block mapping itself ends only at the next key."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return node.end_mark.index


def _entry(node: MappingNode, key: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    return next(((name, value) for name, value in node.value if name.value == key), (None, None))


def _flow(wanted: Recipe, indent: int) -> str:
    """The adapter, without what is as by default."""
    adapter = wanted.model.adapter
    assert isinstance(adapter, LoraAdapter)
    assert adapter.private is not None
    told = adapter.model_dump(exclude_defaults=True)
    told = {"kind": "lora", **told, "private": {"rank": adapter.private.rank, **told["private"]}}
    line = _plain(told)
    if len(line) <= _COLUMNS - indent:
        return line
    groups = {name: _plain(tasks) for name, tasks in told["private"].pop("groups").items()}
    begin = f"\n{' ' * indent}"
    several = ",".join(f"{begin}{scalar(name)}: {tasks}" for name, tasks in groups.items())
    return f"{_plain(told).removesuffix('}}')}, groups: {{{several}}}}}}}"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return scalar(value) if isinstance(value, str) else str(value)
