"""One optimiser step: one forward and one backward pass a microbatch, every task in it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from madrigal.balancing.base import Balancer, StepView
from madrigal.model.language_model import LanguageModel
from madrigal.objectives.base import Objective, Outputs
from madrigal.tasks.encoded import Example
from madrigal.training.chance import seed_pass
from madrigal.training.layout import Microbatch, Placed, collate, lay_out, share_out
from madrigal.training.processes import Processes
from madrigal.training.pull import Pull


@dataclass(frozen=True, slots=True)
class StepParts:
    """What every step of a stage works with; nothing here changes but the balancer's own state."""

    model: LanguageModel
    objectives: Mapping[str, Objective]
    balancer: Balancer
    task_weights: Mapping[str, float]
    microbatch_tokens: int
    pad: int
    stage: str
    seed: int
    processes: Processes
    pull: Pull


@dataclass(frozen=True, slots=True)
class Gradient:
    """What a step leaves beside `parameter.grad`."""

    loss: Mapping[str, float]  # nats per unit, over all processes
    weight: Mapping[str, float]
    tokens: Mapping[str, int]
    rows: Mapping[str, int]
    padded_tokens: int
    terms: Mapping[str, float]
    seconds: float


def place(parts: StepParts, drawn: Sequence[tuple[str, Example]]) -> list[Placed]:
    """The rows that each drawn example needs under its task's objective."""
    return [Placed(task, parts.objectives[task].encode_rows(example)) for task, example in drawn]


def _per_task(placed: Sequence[Placed]) -> dict[str, list[Placed]]:
    tasks: dict[str, list[Placed]] = {}
    for example in placed:
        tasks.setdefault(example.task, []).append(example)
    return tasks


def _view(parts: StepParts, tasks: Mapping[str, Sequence[Placed]]) -> StepView:
    return StepView(
        tasks=tuple(tasks),
        rows=torch.tensor([float(len(examples)) for examples in tasks.values()]),
        task_weights=torch.tensor([parts.task_weights[task] for task in tasks]),
    )


def _losses(parts: StepParts, batch: Microbatch) -> dict[str, Tensor]:
    """One forward pass; the unnormalised loss of each task in the microbatch."""
    model = parts.model
    needs = {need for s in batch.segments for need in parts.objectives[s.task].needs}
    with model.autocast():
        states = model.states(batch.tokens)
        picked = states.reshape(-1, states.shape[-1])[batch.state_index]
        logps, means = model.logps(picked, batch.targets, "mean_logps" in needs)
    losses = {}
    for segment in batch.segments:
        span = slice(segment.first_position, segment.last_position)
        outputs = Outputs(batch.row[span], logps[span], None if means is None else means[span])
        losses[segment.task] = parts.objectives[segment.task].loss(segment.rows, outputs)
    return losses


def compute_gradient(parts: StepParts, step: int, drawn: Sequence[tuple[str, Example]]) -> Gradient:
    """Fill `parameter.grad` with the gradient of the weighted sum of the tasks' mean losses.

    The loss is sum_k w_k S_k / N_k: S_k is task k's summed loss and N_k its count of units, both
    over the whole step, all microbatches and all processes, and w_k the balancer's weight. N_k
    follows from the schedule, which every process knows, so it is there before the first forward.
    """
    began = time.perf_counter()
    placed = place(parts, drawn)
    tasks = _per_task(placed)
    # Rows without a trained token cost nothing, and nothing by nothing is nothing.
    counts = {
        task: parts.objectives[task].count([row for e in examples for row in e.rows]) or 1.0
        for task, examples in tasks.items()
    }
    view = _view(parts, tasks)
    weights = dict(zip(view.tasks, parts.balancer.weights(view).tolist(), strict=True))
    groups = lay_out(
        placed,
        {task: order for order, task in enumerate(tasks)},
        parts.microbatch_tokens,
        parts.processes.count,
    )
    sums = dict.fromkeys(tasks, 0.0)
    for index in share_out(groups, parts.processes.count)[parts.processes.index]:
        batch = collate(groups[index], parts.pad, parts.model.device)
        seed_pass(parts.seed, parts.stage, step, index)
        losses = _losses(parts, batch)
        total = torch.stack([weights[task] / counts[task] * s for task, s in losses.items()]).sum()
        total.backward()
        for task, loss in losses.items():
            sums[task] += float(loss.detach())
    loss = _reduced(parts, sums, counts)
    terms = parts.pull.add_gradient(weights)
    return Gradient(
        loss=loss,
        weight=weights,
        tokens={
            t: sum(r.length for e in examples for r in e.rows) for t, examples in tasks.items()
        },
        rows={task: len(examples) for task, examples in tasks.items()},
        padded_tokens=sum(max(e.width for e in g) * sum(len(e.rows) for e in g) for g in groups),
        terms=terms,
        seconds=time.perf_counter() - began,
    )


def _reduced(
    parts: StepParts, sums: Mapping[str, float], counts: Mapping[str, float]
) -> dict[str, float]:
    """Sum losses and gradients over processes; the losses per unit."""
    summed = torch.tensor(list(sums.values()), device=parts.model.device)
    parts.processes.sum_([summed])
    parts.processes.sum_gradients(parameter for _, parameter in parts.model.trainable())
    return {task: value / counts[task] for task, value in zip(sums, summed.tolist(), strict=True)}
