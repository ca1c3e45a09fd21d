"""What a sweep found: the best trial within the bounds, and which knob mattered."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from madrigal.report.numbers import counted
from madrigal.sweep.aim import Aim
from madrigal.sweep.importance import enough, importances
from madrigal.sweep.knob import Choices, Knob, overrides, text_of
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial

VERSION = 1


def best_of(trials: Sequence[Trial], aim: Aim) -> Trial | None:
    """The best trial that keeps every bound; of equal ones the first."""
    fine = [trial for trial in trials if trial.knows(aim) and aim.kept(trial.numbers())]
    return min(fine, key=lambda trial: (aim.cost(trial.numbers()), trial.number), default=None)


def nearest_of(trials: Sequence[Trial], aim: Aim) -> Trial | None:
    """The trial that breaks its bounds by the least, each excess as a share of its limit."""
    known = [trial for trial in trials if trial.knows(aim)]

    def excess(trial: Trial) -> float:
        scores = trial.numbers()
        over = ((bound, bound.excess(scores[bound.score])) for bound in aim.bounds)
        return sum(max(0.0, much) / (abs(bound.limit) or 1.0) for bound, much in over)

    return min(known, key=lambda trial: (excess(trial), trial.number), default=None)


def results(plan: Plan, trials: Sequence[Trial], optuna: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json, from which the page is made.

    `optuna` is its own estimate of importance by score and key, where it is installed.
    """
    aim = plan.aim
    best = best_of(trials, aim)
    known = [trial for trial in trials if trial.knows(aim) and trial.number]  # 0 was not drawn
    points = [trial.values for trial in known]
    by_score = {
        name: [
            asdict(one) | {"sure": one.sure}
            for one in importances(
                plan.knobs, points, [trial.numbers()[name] for trial in known], plan.seed
            )
        ]
        for name in aim.scores
    }
    return {
        "version": VERSION,
        "name": plan.name,
        "recipe": str(plan.recipe),
        "sampler": plan.sampler,
        "seed": plan.seed,
        "score_on": plan.score_on,
        "aim": {"text": str(aim), "score": aim.score, "largest": aim.largest,
                "bounds": [asdict(bound) for bound in aim.bounds], "scores": list(aim.scores)},
        "knobs": [_knob(knob) for knob in plan.knobs],
        "trials": [
            trial.to_json()
            | {"kept": trial.knows(aim) and aim.kept(trial.numbers())}
            | {"labels": {key: text_of(value) for key, value in trial.values.items()}}
            for trial in trials
        ],
        "best": None if best is None else best.number,
        "nearest": None if best or not (near := nearest_of(trials, aim)) else near.number,
        "command": command(plan, best) if best else None,
        "importance": by_score,
        "optuna": optuna,
        "notes": notes(plan, trials) + _thin(plan, points),
    }  # fmt: skip


def _knob(knob: Knob) -> dict[str, Any]:
    if isinstance(knob, Choices):
        return {"key": knob.key, "words": str(knob), "labels": list(knob.labels)}
    ends = {"low": knob.low, "high": knob.high, "log": knob.log}
    return {"key": knob.key, "words": str(knob), **ends}


def command(plan: Plan, best: Trial) -> str:
    """The command that runs the best trial again, scored on the test examples."""
    own = overrides(best.values) if best.number else []
    sets = [word for one in (*plan.overrides, *own) for word in ("--set", one)]
    return shlex.join(["madrigal", "run", str(plan.recipe), *sets])


def notes(plan: Plan, trials: Sequence[Trial]) -> list[str]:
    """What a reader must know to trust the numbers, and not too much."""
    known = sum(trial.knows(plan.aim) for trial in trials)
    told = [
        f"The best of {counted(known, 'trial')} is flattered by having been chosen: run it again "
        + (
            "with the command above, which scores it on the test examples that no trial saw."
            if plan.score_on == "validation"
            else "with another seed. All trials were scored on the test examples, so none is left "
            "to say how good the choice is."
        )
    ]
    if plan.sampler == "tpe":
        told.append(
            "Trials were proposed from earlier ones (TPE), which look closer where scores are "
            "good: shares and p are those of the points that were tried. For sensitivity alone "
            "`sampler: random` is the fair design."
        )
    if not any(knob.key == "seed" for knob in plan.knobs):
        told.append(
            "All trials share the recipe's seed. How much of a difference is luck shows a sweep "
            "that also searches `seed`."
        )
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed:
        told.append(f"{counted(len(failed), 'trial')} failed and count for no importance.")
    return told


def _thin(plan: Plan, points: Sequence[Any]) -> list[str]:
    lacking = enough(plan.knobs, points)
    if not lacking:
        return []
    needed = max(lacking.values())
    return [
        f"Few trials: {len(points)} with scores, and {needed} are the least to tell "
        f"{', '.join(lacking)} from chance unless it matters much. A knob that is not sure here "
        "may still matter."
    ]
