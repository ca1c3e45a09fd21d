"""The stage x task score matrix, from prediction rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.evaluation.divergence import Divergences, mean_kl
from madrigal.evaluation.faithful import opinions
from madrigal.evaluation.filtered import filtered
from madrigal.evaluation.intervals import Score, drawn, wilson
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.plan import BASE, FEW_SHOT, ROUTED, SINGLE, Plan, Predictions
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.preferred import preferences
from madrigal.evaluation.summary import DEFINITIONS, summarise
from madrigal.evaluation.written import Writings, writing

VERSION = 1


@dataclass(frozen=True, slots=True)
class ScoreMatrix:
    """Scores by stage and task with their intervals, single-task baselines, and the summary.

    A task that was not evaluated in a stage has no entry there; it is never 0.
    """

    plan: Plan
    tasks: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Mapping[str, Score]]
    baselines: Mapping[str, Score]
    summary: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The content of scores.json, version 1."""
        resampling = self.plan.resampling
        return {
            "version": VERSION,
            "seed": resampling.seed,
            "draws": resampling.draws,
            "confidence": resampling.confidence,
            "before": list(self.plan.before),
            "tasks": {name: dict(facts) for name, facts in self.tasks.items()},
            "rows": [
                {
                    "stage": stage,
                    "learned": list(self.plan.learned.get(stage, ())),
                    "scores": {task: asdict(score) for task, score in row.items()},
                }
                for stage, row in self.rows.items()
            ],
            "baselines": {task: asdict(score) for task, score in self.baselines.items()},
            "summary": dict(self.summary),
            "definitions": DEFINITIONS,
        }


def score_matrix(
    predictions: Predictions,
    plan: Plan,
    divergences: Divergences | None = None,
    writings: Writings | None = None,
    from_reference: Divergences | None = None,
) -> ScoreMatrix:
    """Score every folder of predictions. `single` becomes the baselines, the others the rows.

    `divergences` are what is known of KL to the base, `from_reference` of KL to the model as a
    later stage began, `writings` of the answers that models wrote; they enter the summary.

    Raises:
        RunFolderError: a task has no metric in the plan, or rows lack what their metric needs.
    """
    _check(predictions, plan)
    cells = {
        stage: {
            task: drawn(tasks[task], plan.metrics[task], plan.resampling)
            for task in plan.metrics
            if tasks.get(task)
        }
        for stage, tasks in predictions.items()
    }
    order = [s for s in (BASE, FEW_SHOT) if s in cells]
    order += [s for s in plan.learned if s in cells]
    order += sorted(s for s in cells if s not in order and s != SINGLE)
    facts = {task: _facts(task, predictions, plan) for task in plan.metrics}
    return ScoreMatrix(
        plan=plan,
        tasks={task: found for task, found in facts.items() if found},
        rows={stage: {t: cell.score for t, cell in cells[stage].items()} for stage in order},
        baselines={t: cell.score for t, cell in cells.get(SINGLE, {}).items()},
        summary=summarise(predictions, cells, facts, order, plan)
        | _kl(divergences or {}, from_reference or {}, plan)
        | preferences(predictions, plan)
        | writing(writings or {}, plan)
        | _routed(predictions, plan)
        | _judged(predictions, order, plan)
        | filtered(predictions, order, plan),
    )


def _kl(from_base: Divergences, from_reference: Divergences, plan: Plan) -> dict[str, Any]:
    """`kl_to_base` and `kl_to_reference` by stage and task; nothing where they were not measured.

    What the first stage began with is the base.
    """
    first = next(iter(plan.learned), "")
    judged = {
        task: rows
        for task, rows in from_base.get(first, {}).items()
        if plan.metrics.get(task) == "agreement"
    }
    began = {first: judged} | dict(from_reference) if judged else from_reference
    told = {}
    for name, divergences in (("kl_to_base", from_base), ("kl_to_reference", began)):
        means = {
            stage: {
                task: asdict(mean_kl(task, rows, plan.resampling)) for task, rows in row.items()
            }
            for stage, row in divergences.items()
            if stage in plan.learned
        }
        told |= {name: means} if means else {}
    return told


def _routed(predictions: Predictions, plan: Plan) -> dict[str, Any]:
    """`router` by stage and task: the share of prompts that met their own task's part."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for stage in plan.learned:
        for task, rows in predictions.get(stage + ROUTED, {}).items():
            right = sum(row.route == task for row in rows)
            low, high = wilson(right, len(rows), plan.resampling.confidence)
            share = {"value": right / len(rows), "low": low, "high": high}
            found.setdefault(stage, {})[task] = share
    return {"router": found} if found else {}


def _judged(predictions: Predictions, order: Sequence[str], plan: Plan) -> dict[str, Any]:
    """`judged` by stage and task: how faithful to people's judgements the model is.

    `order` are the rows of the matrix; a stage begins where the trained one before it ended.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    before: dict[str, Sequence[Prediction]] = {}
    for stage in (one for one in order if one == BASE or one in plan.learned):
        learned = plan.learned.get(stage, ())
        for task, rows in predictions[stage].items():
            if rows and rows[0].kind == "feedback":
                start = before.get(task) if task in learned else None
                told = [asdict(one) for one in opinions(rows, start, plan.resampling)]
                if told:
                    found.setdefault(stage, {})[task] = told
                before[task] = rows
    return {"judged": found} if found else {}


def _check(predictions: Predictions, plan: Plan) -> None:
    for stage, tasks in predictions.items():
        for task in tasks:
            if task not in plan.metrics:
                raise RunFolderError(
                    f"predictions/{stage}/{task}.jsonl: no metric is known for task '{task}'; "
                    f"known tasks: {', '.join(plan.metrics) or 'none'}"
                )


def _facts(task: str, predictions: Predictions, plan: Plan) -> dict[str, Any]:
    found = [tasks[task] for tasks in predictions.values() if tasks.get(task)]
    if not found:
        return {}
    rows, metric = found[0], METRICS[plan.metrics[task]]
    return {
        "metric": metric.name,
        "n": len(rows),
        "clusters": len({row.cluster for row in rows}),
        "direction": metric.direction,
        "chance": metric.chance(rows),
        "kind": rows[0].kind,
        "general": task in plan.general,
        "definition": metric.page,
    }
