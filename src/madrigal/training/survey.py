"""What objectives find out about a whole step before its passes; see `objectives.Surveys`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.model.language_model import LanguageModel
from madrigal.objectives.base import Objective, Outputs, Surveys
from madrigal.retention import Teacher
from madrigal.tasks.encoded import Encoded
from madrigal.training.layout import Microbatch, collate, lay_out, share_out
from madrigal.training.placed import Placed, placed_rows
from madrigal.training.processes import Processes


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
    def _ask(self, task: str, objective: Surveys, rows: Sequence[Encoded]) -> Float[Tensor, " S"]:
        model = self.model
        modes = [(module, module.training) for module in model.network.modules()]
        model.network.eval()
        try:
            # A process without a row of its own adds zeros, as many as there are sums.
            total = objective.survey((), _nothing(model))
            for held, said in self._said(task, rows):
                total = total + objective.survey(held, said)
        finally:
            for module, training in modes:
                module.training = training
        if model.shards is None:
            self.processes.sum_([total])
        return total

    def _said(self, task: str, rows: Sequence[Encoded]) -> Iterator[tuple[list[Encoded], Outputs]]:
        """Rows, with what the reference says of them, and what the model says."""
        if not rows:
            return
        placed = [placed_rows(task, (row,), 0, False) for row in rows]
        groups = lay_out(placed, {task: 0}, self.microbatch_tokens, self.processes.count)
        for index in self._own(groups):
            batch = collate(groups[index], self.pad, self.model.device)
            held = [row for example in groups[index] for row in example.rows]
            if self.reference is not None:
                with self.reference.speaking():
                    sums = _sums(batch, self._logps(task, batch))
                held = [_noted(row, x) for row, x in zip(held, sums.tolist(), strict=True)]
            yield held, Outputs(batch.row, self._logps(task, batch))

    def _own(self, groups: Sequence[Sequence[Placed]]) -> Sequence[int]:
        # Where the base is shared out all processes make the same passes.
        if self.model.shards is not None:
            return range(len(groups))
        return share_out(groups, self.processes.count)[self.processes.index]

    def _logps(self, task: str, batch: Microbatch) -> Float[Tensor, " N"]:
        with self.model.routed(task), self.model.autocast():
            states = self.model.states(batch.tokens)
            picked = states.reshape(-1, states.shape[-1])[batch.state_index]
            return self.model.logps(picked, batch.targets, counts=batch.trained)[0]


def _nothing(model: LanguageModel) -> Outputs:
    return Outputs(
        torch.zeros(0, dtype=torch.int64, device=model.device),
        torch.zeros(0, device=model.device),
    )


def _sums(batch: Microbatch, logps: Float[Tensor, " N"]) -> Float[Tensor, " R"]:
    return logps.new_zeros(len(batch.trained)).index_add(0, batch.row, logps)


def _noted(row: Encoded, value: float) -> Encoded:
    assert row.judged is not None
    return replace(row, judged=replace(row.judged, reference=value))
