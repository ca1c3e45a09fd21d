"""What a sweep is after: one score to make large or small, and bounds that others must keep."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from madrigal.evaluation.summary import DEFINITIONS
from madrigal.recipe.schema import Recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.sweep.own import OWN, own_score, smaller_is_better, unknown_own

TASKS = "tasks."
_BOUND = re.compile(r"\s*([\w.-]+)\s*(<=|>=|<|>|=+)\s*(\S+)\s*")
LOWER_IS_BETTER = ("forgetting", "forgetting_any", "intransigence", "general_change_nats")
# Parts of the summary that are one number, or one by stage.
ONE = (
    "average", "learning_accuracy", "delta_m", "unified", "unified_gain", "bwt", "fwt",
    "forgetting", "forgetting_any", "plasticity_gap", "intransigence", "general_change",
    "general_change_nats",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """`forgetting <= 0.05`."""

    score: str
    sign: Literal["<=", ">="]
    limit: float

    def excess(self, value: float) -> float:
        """How far a score is on the wrong side; 0 or less where the bound is kept."""
        return value - self.limit if self.sign == "<=" else self.limit - value

    def __str__(self) -> str:
        return f"{self.score} {self.sign} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Aim:
    """The score to make large (or small), under bounds."""

    score: str = "average"
    largest: bool = True
    bounds: tuple[Bound, ...] = ()

    @property
    def scores(self) -> tuple[str, ...]:
        """Every score that is looked at, each once."""
        return tuple(dict.fromkeys((self.score, *(bound.score for bound in self.bounds))))

    def kept(self, scores: Mapping[str, float]) -> bool:
        """Whether every bound is kept."""
        return self.broken(scores) == []

    def broken(self, scores: Mapping[str, float]) -> list[Bound]:
        """The bounds that are not kept."""
        return [bound for bound in self.bounds if bound.excess(scores[bound.score]) > 0]

    def cost(self, scores: Mapping[str, float]) -> float:
        """The smaller the better."""
        return -scores[self.score] if self.largest else scores[self.score]

    def __str__(self) -> str:
        verb = "maximise" if self.largest else "minimise"
        kept = " and ".join(map(str, self.bounds))
        return f"{verb} {self.score}" + (f" subject to {kept}" if kept else "")


def bound_of(text: str) -> Bound | str:
    """The bound that a text states, or the sentence that says what is wrong with it."""
    match = _BOUND.fullmatch(text)
    cure = "write a score, <= or >=, and a number, as `forgetting <= 0.05`"
    if match is None:
        return f"{text!r} is no bound; {cure}"
    score, sign, number = match.groups()
    if sign not in ("<=", ">="):
        return f"{text!r} has {sign!r}; {cure}"
    try:
        limit = float(number)
    except ValueError:
        return f"{number!r} is no number; {cure}"
    if limit != limit or abs(limit) == float("inf"):
        return f"{number!r} is no finite number; {cure}"
    return Bound(score, "<=" if sign == "<=" else ">=", limit)


def unknown_score(name: str, recipe: Recipe) -> str | None:
    """Why no run of the recipe has this score; None where it has."""
    watched = recipe.watched()
    if name.startswith(OWN):
        return unknown_own(name, recipe)
    if name.startswith(TASKS):
        task = name.removeprefix(TASKS)
        if task in watched:
            return None
        return f"no task {task!r} is scored{did_you_mean(task, watched, 'there are')}"
    first = name.partition(".")[0]
    if first not in DEFINITIONS and first not in ONE:
        known = [*ONE, *(TASKS + task for task in watched)]
        return f"unknown score {name!r}{did_you_mean(name, known, 'there are')}"
    if name == first and first not in ONE:
        return f"{name!r} is no single number; name a part of it, as in `summary` of scores.json"
    return _without(first, recipe)


def _without(first: str, recipe: Recipe) -> str | None:
    """What the recipe lacks for a part of the summary."""
    stages, evaluate = recipe.stages, recipe.evaluate
    last = stages[-1].learn if stages else ()
    learnt = {task for stage in stages for task in recipe.scored(stage.learn)}
    earlier = (learnt | set(recipe.before())) - set(last)
    single = evaluate.baselines is not False
    lacks = {
        "delta_m": (not single, "needs `evaluate.baselines: true`"),
        "plasticity_gap": (not single, "needs `evaluate.baselines: true`"),
        "intransigence": (not single, "needs `evaluate.baselines: true`"),
        "bwt": (not earlier, "is of tasks that the last stage does not train, and here are none"),
        "fwt": (len(stages) < 2 or not evaluate.base, "needs two stages and `evaluate.base: true`"),
        "unified_gain": (not evaluate.base, "needs `evaluate.base: true`"),
        "general_change": (
            not evaluate.general or not evaluate.base,
            "needs tasks under `evaluate.general`, and `evaluate.base: true`",
        ),
    }
    lacks["forgetting"] = lacks["forgetting_any"] = lacks["bwt"]
    lacks["general_change_nats"] = lacks["general_change"]
    missing, why = lacks.get(first, (not stages, "needs a stage"))
    return f"{first!r} {why}" if missing else None


def wrong_way(aim: Aim) -> str | None:
    """The sentence for an aim that makes something large that is better when small."""
    if aim.largest and (aim.score in LOWER_IS_BETTER or smaller_is_better(aim.score)):
        return f"{aim.score!r} is better when it is small; write `minimise: {aim.score}`"
    return None


def found_scores(
    aim: Aim, body: Mapping[str, Any], run: Path
) -> dict[str, dict[str, int | float | None]]:
    """Value, low and high of every score that the aim looks at, out of scores.json of a run, or
    out of its rollouts.

    Raises:
        LookupError: there is no such number; with the sentence.
    """
    return {
        name: own_score(name, run) if name.startswith(OWN) else _score(name, body)
        for name in aim.scores
    }


def _score(name: str, body: Mapping[str, Any]) -> dict[str, int | float | None]:
    if name.startswith(TASKS):
        rows = body.get("rows") or [{}]
        found: Any = rows[-1].get("scores", {}).get(name.removeprefix(TASKS))
    else:
        found = _part(name, body)
    if isinstance(found, int | float) and not isinstance(found, bool):
        found = {"value": found}
    if not isinstance(found, dict) or not isinstance(found.get("value"), int | float):
        raise LookupError(f"its scores.json has no number for {name}")
    return {end: found.get(end) for end in ("value", "low", "high")}


def _part(name: str, body: Mapping[str, Any]) -> Any:
    """A part of the summary by its path; `unified` is that of the last row."""
    first, *rest = name.split(".")
    found = body.get("summary", {}).get(first)
    if first == "unified" and isinstance(found, dict) and found:
        rest = rest if rest and rest[0] in found else [list(found)[-1], *rest]
    for key in rest:
        found = found.get(key) if isinstance(found, dict) else None
    return found
