"""Contradictions in the model's settings."""

from collections.abc import Iterator

from madrigal.recipe.model import ModelSettings, NewModel
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_private import private_rules


def model_rules(root: Node) -> Iterator[Mistake]:
    """Fresh weights, private parts, and what only a hub model understands."""
    model = root.get("model")
    yield from private_rules(root, model.get("adapter"))
    yield from _shard(model)
    base = model.get("base").text or ModelSettings.model_fields["base"].default
    if base == "new":
        yield from _fresh(model)
    elif model.get("new").value is not None:
        yield Mistake(model.get("new"), f"only `base: new` takes it; the base is {base!r}")
    if base == "new" or base.startswith("madrigal/"):
        for key in ("revision", "trust_remote_code"):
            node = model.get(key)
            if node.value not in (None, False):
                yield Mistake(node, f"only a hub model has it; the base is {base!r}; remove it")


def _shard(model: Node) -> Iterator[Mistake]:
    if model.get("shard").value is True and model.get("adapter", "kind").text == "full":
        text = "shares out a frozen base, and with `adapter: full` nothing is frozen"
        yield Mistake(model.get("shard"), f"{text}; write `adapter: lora`, or remove it")


def _fresh(model: Node) -> Iterator[Mistake]:
    if model.get("adapter", "kind").text in (None, "lora"):
        place = model.get("adapter") if model.get("adapter").present else model.get("base")
        yield Mistake(place, "fresh weights cannot stay frozen; write `adapter: full`")
    new = model.get("new")
    width, heads, shared = (_number(new, key) for key in ("width", "heads", "key_value_heads"))
    if heads > 0 and width % heads:
        yield Mistake(_written(new, "heads", "width"), f"{heads} heads do not divide width {width}")
    elif heads > 0 and (width // heads) % 2:
        place = _written(new, "heads", "width")
        yield Mistake(place, f"width / heads is {width // heads}; rotary positions need it even")
    if shared > 0 and heads % shared:
        place = _written(new, "key_value_heads", "heads")
        yield Mistake(place, f"{shared} key-value heads do not divide {heads} heads")
    context, longest = model.get("context").number, _number(new, "context")
    if context is not None and context > longest:
        text = f"{context:g} tokens, but the fresh model's `new.context` is {longest}"
        yield Mistake(model.get("context"), text)


def _number(new: Node, key: str) -> int:
    found = new.get(key).number
    default = NewModel.model_fields[key].default
    return found if isinstance(found, int) else default


def _written(new: Node, *keys: str) -> Node:
    """The first of the keys that the recipe writes."""
    return next((new.get(key) for key in keys if new.get(key).present), new)
