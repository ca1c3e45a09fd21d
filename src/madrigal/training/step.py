"""One optimiser step: one forward and one backward pass a microbatch, every task in it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Balancer, StepView
from madrigal.gradients.conflict import Conflict
from madrigal.model.language_model import LanguageModel
from madrigal.objectives.base import Objective
from madrigal.retention import Distillation, Said, StepTerm, Teacher, Term
from madrigal.tasks.encoded import Example
from madrigal.training.halves import halves, unevenly_cut
from madrigal.training.layout import lay_out
from madrigal.training.passes import Passes, Sums, per_unit
from madrigal.training.placed import Placed, placed_rows
from madrigal.training.processes import Processes
from madrigal.training.record import StepRecord
from madrigal.training.split import Split
from madrigal.training.survey import Surveyor


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
    terms: tuple[Term, ...] = ()  # beside the tasks' losses, in this order
    split: Split | None = None  # where gradients can be had by task
    distillation: Distillation | None = None
    on_policy: StepTerm | None = None
    reference: Teacher | None = (
        None  # the model before the stage, for objectives that survey a step
    )
    share_prompts: bool = False  # answers to one prompt go into one row
    protected: frozenset[str] = frozenset()  # replayed tasks, for balancers that guard them
    guards: str = ""  # the kind of the balancer, where it does so


@dataclass(frozen=True, slots=True)
class Gradient:
    """What a step leaves beside `parameter.grad`."""

    loss: Mapping[str, float]  # nats per unit, over all processes
    weight: Mapping[str, float]
    tokens: Mapping[str, int]
    rows: Mapping[str, int]
    padded_tokens: int
    terms: Mapping[str, float]
    retention_seconds: Mapping[str, float]  # by term, of `seconds`
    said: Said | None  # what the model said itself, where it is trained on that
    seconds: float
    view: StepView  # what the balancer saw, with the losses
    passes: Passes
    totals: Mapping[str, float]  # N_k
    conflict: Conflict | None = None

    def losses_now(self) -> Float[Tensor, " K"]:
        """The losses of the same examples with the weights as they are now, same dropout."""
        return per_unit(self.passes, self.passes.look(self.view.tasks), self.totals)


def record_of(
    step: int, gradient: Gradient, norm: float, rate: float, seconds: float, finite: bool
) -> StepRecord:
    """What is told of a step, from 1; `norm` is that of the gradient before it was clipped."""
    return StepRecord(
        step=step,
        loss=gradient.loss,
        weight=gradient.weight,
        tokens=gradient.tokens,
        rows=gradient.rows,
        grad_norm=norm,
        learning_rate=rate,
        seconds=seconds,
        padded_tokens=gradient.padded_tokens,
        terms=gradient.terms,
        retention_seconds=gradient.retention_seconds,
        said_tokens=gradient.said.tokens if gradient.said else {},
        conflict=gradient.conflict,
        skipped="" if finite else "non-finite loss or gradient",
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """The examples of one step by task, with the tasks' counts of units."""

    number: int
    tasks: Mapping[str, Sequence[Placed]]
    counts: Mapping[str, tuple[float, float]]  # of the two halves

    def total(self, task: str) -> float:
        """N_k. Rows without a trained token cost nothing, and nothing by nothing is nothing."""
        return sum(self.counts[task]) or 1.0


def place(
    parts: StepParts, drawn: Sequence[tuple[str, Example]], halved: Sequence[int] | None = None
) -> list[Placed]:
    """The rows that each drawn example needs under its task's objective, and its half."""
    where = [0] * len(drawn) if halved is None else halved
    return [
        placed_rows(task, parts.objectives[task].encode_rows(example), half, parts.share_prompts)
        for (task, example), half in zip(drawn, where, strict=True)
    ]


def _by_task(parts: StepParts, number: int, placed: Sequence[Placed]) -> _Step:
    present = {example.task for example in placed}
    tasks: dict[str, list[Placed]] = {t: [] for t in parts.objectives if t in present}
    for example in placed:
        tasks[example.task].append(example)

    def count(task: str, half: int) -> float:
        rows = [row for e in tasks[task] if e.half == half for row in e.rows]
        return parts.objectives[task].count(rows) if rows else 0.0

    return _Step(number, tasks, {task: (count(task, 0), count(task, 1)) for task in tasks})


def _view(parts: StepParts, step: _Step) -> StepView:
    return StepView(
        tasks=tuple(step.tasks),
        rows=torch.tensor([float(len(examples)) for examples in step.tasks.values()]),
        task_weights=torch.tensor([parts.task_weights[task] for task in step.tasks]),
        step=step.number,
        seed=parts.seed,
        protected=tuple(task in parts.protected for task in step.tasks),
    )


def compute_gradient(
    parts: StepParts,
    step: int,
    drawn: Sequence[tuple[str, Example]],
    metric: Float[Tensor, " P"] | None = None,
    strata: Sequence[str] | None = None,
) -> Gradient:
    """Fill `parameter.grad` with the gradient of the weighted sum of the tasks' mean losses.

    The loss is sum_k w_k S_k / N_k: S_k is task k's summed loss and N_k its count of units, both
    over the whole step, all microbatches and all processes, and w_k the balancer's weight. N_k
    follows from the schedule, which every process knows, so it is there before the first forward.
    Where the weights need the losses or the gradients of this very step, these are gathered by
    task in the backward pass, and weighted when it is over. `metric` is the diagonal that the
    Gramian is taken in, `strata` what the examples were drawn evenly over, if anything.
    """
    began, split = time.perf_counter(), parts.split
    measured = split is not None and split.measures(step)
    tasks = [task for task, _ in drawn]
    halved = halves(tasks, strata, parts.seed, parts.stage, step) if measured else None
    placed = place(parts, drawn, halved)
    at = _by_task(parts, step, placed)
    passes = _passes(parts, step, placed)
    view, conflict, weighing = _view(parts, at), None, 0.0
    totals = {task: at.total(task) for task in at.tasks}
    if split is not None and (measured or parts.balancer.needs != "nothing"):
        sums = split.gather(passes)
        view = replace(view, losses=per_unit(passes, sums.own, totals))
        since = time.perf_counter()
        view, weights, conflict = split.weigh(parts.balancer, view, at.counts, metric, measured)
        weighing = time.perf_counter() - since  # and not the gathering, which is in the pass
        if conflict is not None:
            conflict = conflict.without_signal(unevenly_cut(tasks, strata))
    else:
        weights = _known(parts, view)
        sums = passes.run({task: weights[task] / totals[task] for task in totals})
        view = replace(view, losses=per_unit(passes, sums.own, totals))
        parts.processes.sum_gradients(parameter for _, parameter in parts.model.reached(totals))
    assert view.losses is not None
    terms, spent = _add_terms(parts, passes, sums, weights, totals)
    if parts.guards and not parts.protected.isdisjoint(totals):
        spent[parts.guards] = weighing
    said = _add_on_policy(parts.on_policy, step, drawn, weights, (terms, spent))
    return Gradient(
        loss=dict(zip(view.tasks, view.losses.tolist(), strict=True)),
        weight=weights,
        tokens={t: sum(e.tokens for e in examples) for t, examples in at.tasks.items()},
        rows={task: len(examples) for task, examples in at.tasks.items()},
        padded_tokens=sum(max(e.width for e in g) * sum(e.lines for e in g) for g in passes.groups),
        terms=terms,
        retention_seconds=spent,
        said=said,
        seconds=time.perf_counter() - began,
        view=view,
        passes=passes,
        totals=totals,
        conflict=conflict,
    )


def _add_terms(
    parts: StepParts,
    passes: Passes,
    sums: Sums,
    weights: Mapping[str, float],
    totals: Mapping[str, float],
) -> tuple[dict[str, float], dict[str, float]]:
    """Add the gradients of what belongs to no task; values by term, and seconds by term.

    Distillation is in the gradient already. Its value is that of the loss it added, its seconds
    are those of asking the teacher here.
    """
    values: dict[str, float] = {}
    spent: dict[str, float] = {}
    if parts.distillation is not None:
        taught = per_unit(passes, sums.taught, totals)
        whole = torch.tensor([weights[task] for task in totals]) @ taught
        values["distill"], spent["distill"] = float(whole), sums.seconds
    for term in parts.terms:
        began = time.perf_counter()
        value = term.add_gradient(weights)
        if value is not None:
            values[term.name] = value
            spent[term.name] = time.perf_counter() - began
    return values, spent


def _add_on_policy(
    term: StepTerm | None,
    step: int,
    drawn: Sequence[tuple[str, Example]],
    weights: Mapping[str, float],
    noted: tuple[dict[str, float], dict[str, float]],
) -> Said | None:
    """Add the gradient of what the model says itself; its value and seconds are noted."""
    if term is None:
        return None
    began = time.perf_counter()
    said = term.add_gradient(step, [example for _, example in drawn], weights)
    if said is not None:
        noted[0][term.name] = said.value
        noted[1][term.name] = time.perf_counter() - began
    return said


def verify_split(parts: StepParts, step: int, drawn: Sequence[tuple[str, Example]]) -> None:
    """Check that gradients split by task add up to autograd's own, on some of a step's examples."""
    if parts.split is not None:
        parts.split.verify(_passes(parts, step, place(parts, drawn)))


def losses_of(
    parts: StepParts, step: int, drawn: Sequence[tuple[str, Example]]
) -> dict[str, float]:
    """Losses per unit of some examples as the model is, without dropout or gradients."""
    at = _by_task(parts, step, place(parts, drawn))
    passes = _passes(parts, step, [example for some in at.tasks.values() for example in some])
    totals = {task: at.total(task) for task in at.tasks}
    training = parts.model.network.training
    parts.model.network.eval()
    found = per_unit(passes, passes.look(tuple(totals)), totals)
    parts.model.network.train(training)
    return dict(zip(totals, found.tolist(), strict=True))


def _passes(parts: StepParts, step: int, placed: Sequence[Placed]) -> Passes:
    order = {task: number for number, task in enumerate(parts.objectives)}
    return Passes(
        model=parts.model,
        objectives=parts.objectives,
        groups=lay_out(placed, order, parts.microbatch_tokens, parts.processes.count),
        pad=parts.pad,
        chance=(parts.seed, parts.stage, step),
        processes=parts.processes,
        distillation=parts.distillation,
        surveys=surveyor(parts).ask(placed),
        met=surveyor(parts).meet(placed),
    )


def surveyor(parts: StepParts) -> Surveyor:
    """What looks at all examples of a step before its passes."""
    return Surveyor(
        parts.model,
        parts.objectives,
        parts.microbatch_tokens,
        parts.pad,
        parts.processes,
        parts.reference,
    )


def _known(parts: StepParts, view: StepView) -> dict[str, float]:
    assert parts.balancer.needs == "nothing", "this balancer needs per-task gradients"
    return dict(zip(view.tasks, parts.balancer.weights(view).tolist(), strict=True))
