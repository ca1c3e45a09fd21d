"""A key that is not known here: what the user may have meant."""

from collections.abc import Iterator

from madrigal.recipe.node import Node
from madrigal.recipe.schema import Recipe
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import Shape, kind_of, shapes
from madrigal.recipe.suggest import closest, did_you_mean

# Names that other trainers use.
_SYNONYMS = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "r": "rank",
    "lora": "adapter",
    "peft": "adapter",
    "loss": "objective",
    "sampling": "mixture",
    "template": "prompt",
    "path": "base",
    "name_or_path": "base",
    "max_length": "context",
    "max_seq_length": "context",
    "batch_size": "rows",
    "max_grad_norm": "clip",
    "warmup_ratio": "warmup",
}


def unknown_key(node: Node, parent: Node, shape: Shape) -> str:
    """The sentence for an unknown key at `node`: a near name, another kind's, another place's."""
    key = str(node.path[-1])
    model = shape.model(parent)
    known = list(model.model_fields) if model else []
    meant = _SYNONYMS.get(key.lower(), key)
    if meant in known:
        return f"unknown key; did you mean {meant!r}?"
    kinds = [str(kind_of(other)) for other in shape.models if key in other.model_fields]
    if kinds:
        return f"unknown key; only kind {' and '.join(map(repr, kinds))} has it"
    here = next(_places(meant, model, ""), None) if model else None
    near = closest(key, known)
    place = here or (None if near else next(_places(meant, Recipe, ""), None))
    if place is not None:
        return f"unknown key here; did you mean {place!r}?"
    return f"unknown key{did_you_mean(key, known)}"


def _places(key: str, model: type[Settings], before: str) -> Iterator[str]:
    """Where `key` is known in and below this place, the nearest first; what only some kinds have
    comes last."""
    found = shapes(model).items()
    yield from (before + name for name, _ in found if name == key)
    for of_several_kinds in (False, True):
        for name, shape in found:
            for part, step in ((shape, ""), (shape.items, "[N]"), (shape.values, ".NAME")):
                models = part.models if part is not None else ()
                if (len(models) > 1) == of_several_kinds:
                    for inner in models:
                        yield from _places(key, inner, f"{before}{name}{step}.")
