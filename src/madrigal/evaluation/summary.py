"""What the scores of many tasks say together: the `summary` of scores.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from madrigal.evaluation.changes import Changes
from madrigal.evaluation.continual import (
    continual,
    general_change,
    intransigence,
    mean_over,
    plasticity_gap,
)
from madrigal.evaluation.intervals import Drawn
from madrigal.evaluation.metrics import bits_per_byte
from madrigal.evaluation.parts import Part, Summary, change
from madrigal.evaluation.plan import BASE, SINGLE, Plan, Predictions
from madrigal.evaluation.unified import Scale, Unified, delta_m, unified, unified_gain

DEFINITIONS = {
    "average": "mean over trained tasks of the last stage's score; perplexities left out",
    "learning_accuracy": "version 1: mean over trained tasks of the score after the last stage "
    "that trains them (the diagonal); perplexities left out",
    "delta_m": "version 1, gain convention, percent: mean of (multi - single) / single; perplexity "
    "by its nats per token, single - multi; baselines below 0.05 left out",
    "unified": "version 1: mean of (score - chance) / (reference - chance); reference: the "
    "single-task model, or 1 where it is missing or less than 0.05 above chance",
    "bwt": "mean over earlier tasks of last score - score after the last stage that trains them",
    "fwt": "mean over later tasks of score before the first stage that trains them - base score",
    "forgetting": "mean over earlier tasks of best score since trained - last score",
    "forgetting_any": "version 1: mean over earlier tasks of best score before the last stage, the "
    "base model's included, - last score",
    "plasticity_gap": "version 1: mean over trained tasks of score after the last stage that "
    "trains them - score of the single-task model",
    "intransigence": "version 1: mean over trained tasks of the reference model's score - score "
    "after the last stage that trains them; the reference is the run's own single-task models, and "
    "of `madrigal compare` the joint run",
    "general_change": "version 1: mean over general tasks of last score - base score; perplexities "
    "left out",
    "general_change_nats": "version 1: mean over general perplexities of last - base, in nats per "
    "token; above 0 is worse",
    "kl_to_base": "version 1: mean over answer tokens of the test examples of KL(base || model) "
    "over the vocabulary, in nats per token, behind the reference answer's earlier tokens",
    "kl_to_reference": "version 1: of tasks of judged answers the same with the model as the stage "
    "began, which is the reference of preferences, in place of the base",
    "router": "version 1: share of a task's test prompts that the router, which is told no task, "
    "sends to the task's own part, of the tasks taught so far; Wilson's interval over prompts",
    "judged": "version 1: of judged answers, share of people who agree with the model over pairs "
    "that are no tie, by strength of the preference, length and fields of the data; calibration; "
    "length; opinion by reward, by log-likelihood a token, or by its rise since the stage began",
    "preferences": "version 1: mean over test examples of the log-probability, in nats of a whole "
    "answer, of the answers that most people preferred (chosen) and of the others (rejected), over "
    "the pairs of an example that are no tie; after the stage - the row before, paired",
    "written": "version 1: of answers drawn at temperature 1: mean tokens; mean share of 4-grams "
    "of tokens that came before in the answer; share that ended; changes paired by prompt",
    "filtered": "version 1: share of generated answers that the recipe's filter blocked, by the "
    "question or by the answer, with Wilson's interval; they are scored as what is said instead",
    "stage_to_stage": "each row - the row before, by task, paired; p_holm over the whole table",
    "since_learned": "last stage - the last stage that trains the task, for earlier tasks, paired; "
    "p_holm over the whole table",
}


def summarise(
    predictions: Predictions,
    cells: Mapping[str, Mapping[str, Drawn]],
    facts: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    plan: Plan,
) -> dict[str, Any]:
    """Average, transfer, forgetting, unified score, delta_m, and the paired tests.

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
    tests = Changes(predictions, plan)
    whole = {
        stage: one
        for stage in order
        if (one := unified(trained[stage], single, scales, plan.resampling))
    }
    found: dict[str, Any] = {
        **_over_stages(trained, scales, stages, plan),
        "unified": {stage: _unified_json(one) for stage, one in whole.items()},
        "bits_per_byte": _bits(predictions, facts),
        "per_task": tests.per_task(last),
        "stage_to_stage": tests.stage_to_stage(stages),
        "since_learned": tests.since_learned(stages),
        **_general(cells, facts, stages, plan),
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
    before = [task for task in plan.before if task in scales]
    found = continual(comparable, learned, plan.resampling, before)
    single = trained.get(SINGLE, {})
    found["plasticity_gap"] = plasticity_gap(comparable, learned, single, plan.resampling)
    if len(stages) > 1 or before:  # of one stage it would be interference under another name
        found["intransigence"] = intransigence(comparable, learned, single, plan.resampling)
    return {name: _json(value) for name, value in found.items()}


def _json(value: Summary | None) -> dict[str, Any] | None:
    return asdict(value) if value else None


def _general(
    cells: Mapping[str, Mapping[str, Drawn]],
    facts: Mapping[str, Mapping[str, Any]],
    stages: Sequence[str],
    plan: Plan,
) -> dict[str, Any]:
    """What became of the general tasks. A perplexity's change has another unit and stands apart."""
    before, after = cells.get(BASE, {}), cells.get(stages[-1], {}) if stages else {}
    scales = {task: plan.scale(task, 0.0) for task in plan.general if facts.get(task)}
    texts = [task for task, scale in scales.items() if scale.lower_is_better]
    scored = [task for task in scales if task not in texts]

    def nats(task: str) -> Part:
        return change(before[task], after[task], plan.resampling.confidence, np.log)

    return {
        "general_change": _json(general_change(before, after, scored, plan.resampling)),
        "general_change_nats": _json(mean_over(texts, nats, plan.resampling)),
    }


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
