"""Contradictions between a stage's balancer and its tasks."""

from collections.abc import Iterator
from typing import get_args

from madrigal.recipe.balance_by_gradient import ByGradient
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_retain import kinds_retained
from madrigal.recipe.rules_stage import learnt
from madrigal.recipe.shape import shapes
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean

_FOR_ONE_TASK = ("mean", "equal", "fixed")
_BY_GRADIENT = (
    "db_mtl",
    *(kind.model_fields["kind"].default for kind in get_args(ByGradient)),
)
_BY_TASK = ("weights", "ideal", "lowest")  # keys of balancers whose entries are names of tasks


def balance_rules(root: Node) -> Iterator[Mistake]:
    """Names of tasks in a balancer, weights without effect, one task alone."""
    for stage in root.get("stages").elements():
        balance, tasks = stage.get("balance"), learnt(stage)
        for key in _BY_TASK:
            for name, node in balance.get(key).entries():
                if name not in tasks:
                    hint = did_you_mean(name, tasks)
                    yield Mistake(node, f"the stage does not learn {name!r}{hint}")
        yield from _weights(balance.get("weights"), tasks, root.get("tasks"))
        yield from _alone(stage, balance, tasks)
        yield from _protects(stage)
        yield from _auxiliary(stage, tasks, root.get("tasks"))
        yield from _nothing_shared(balance, root.get("model", "adapter"))


def _weights(weights: Node, tasks: list[str], settings: Node) -> Iterator[Mistake]:
    given = weights.entries()
    if not isinstance(weights.value, dict):
        return
    for name in tasks:
        if name not in weights.names():
            yield Mistake(weights, f"no weight for {name!r}; each task of the stage needs one")
    main = [node for name, node in given if settings.get(name, "role").text != "auxiliary"]
    if main and all(node.number == 0 for node in main):
        whose = "all weights" if len(main) == len(given) else "all weights of main tasks"
        yield Mistake(weights, f"{whose} are zero; write at least one above 0")


def _auxiliary(stage: Node, learnt: list[str], tasks: Node) -> Iterator[Mistake]:
    helping = [name for name in learnt if tasks.get(name, "role").text == "auxiliary"]
    if helping and len(helping) == len(learnt):
        text = "only auxiliary tasks, which train for the sake of others"
        yield Mistake(stage.get("learn"), f"{text}; add a main task")
    kind = stage.get("balance", "kind")
    if helping and kind.text == "db_mtl":
        text = f"'db_mtl' weighs remembered gradients and {helping[0]!r} is auxiliary"
        yield Mistake(kind, f"{text}; choose another balancer")


def _nothing_shared(balance: Node, adapter: Node) -> Iterator[Mistake]:
    """A balancer by gradient needs parameters that several tasks reach."""
    kind, private = balance.get("kind"), adapter.get("private")
    if kind.text not in _BY_GRADIENT or adapter.get("layers").text != "none":
        return
    groups = [node.value for _, node in private.get("groups").entries()]
    if private.value is not None and not any(isinstance(g, list) and len(g) > 1 for g in groups):
        text = (
            f"{kind.text!r} balances what tasks share, and with `layers: none` they share nothing"
        )
        yield Mistake(kind, f"{text}; choose `mean` or `equal`, or give tasks a group together")


def _protects(stage: Node) -> Iterator[Mistake]:
    kind = stage.get("balance", "kind")
    if kind.text == "agem" and "replay" not in kinds_retained(stage):
        text = "'agem' protects replayed examples, and the stage replays none"
        yield Mistake(kind, f"{text}; add `retain: replay`, or choose another balancer")


def _alone(stage: Node, balance: Node, tasks: list[str]) -> Iterator[Mistake]:
    kind = balance.get("kind").text
    known = shapes(StageSettings)["balance"].kinds
    replays = "replay" in kinds_retained(stage)
    if len(tasks) == 1 and not replays and kind in known and kind not in _FOR_ONE_TASK:
        text = f"{kind!r} weighs tasks against each other, and the stage learns {tasks[0]!r} alone"
        yield Mistake(balance, f"{text}; remove it or add a task")
