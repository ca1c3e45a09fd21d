"""Contradictions in the objectives of a stage."""

from collections.abc import Iterator, Mapping, Sequence

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.shape import shapes
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean

_COMPARING = ("margin", "centring", "smoothing", "flip_rate", "temperature", "length_debias")
# Of a kind: keys without effect unless one of the others is above 0.
_WANT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "correction": {"beta": ("preference",), "edits": ("likelihood",)},
    "reward": {
        **dict.fromkeys(_COMPARING, ("compare",)),
        "scale": ("regress", "temperature"),
    },
}
# Of a kind: weights of which one must be above 0.
_SOME = {
    "align": ("strength", "likelihood"),
    "correction": ("preference", "likelihood"),
    "reward": ("compare", "regress"),
}


def objective_rules(root: Node) -> Iterator[Mistake]:
    """Names of tasks, keys that exclude each other, keys without effect."""
    for stage in root.get("stages").elements():
        tasks = learnt(stage)
        for name, node in stage.get("objective").entries():
            if name not in tasks:
                yield Mistake(node, f"the stage does not learn {name!r}{did_you_mean(name, tasks)}")
            yield from _noise(node)
            yield from _nothing(node)
            yield from _served(root, node)
            yield from _aligned(node, name, tasks)


def _aligned(node: Node, name: str, tasks: Sequence[str]) -> Iterator[Mistake]:
    to = node.get("to")
    if node.get("kind").text != "align" or to.text is None:
        return
    if to.text == name:
        yield Mistake(to, "a task is near to itself; name another task of the stage")
    elif to.text not in tasks:
        more = did_you_mean(to.text, [task for task in tasks if task != name])
        yield Mistake(to, f"the stage does not learn {to.text!r}{more}; both tasks must be in it")


def _noise(node: Node) -> Iterator[Mistake]:
    if node.get("smoothing").number and node.get("flip_rate").number:
        text = "`smoothing` and `flip_rate` are both given; one regularises, the other corrects"
        yield Mistake(node.get("flip_rate"), f"{text}; keep one")


def _served(root: Node, node: Node) -> Iterator[Mistake]:
    """What a server that writes answers can do."""
    server = node.get("server")
    if not server.get("url").present:
        return
    for key in ("temperature", "top_p"):
        if node.get(key).number not in (None, 1):
            yield Mistake(
                node.get(key),
                f"servers tell log-probabilities at {key} 1, and only there they can be compared "
                "with the trainer's; remove it, or `server`",
            )
    adapter = root.get("model").get("adapter")
    if (adapter.text or adapter.get("kind").text) == "full":
        yield Mistake(
            server,
            "weights are handed to a server as LoRA adapters, and `model.adapter` is full; set it "
            "to lora, or remove `server`",
        )


def _nothing(node: Node) -> Iterator[Mistake]:
    """Weights that are all zero, and keys of what has no weight."""
    kind = node.get("kind").text or ""
    weights = _SOME.get(kind, ())
    if weights and not any(_weight(node, kind, key) for key in weights):
        said = " and ".join(f"`{key}`" for key in weights)
        yield Mistake(node, f"{said} are both 0, so nothing is trained; raise one")
        return
    for key, others in _WANT.get(kind, {}).items():
        # A run writes its recipe down with every default.
        written = node.get(key).number not in (None, 0, _default(kind, key))
        if written and not any(_weight(node, kind, other) for other in others):
            said = " or ".join(f"`{other}`" for other in others)
            yield Mistake(node.get(key), f"has no effect without {said}; remove it")


def _weight(node: Node, kind: str, key: str) -> object:
    """The value of a key, or its default."""
    given = node.get(key)
    return given.number if given.present else _default(kind, key)


def _default(kind: str, key: str) -> object:
    objective = shapes(StageSettings)["objective"].values
    return None if objective is None else objective.kinds[kind].model_fields[key].default
