"""The forward and backward passes of one step, microbatch by microbatch."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.gradients import Ledger, Span, Spans
from madrigal.gradients.gramian import HALVES
from madrigal.model.head import nothing_around
from madrigal.model.language_model import LanguageModel
from madrigal.objectives.base import Objective, Outputs
from madrigal.training.chance import seed_pass
from madrigal.training.layout import Microbatch, Placed, collate, share_out
from madrigal.training.lockstep import empty_pass
from madrigal.training.processes import Processes


@dataclass(frozen=True, slots=True)
class Passes:
    """The microbatches of one step, and what runs them. `scales` multiply the tasks' summed losses
    before the backward pass."""

    model: LanguageModel
    objectives: Mapping[str, Objective]
    groups: Sequence[Sequence[Placed]]
    pad: int
    chance: tuple[int, str, int]  # seed, stage, step
    processes: Processes

    def own(self) -> list[int]:
        """Numbers of the microbatches that this process takes."""
        return share_out(self.groups, self.processes.count)[self.processes.index]

    def idle(self) -> int:
        """How many passes of others this process has to take part in beside its own."""
        if self.model.shards is None:
            return 0
        taken = [len(own) for own in share_out(self.groups, self.processes.count)]
        return max(taken) - taken[self.processes.index]

    def batch(self, index: int) -> Microbatch:
        """Tensors of one microbatch, with its chance set."""
        batch = collate(self.groups[index], self.pad, self.model.device)
        seed_pass(*self.chance, index)
        return batch

    def run(self, scales: Mapping[str, float]) -> dict[str, float]:
        """Add the gradient of the scaled sum of losses up; each task's summed loss here."""
        sums = dict.fromkeys(scales, 0.0)
        for index in self.own():
            losses = self.losses(self.batch(index))
            torch.stack([scales[task] * loss for task, loss in losses.items()]).sum().backward()
            for task, loss in losses.items():
                sums[task] += float(loss.detach())
        for _ in range(self.idle()):
            empty_pass(self.model, backward=True)
        return sums

    def run_split(self, ledger: Ledger, order: Mapping[str, int]) -> dict[str, float]:
        """Add every task's own gradient up in the ledger; each task's summed loss here.

        Row 2k + h of the ledger gets half h of the task whose place in `order` is k.
        """
        sums = dict.fromkeys((task for g in self.groups for task in (e.task for e in g)), 0.0)
        for index in self.own():
            batch = self.batch(index)
            # The spans stay known in the backward pass: checkpointing runs layers again there.
            with ledger.following(row_spans(batch, order)):
                losses = self.losses(batch, head_spans(batch, order, ledger))
                torch.stack(list(losses.values())).sum().backward()
            for task, loss in losses.items():
                sums[task] += float(loss.detach())
        with ledger.following(Spans(1, ())):  # one unit, of no task
            for _ in range(self.idle()):
                empty_pass(self.model, backward=True)
        return sums

    @torch.no_grad()
    def look(self, tasks: Sequence[str]) -> dict[str, float]:
        """Each task's summed loss here, without gradients: what the step's examples cost now."""
        sums = dict.fromkeys(tasks, 0.0)
        for index in self.own():
            for task, loss in self.losses(self.batch(index)).items():
                sums[task] += float(loss)
        for _ in range(self.idle()):
            empty_pass(self.model)
        return sums

    def losses(
        self,
        batch: Microbatch,
        around: Callable[[int, int], AbstractContextManager[object]] = nothing_around,
    ) -> dict[str, Tensor]:
        """One forward pass; the unnormalised loss of each task in the microbatch."""
        model = self.model
        needs = {need for s in batch.segments for need in self.objectives[s.task].needs}
        whose = [segment.task for segment in batch.segments for _ in segment.rows]
        with model.routed(whose), model.autocast():
            states = model.states(batch.tokens)
            picked = states.reshape(-1, states.shape[-1])[batch.state_index]
            logps, means = model.logps(
                picked, batch.targets, "mean_logps" in needs, around, batch.trained_by_row()
            )
        losses = {}
        for segment in batch.segments:
            span = slice(segment.first_position, segment.last_position)
            outputs = Outputs(batch.row[span], logps[span], None if means is None else means[span])
            losses[segment.task] = self.objectives[segment.task].loss(segment.rows, outputs)
        return losses


def per_unit(
    passes: Passes, sums: Mapping[str, float], totals: Mapping[str, float]
) -> Float[Tensor, " K"]:
    """Summed losses of this process's part, over all processes and by unit; tasks as in totals."""
    summed = torch.tensor([sums.get(task, 0.0) for task in totals], dtype=torch.float64)
    held = summed.to(passes.model.device, torch.float32)
    passes.processes.sum_([held])
    return (held.double().cpu() / torch.tensor(list(totals.values()), dtype=torch.float64)).float()


def row_spans(batch: Microbatch, order: Mapping[str, int]) -> Spans:
    """Which rows of the batch go to which row of the ledger."""
    return Spans(
        batch.tokens.shape[0],
        tuple(Span(HALVES * order[s.task] + s.half, *s.rows) for s in batch.shares),
    )


def head_spans(
    batch: Microbatch, order: Mapping[str, int], ledger: Ledger
) -> Callable[[int, int], AbstractContextManager[object]]:
    """The same for the head, which sees only some of the trained positions at a time."""
    whole = Spans(
        len(batch.targets),
        tuple(Span(HALVES * order[s.task] + s.half, *s.positions) for s in batch.shares),
    )
    return lambda first, last: ledger.following(whole.cut(first, last))
