"""Which differences between rows of the score matrix are more than chance: paired tests, by task.

Each table is a family of its own for Holm's correction: who reads one of them looks at all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from madrigal.evaluation.paired import Difference, difference, holm
from madrigal.evaluation.plan import BASE, SINGLE, Plan, Predictions

# A task, and the two folders of predictions that are compared on it.
Pair = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """Tests between folders of predictions; each is made once, however many tables hold it."""

    predictions: Predictions
    plan: Plan
    _made: dict[Pair, Difference] = field(default_factory=dict)

    def per_task(self, last: str | None) -> dict[str, Any]:
        """The last stage against the base, and against the single-task models, by task."""
        found: dict[str, dict[str, Any]] = {task: {} for task in self.plan.metrics}
        if last is None:
            return found
        for name, folder in (("base_to_last", BASE), ("single_to_last", SINGLE)):
            for (task, _, _), tested in self._table((t, folder, last) for t in self.plan.metrics):
                found[task][name] = tested
        return found

    def stage_to_stage(self, stages: Sequence[str]) -> dict[str, Any]:
        """Each row of the matrix against the row before it, by task: a list in their order.

        A row that did not evaluate the task is passed over, so that what happened meanwhile is not
        lost; `from` and `to` say which rows were compared.
        """
        rows = [BASE, *stages]
        pairs: list[Pair] = []
        for task in self.plan.metrics:
            there = [row for row in rows if self.predictions.get(row, {}).get(task)]
            pairs += [(task, before, after) for before, after in pairwise(there)]
        return self._by_task(pairs)

    def since_learned(self, stages: Sequence[str]) -> dict[str, Any]:
        """The last stage against the last one that trained the task, for tasks that it does not.

        What was taught before the run is compared with where the run began.
        """
        if not stages:
            return {}
        last_of = dict.fromkeys(self.plan.before, BASE)
        last_of |= {task: stage for stage in stages for task in self.plan.learned[stage]}
        pairs = [(t, stage, stages[-1]) for t, stage in last_of.items() if stage != stages[-1]]
        return {task: tested[0] for task, tested in self._by_task(pairs).items()}

    def _by_task(self, pairs: Iterable[Pair]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for (task, before, after), tested in self._table(pairs):
            found.setdefault(task, []).append({"from": before, "to": after, **tested})
        return found

    def _table(self, pairs: Iterable[Pair]) -> list[tuple[Pair, dict[str, Any]]]:
        """What was evaluated on both sides, with Holm's correction over all of it."""
        there = [pair for pair in pairs if self._evaluated(pair)]
        results = [self._test(pair) for pair in there]
        adjusted = holm([result.p for result in results])
        return [
            (pair, _json(result, p_holm))
            for pair, result, p_holm in zip(there, results, adjusted, strict=True)
        ]

    def _evaluated(self, pair: Pair) -> bool:
        task, *folders = pair
        return all(self.predictions.get(folder, {}).get(task) for folder in folders)

    def _test(self, pair: Pair) -> Difference:
        if pair not in self._made:
            task, before, after = pair
            first, second = self.predictions[before][task], self.predictions[after][task]
            metric, resampling = self.plan.metrics[task], self.plan.resampling
            self._made[pair] = difference(first, second, metric, resampling)
        return self._made[pair]


def _json(result: Difference, p_holm: float) -> dict[str, Any]:
    kept = {
        k: v for k, v in asdict(result).items() if v is not None and k not in ("first", "second")
    }
    return {**kept, "low": result.low, "high": result.high, "p_holm": p_holm}
