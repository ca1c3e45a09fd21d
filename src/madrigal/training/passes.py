"""The forward and backward passes of one step, microbatch by microbatch."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.gradients import Ledger, Spans
from madrigal.model.head import Around, nothing_around
from madrigal.model.language_model import LanguageModel
from madrigal.objectives.base import Meets, Met, Objective, Outputs, Tempered
from madrigal.retention import Distillation
from madrigal.training.batch_spans import end_spans, head_spans, row_spans
from madrigal.training.chance import seed_pass
from madrigal.training.kept import kept_of
from madrigal.training.layout import Microbatch, Segment, collate, share_out
from madrigal.training.lockstep import empty_pass
from madrigal.training.placed import Placed
from madrigal.training.processes import Processes
from madrigal.training.row_states import row_states


@dataclass(frozen=True, slots=True)
class Losses:
    """Summed losses of the tasks of a microbatch: their objectives', and what distillation adds."""

    own: Mapping[str, Tensor]
    taught: Mapping[str, Tensor]  # strength times the divergence, of the tasks it is asked about
    seconds: float = 0.0  # of what distillation computed forward

    def whole(self) -> dict[str, Tensor]:
        """What is trained on."""
        return {task: loss + self.taught.get(task, 0.0) for task, loss in self.own.items()}


class Sums:
    """Losses of the passes so far in this process."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self.own = dict.fromkeys(tasks, 0.0)
        self.taught: dict[str, float] = {}
        self.seconds = 0.0  # of distillation, without the backward pass

    def add(self, losses: Losses) -> None:
        for task, loss in losses.own.items():
            self.own[task] += float(loss.detach())
        for task, loss in losses.taught.items():
            self.taught[task] = self.taught.get(task, 0.0) + float(loss.detach())
        self.seconds += losses.seconds


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
    distillation: Distillation | None = None
    surveys: Mapping[str, Tensor] = field(default_factory=dict)  # of the whole step, by task
    met: Mapping[str, Met] = field(default_factory=dict)  # of objectives that compare two tasks

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

    def tasks(self) -> list[str]:
        """Tasks of the step."""
        return list(dict.fromkeys(example.task for group in self.groups for example in group))

    def run(self, scales: Mapping[str, float]) -> Sums:
        """Add the gradient of the scaled sum of losses up; each task's summed losses here."""
        sums = Sums(scales)
        for index in self.own():
            losses = self.losses(self.batch(index))
            whole = losses.whole()
            torch.stack([scales[task] * loss for task, loss in whole.items()]).sum().backward()
            sums.add(losses)
        for _ in range(self.idle()):
            self.empty(backward=True)
        return sums

    def run_split(self, ledger: Ledger, order: Mapping[str, int]) -> Sums:
        """Add every task's own gradient up in the ledger; each task's summed losses here.

        Row 2k + h of the ledger gets half h of the task whose place in `order` is k.
        """
        sums = Sums(self.tasks())
        for index in self.own():
            batch = self.batch(index)
            # The spans stay known in the backward pass: checkpointing runs layers again there.
            with ledger.following(row_spans(batch, order)):
                around = head_spans(batch, order, ledger), end_spans(batch, order, ledger)
                losses = self.losses(batch, *around)
                torch.stack(list(losses.whole().values())).sum().backward()
            sums.add(losses)
        with ledger.following(Spans(1, ())):  # one unit, of no task
            for _ in range(self.idle()):
                self.empty(backward=True)
        return sums

    @torch.no_grad()
    def look(self, tasks: Sequence[str]) -> dict[str, float]:
        """Each task's summed loss here, without gradients: what the step's examples cost now."""
        plain = replace(self, distillation=None)
        sums = Sums(tasks)
        for index in self.own():
            sums.add(plain.losses(plain.batch(index)))
        for _ in range(self.idle()):
            plain.empty()
        return sums.own

    def losses(
        self,
        batch: Microbatch,
        around: Around = nothing_around,
        around_ends: Around = nothing_around,
    ) -> Losses:
        """One forward pass, and one of the teacher's where it is asked; the unnormalised losses of
        each task in the microbatch. The output head runs inside of `around`, given trained
        positions, and reward heads inside of `around_ends`, given rows."""
        model = self.model
        needs = {need for s in batch.segments for need in self.objectives[s.task].needs}
        whose = [share.task for share in batch.shares for _ in range(*share.lines)]
        with model.routed(whose), model.autocast():
            # The teacher speaks first: its weights must not stand where a graph has been built.
            began = time.perf_counter()
            taught = self._taught(batch)
            spent = time.perf_counter() - began
            whole = model.states(batch.tokens, batch.branches)
            states = _picked(whole, batch)
            if needs == {"scores"}:  # nobody asks the output head
                logps, means = states.new_zeros(len(states), dtype=torch.float32), None
            else:
                logps, means = model.logps(
                    states,
                    batch.targets,
                    "mean_logps" in needs,
                    around,
                    batch.trained,
                    self._temperature(batch),
                    kept_of(batch, model.vocabulary, model.device),
                )
            began = time.perf_counter()
            added = {} if taught is None else self._divergences(batch, states, taught, around)
            spent += time.perf_counter() - began
        losses = {}
        for segment in batch.segments:
            span = slice(segment.first_position, segment.last_position)
            outputs = Outputs(
                row=batch.row[span],
                logps=logps[span],
                mean_logps=None if means is None else means[span],
                scores=self._scores(segment, whole, batch, around_ends),
                values=self._values(segment, states, around),
                survey=self.surveys.get(segment.task),
                states=self._row_states(segment, whole, batch),
                met=self.met.get(segment.task),
            )
            losses[segment.task] = self.objectives[segment.task].loss(segment.rows, outputs)
        return Losses(losses, added, spent)

    def _scores(
        self, segment: Segment, states: Tensor, batch: Microbatch, around: Around
    ) -> Float[Tensor, "R H"] | None:
        """What the task's reward head says of the segment's rows, where its objective asks."""
        if "scores" not in self.objectives[segment.task].needs:
            return None
        first, last = segment.first_row, segment.first_row + len(segment.rows)
        with around(first, last):
            return self.model.scores(segment.task, at_ends(states, batch)[first:last])

    def _row_states(
        self, segment: Segment, states: Tensor, batch: Microbatch
    ) -> Float[Tensor, "R D"] | None:
        """What stands for each of the segment's rows, where its task is compared with another."""
        objective = self.objectives[segment.task]
        if segment.task not in self.met or not isinstance(objective, Meets):
            return None
        return row_states(states, batch, segment, objective.pool)

    def _values(
        self, segment: Segment, states: Tensor, around: Around
    ) -> Float[Tensor, " N"] | None:
        """What the task's critic expects at the segment's positions, where its objective asks."""
        if "values" not in self.objectives[segment.task].needs:
            return None
        first, last = segment.first_position, segment.last_position
        with around(first, last):
            return self.model.values(segment.task, states[first:last])

    def _temperature(self, batch: Microbatch) -> Float[Tensor, " N"] | None:
        """What the logits at each trained position are divided by; None where all stay."""
        found = [(_temperature(self.objectives[s.task]), s) for s in batch.segments]
        if all(temperature == 1 for temperature, _ in found):
            return None
        each = [[t] * (s.last_position - s.first_position) for t, s in found]
        return torch.tensor([t for some in each for t in some], device=self.model.device)

    def _taught(self, batch: Microbatch) -> Tensor | None:
        """The teacher's states at the trained positions, where it is asked about any."""
        asked = self.distillation
        if asked is None:
            return None
        # Where the base is shared out all processes make the same passes, whatever their rows.
        if self.model.shards is None and not asked.asks([s.task for s in batch.segments]):
            return None
        return _picked(asked.teacher.states(batch.tokens, batch.branches), batch)

    def _divergences(
        self, batch: Microbatch, states: Tensor, taught: Tensor, around: Around
    ) -> dict[str, Tensor]:
        """What distillation adds to the summed loss of each task that it is asked about.

        A row's mean divergence counts as often as the row has units, so that it is divided by the
        task's count as the loss is.
        """
        asked = self.distillation
        assert asked is not None
        found = {}
        for segment in batch.segments:
            if segment.task not in asked.tasks:
                continue
            first, last = segment.first_position, segment.last_position
            with self.model.routed(segment.task):
                nats = asked.divergence(
                    self.model,
                    states[first:last],
                    taught[first:last],
                    lambda one, end, first=first: around(first + one, first + end),
                )
            each = _units_by_token(self.objectives[segment.task], segment)
            units = torch.tensor(each, device=nats.device)[batch.row[first:last]]
            found[segment.task] = asked.strength * (nats * units).sum()
        return found

    def empty(self, backward: bool = False) -> None:
        """Take part in a pass of others."""
        if self.distillation is not None:
            with self.distillation.teacher.speaking():
                empty_pass(self.model)
        empty_pass(self.model, backward)


def _temperature(objective: Objective) -> float:
    return objective.sampling_temperature if isinstance(objective, Tempered) else 1.0


def _units_by_token(objective: Objective, segment: Segment) -> list[float]:
    """How many units a trained token of each row stands for: the units of an example are shared out
    evenly over its rows, and over the tokens of each."""
    found, begin = [], 0
    for size in segment.sizes:
        rows = segment.rows[begin : begin + size]
        share = objective.count(rows) / size
        found += [share / max(1, row.answer_tokens) for row in rows]
        begin += size
    return found


def _picked(states: Tensor, batch: Microbatch) -> Tensor:
    """States at the trained positions."""
    return states.reshape(-1, states.shape[-1])[batch.state_index]


def at_ends(states: Tensor, batch: Microbatch) -> Float[Tensor, "R D"]:
    """States at the last token of each row."""
    return states.reshape(-1, states.shape[-1])[batch.ends]


def per_unit(
    passes: Passes, sums: Mapping[str, float], totals: Mapping[str, float]
) -> Float[Tensor, " K"]:
    """Summed losses of this process's part, over all processes and by unit; tasks as in totals."""
    summed = torch.tensor([sums.get(task, 0.0) for task in totals], dtype=torch.float64)
    held = summed.to(passes.model.device, torch.float32)
    passes.processes.sum_([held])
    return (held.double().cpu() / torch.tensor(list(totals.values()), dtype=torch.float64)).float()
