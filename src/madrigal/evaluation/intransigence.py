"""What learning one after another could not learn, against a run that learnt all together."""

from pathlib import Path

from madrigal.evaluation.continual import intransigence
from madrigal.evaluation.intervals import Drawn, drawn
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.parts import Summary
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import read_plan, read_predictions_of


def intransigence_of(run: Path, joint: Path) -> Summary | None:
    """Intransigence of a run in stages, with the only stage of another run as the joint model.

    Over the tasks of the first run that the joint one trained too, on the examples that both
    evaluated; see `continual.intransigence`. None where the first has one stage only, or the second
    is not one stage that trains every task of the first.
    """
    plan, reference = read_plan(run), read_plan(joint)
    if not _is_joint(plan, reference):
        return None
    stages, (last,) = list(plan.learned), reference.learned
    rows, theirs = read_predictions_of(run), read_predictions_of(joint)[last]
    cells: list[dict[str, Drawn]] = [{} for _ in (*stages, joint)]
    for task in dict.fromkeys(task for names in plan.learned.values() for task in names):
        if METRICS[plan.metrics[task]].direction == "lower":
            continue
        sides = [rows.get(stage, {}).get(task, []) for stage in stages] + [theirs.get(task, [])]
        shared = set.intersection(*[{row.id for row in side} for side in sides if side] or [set()])
        for cell, side in zip(cells, sides, strict=True):
            kept = [row for row in side if row.id in shared]
            if kept:
                cell[task] = drawn(kept, plan.metrics[task], plan.resampling)
    *matrix, together = cells
    learned = list(plan.learned.values())
    return intransigence([{}, *matrix], learned, together, plan.resampling)


def _is_joint(plan: Plan, reference: Plan) -> bool:
    """Whether the one is in stages and the other trains all of its tasks in a single one."""
    tasks = {task for names in plan.learned.values() for task in names}
    return (
        len(plan.learned) > 1
        and len(reference.learned) == 1
        and tasks <= {task for names in reference.learned.values() for task in names}
        and all(plan.metrics[task] == reference.metrics.get(task) for task in tasks)
    )
