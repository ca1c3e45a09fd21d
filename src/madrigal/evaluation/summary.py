"""What the scores of many tasks say together: the `summary` of scores.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from madrigal.evaluation.continual import continual
from madrigal.evaluation.intervals import Drawn
from madrigal.evaluation.metrics import bits_per_byte
from madrigal.evaluation.paired import Difference, difference, holm
from madrigal.evaluation.plan import BASE, SINGLE, Plan, Predictions
from madrigal.evaluation.unified import Scale, Unified, delta_m, unified, unified_gain

DEFINITIONS = {
    "average": "mean over trained tasks of the last stage's score; perplexities left out",
    "delta_m": "version 1, gain convention, percent: mean of (multi - single) / single; perplexity "
    "by its nats per token, single - multi; baselines below 0.05 left out",
    "unified": "version 1: mean of (score - chance) / (reference - chance); reference: the "
    "single-task model, or 1 where it is missing or less than 0.05 above chance",
    "bwt": "mean over earlier tasks of last score - score after the last stage that trains them",
    "fwt": "mean over later tasks of score before the first stage that trains them - base score",
    "forgetting": "mean over earlier tasks of best score since trained - last score",
}


def summarise(
    predictions: Predictions,
    cells: Mapping[str, Mapping[str, Drawn]],
    facts: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    plan: Plan,
) -> dict[str, Any]:
    """Average, transfer, forgetting, unified score, delta_m, and the paired tests a task.

    `cells` holds every score with its draws, `order` the folders that are rows of the matrix.
    """
    special = [task for task in plan.metrics if task not in plan.general]
    scales = {task: plan.scale(task, facts[task]["chance"]) for task in special if facts[task]}
    trained = {
        stage: {task: cell for task, cell in row.items() if task in scales}
        for stage, row in cells.items()
    }
    single = trained.get(SINGLE, {})
    stages = [stage for stage in plan.learned if stage in cells]
    last = stages[-1] if stages else None
    whole = {
        stage: one
        for stage in order
        if (one := unified(trained[stage], single, scales, plan.resampling))
    }
    found: dict[str, Any] = {
        **_over_stages(trained, scales, stages, plan),
        "unified": {stage: _unified_json(one) for stage, one in whole.items()},
        "bits_per_byte": _bits(predictions, facts),
        "per_task": _per_task(predictions, last, plan),
    }
    if last and BASE in whole and last in whole and set(trained[BASE]) == set(trained[last]):
        gain = unified_gain(trained[BASE], trained[last], single, scales, plan.resampling)
        found["unified_gain"] = asdict(gain) if gain else None
    if last and single:
        mean, each, left_out = delta_m(trained[last], single, scales, plan.resampling)
        found["delta_m"] = asdict(mean) if mean else None
        found["delta_m_per_task"] = {task: asdict(part) for task, part in each.items()}
        found["delta_m_left_out"] = list(left_out)
    return found


def _over_stages(
    trained: Mapping[str, Mapping[str, Drawn]],
    scales: Mapping[str, Scale],
    stages: Sequence[str],
    plan: Plan,
) -> dict[str, Any]:
    comparable = [
        {t: cell for t, cell in trained.get(s, {}).items() if not scales[t].lower_is_better}
        for s in (BASE, *stages)
    ]
    learned = [[t for t in plan.learned[s] if t in scales] for s in stages]
    found = continual(comparable, learned, plan.resampling)
    return {name: asdict(value) if value else None for name, value in found.items()}


def _unified_json(found: Unified) -> dict[str, Any]:
    return {
        **asdict(found.mean),
        "worst": {"task": found.worst_task, **asdict(found.worst)},
        "geometric": asdict(found.geometric),
        "tasks": {task: asdict(part) for task, part in found.tasks.items()},
        "against_perfect": list(found.against_perfect),
    }


def _bits(
    predictions: Predictions, facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """Bits per byte of the perplexity tasks, by task and stage."""
    tasks = [task for task, found in facts.items() if found and found["metric"] == "perplexity"]
    return {
        task: {
            stage: bits_per_byte(rows[task])
            for stage, rows in predictions.items()
            if rows.get(task)
        }
        for task in tasks
    }


def _per_task(predictions: Predictions, last: str | None, plan: Plan) -> dict[str, Any]:
    """Paired differences of the last stage to the base and to the single-task models."""
    found: dict[str, dict[str, Any]] = {task: {} for task in plan.metrics}
    if last is None:
        return found
    for name, folder in (("base_to_last", BASE), ("single_to_last", SINGLE)):
        before, after = predictions.get(folder, {}), predictions[last]
        tasks = [task for task in plan.metrics if before.get(task) and after.get(task)]
        results = [
            difference(before[task], after[task], plan.metrics[task], plan.resampling)
            for task in tasks
        ]
        adjusted = holm([result.p for result in results])
        for task, result, p_holm in zip(tasks, results, adjusted, strict=True):
            found[task][name] = _difference_json(result, p_holm)
    return found


def _difference_json(result: Difference, p_holm: float) -> dict[str, Any]:
    kept = {
        k: v for k, v in asdict(result).items() if v is not None and k not in ("first", "second")
    }
    return {**kept, "low": result.low, "high": result.high, "p_holm": p_holm}
