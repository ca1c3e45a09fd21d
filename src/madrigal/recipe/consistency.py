"""What pydantic cannot see: keys that contradict each other, and keys that would have no effect.

The rules read the node tree and not the `Recipe`, so that they speak also where something else in
the recipe is wrong. They pass over values of a wrong type: validation tells those.
"""

from collections.abc import Iterator

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.rules_balance import balance_rules
from madrigal.recipe.rules_curriculum import curriculum_rules
from madrigal.recipe.rules_evaluate import evaluate_rules
from madrigal.recipe.rules_gradients import gradients_rules
from madrigal.recipe.rules_model import model_rules
from madrigal.recipe.rules_objective import objective_rules
from madrigal.recipe.rules_retain import retain_rules
from madrigal.recipe.rules_stage import stage_rules
from madrigal.recipe.rules_task import task_rules, unused_rules


def inconsistencies(root: Node) -> Iterator[Mistake]:
    """Every contradiction that the recipe alone can tell."""
    yield from model_rules(root)
    yield from task_rules(root)
    yield from stage_rules(root)
    yield from objective_rules(root)
    yield from curriculum_rules(root)
    yield from balance_rules(root)
    yield from gradients_rules(root)
    yield from retain_rules(root)
    yield from evaluate_rules(root)
    yield from unused_rules(root)
