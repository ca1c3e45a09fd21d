"""What objectives find out about a whole step before its passes; see `objectives.Surveys`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.model.language_model import LanguageModel
from madrigal.model.score import width_of
from madrigal.objectives.base import Meets, Met, Objective, Outputs, Pool, Scored, Surveys
from madrigal.retention import Teacher
from madrigal.tasks.encoded import Encoded
from madrigal.training.layout import Microbatch, collate, lay_out, share_out
from madrigal.training.passes import at_ends
from madrigal.training.placed import Placed, placed_rows
from madrigal.training.processes import Processes
from madrigal.training.row_states import row_states

_LEAST = 2  # rows of a task that have a spread


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Asks a model what objectives want to know. `reference` is the model before the stage, for
    objectives that compare with it."""

    model: LanguageModel
    objectives: Mapping[str, Objective]
    microbatch_tokens: int
    pad: int
    processes: Processes
    reference: Teacher | None = None

    def ask(self, placed: Sequence[Placed]) -> dict[str, Float[Tensor, " S"]]:
        """The surveys of a step's tasks, summed over all of their rows and all processes.

        Without dropout, so that nothing depends on how rows are laid out.
        """
        found = {}
        for task, objective in self.objectives.items():
            if isinstance(objective, Surveys):
                examples = [one.rows for one in placed if one.task == task]
                if examples:
                    rows = objective.survey_rows(examples, self.model.context)
                    found[task] = self._ask(task, objective, rows)
        return found

    @torch.no_grad()
    def meet(self, placed: Sequence[Placed]) -> dict[str, Met]:
        """The states of all rows of a step, by the tasks whose objectives compare them."""
        found: dict[str, Met] = {}
        seen: dict[tuple[str, Pool], Tensor] = {}
        for task, objective in self.objectives.items():
            if not isinstance(objective, Meets):
                continue
            sides = [[row for one in placed if one.task == t for row in one.rows]
                     for t in (task, objective.to)]  # fmt: skip
            if min(map(len, sides)) < _LEAST:
                continue
            for of, rows in zip((task, objective.to), sides, strict=True):
                if (of, objective.pool) not in seen:
                    seen[of, objective.pool] = self._states(of, rows, objective.pool)
            own, other = seen[task, objective.pool], seen[objective.to, objective.pool]
            found[task] = Met(own, other, objective.count(sides[0]) or 1.0)
        return found

    def _states(self, task: str, rows: Sequence[Encoded], pool: Pool) -> Float[Tensor, "R D"]:
        """What stands for each row, over all processes; without dropout."""
        model = self.model
        placed = [Placed(task, (row,)) for row in rows]  # one row may be drawn twice
        numbers = {id(one): number for number, one in enumerate(placed)}
        groups = lay_out(placed, {task: 0}, self.microbatch_tokens, self.processes.count)
        total: Tensor | None = None
        with _at_rest(model):
            for index in self._own(groups):
                batch = collate(groups[index], self.pad, model.device)
                with model.routed(task), model.autocast():
                    states = model.states(batch.tokens)
                told = row_states(states, batch, batch.segments[0], pool)
                total = told.new_zeros(len(rows), told.shape[1]) if total is None else total
                total[[numbers[id(one)] for one in groups[index]]] = told
        if total is None:  # no pass fell to this process
            total = torch.zeros(len(rows), width_of(model.causal), device=model.device)
        if model.shards is None:
            self.processes.sum_([total])
        return total

    @torch.no_grad()
    def _ask(self, task: str, objective: Surveys, rows: Sequence[Encoded]) -> Float[Tensor, " S"]:
        model = self.model
        # A process without a row of its own adds zeros, as many as there are sums.
        total = objective.survey((), _nothing(model, objective))
        if not rows:
            return total
        with _at_rest(model):
            for held, said in self._said(task, rows):
                total = total + objective.survey(held, said)
        if model.shards is None:
            self.processes.sum_([total])
        return total

    def _said(self, task: str, rows: Sequence[Encoded]) -> Iterator[tuple[list[Encoded], Outputs]]:
        """Rows, with what the reference says of them, and what the model says."""
        placed = [placed_rows(task, some, 0, False) for some in _unparted(rows)]
        groups = lay_out(placed, {task: 0}, self.microbatch_tokens, self.processes.count)
        for index in self._own(groups):
            batch = collate(groups[index], self.pad, self.model.device)
            held = [row for example in groups[index] for row in example.rows]
            if self.reference is not None and "reference" in self.objectives[task].needs:
                with self.reference.speaking():
                    sums = _sums(batch, self._outputs(task, batch).logps)
                held = [_noted(row, x) for row, x in zip(held, sums.tolist(), strict=True)]
            yield held, self._outputs(task, batch)

    def _own(self, groups: Sequence[Sequence[Placed]]) -> Sequence[int]:
        # Where the base is shared out all processes make the same passes.
        if self.model.shards is not None:
            return range(len(groups))
        return share_out(groups, self.processes.count)[self.processes.index]

    def _outputs(self, task: str, batch: Microbatch) -> Outputs:
        needs = self.objectives[task].needs
        with self.model.routed(task), self.model.autocast():
            states = self.model.states(batch.tokens)
            logps = states.new_zeros(len(batch.targets), dtype=torch.float32)
            if needs != {"scores"}:
                picked = states.reshape(-1, states.shape[-1])[batch.state_index]
                logps, _ = self.model.logps(picked, batch.targets, counts=batch.trained)
            scored = "scores" in needs
            scores = self.model.scores(task, at_ends(states, batch)) if scored else None
        return Outputs(batch.row, logps, scores=scores)


@contextmanager
def _at_rest(model: LanguageModel) -> Iterator[None]:
    """Inside, nothing is dropped out."""
    modes = [(module, module.training) for module in model.network.modules()]
    model.network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _unparted(rows: Sequence[Encoded]) -> list[tuple[Encoded, ...]]:
    """Rows as examples, whose answers are compared with each other: a place that does not go up
    begins the next one."""
    found: list[list[Encoded]] = []
    before = 0
    for row in rows:
        place = 0 if row.judged is None else row.judged.place
        if place <= before or not found:
            found.append([])
        found[-1].append(row)
        before = place
    return [tuple(some) for some in found]


def _nothing(model: LanguageModel, objective: object) -> Outputs:
    scored = isinstance(objective, Scored)
    return Outputs(
        torch.zeros(0, dtype=torch.int64, device=model.device),
        torch.zeros(0, device=model.device),
        scores=torch.zeros(0, objective.heads, device=model.device) if scored else None,
    )


def _sums(batch: Microbatch, logps: Float[Tensor, " N"]) -> Float[Tensor, " R"]:
    return logps.new_zeros(len(batch.trained)).index_add(0, batch.row, logps)


def _noted(row: Encoded, value: float) -> Encoded:
    assert row.judged is not None
    return replace(row, judged=replace(row.judged, reference=value))
