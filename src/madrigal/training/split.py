"""Gradients by task in a stage: gathered, measured, weighted and mixed."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.balancing.base import Balancer, Remembers, StepView
from madrigal.errors import ModelError
from madrigal.gradients import Ledger, Taps
from madrigal.gradients.conflict import Conflict, Metric, conflict
from madrigal.gradients.gramian import HALVES, Units, row_weights, task_gramian
from madrigal.gradients.memory import Memory
from madrigal.gradients.products import PLAIN, Products
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.stage import Gradients
from madrigal.training.batch_spans import end_spans, head_spans, row_spans
from madrigal.training.passes import Passes, Sums

# How far the sum of the tasks' gradients may be from the gradient of the sum, relative to its
# norm: rounding, in the number format of the products.
_ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 5e-2}

# Of `measure_every: auto`. Before, the tasks learn what an answer looks like, and agree; so many
# steps tell of a conflict by the fiftieth, and cost a short stage little.
EARLY = range(10, 50, 3)
NOT_EARLY = range(0)
LATE_EVERY = 16
_LEDGER_BYTES = 1 << 30
_LEDGER_SHARE = 4  # of what training holds, the ledger may take one part in so many
_TRAINED_BYTES = 12  # of gradient and moments a trained parameter


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What splits the gradients of a stage by task.

    `order` holds the place of every task of the stage; `measure_every` is in steps, 0 for never,
    but until the end of `early` just the steps in it are measured; `layers` names the parameters of
    each layer group that is measured apart.
    """

    model: LanguageModel
    ledger: Ledger
    order: Mapping[str, int]
    measure_every: int
    metric: Metric
    layers: Mapping[str, frozenset[str]]
    memory: Memory | None = None  # for balancers of remembered gradients
    products: Products = PLAIN
    early: range = NOT_EARLY
    taps: Taps = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", Taps(self.model.network, self.ledger))

    def measures(self, step: int) -> bool:
        """Whether the angles between the tasks are measured at this step (from 0)."""
        return measures(step, self.measure_every, self.early)

    def gather(self, passes: Passes) -> Sums:
        """Run the step's passes into the ledger, summed over processes; the summed losses here."""
        self.ledger.clear()
        with self.taps.opened():
            sums = passes.run_split(self.ledger, self.order)
        passes.processes.sum_([self.ledger.matrix()])
        private = self.model.private
        if private is not None and not private.meet(self.order):
            passes.processes.sum_gradients(p for task in sums.own for p in private.of(task))
        if heads := self._heads(sums.own):
            passes.processes.sum_gradients(parameter for _, parameter in heads)
        return sums

    def _heads(self, tasks: Iterable[str]) -> list[tuple[str, nn.Parameter]]:
        """Parameters of the tasks' own heads that are not in the ledger, each with its task."""
        held = {id(parameter) for parameter in self.ledger.parameters.values()}
        every = ((task, p) for task in tasks for one in self._of(task) for p in one.parameters())
        return [(task, parameter) for task, parameter in every if id(parameter) not in held]

    def _of(self, task: str) -> list[nn.Linear]:
        """A task's own heads."""
        found = (self.model.reward_head(task), self.model.critic(task))
        return [head for head in found if head is not None]

    def weigh(
        self,
        balancer: Balancer,
        view: StepView,
        counts: Mapping[str, tuple[float, float]],
        metric: Float[Tensor, " P"] | None,
        measured: bool,
    ) -> tuple[StepView, dict[str, float], Conflict | None]:
        """Ask the balancer for weights and write the mixed gradient.

        Returns what the balancer saw, its weights, and the conflict where it is measured. Where
        the step is not finite the weights are not numbers either, and the step will be skipped.
        """
        units = Units(
            tuple(self.order[task] for task in view.tasks),
            torch.tensor([counts[task] for task in view.tasks], dtype=torch.float64),
        )
        assert view.losses is not None
        finite = bool(view.losses.isfinite().all())
        raw: Tensor | None = None
        if measured or balancer.needs == "gramian":
            raw = self.products.gramian(self.ledger, None, metric)
            view = replace(view, gramian=task_gramian(raw, units))
            finite = finite and bool(raw.isfinite().all())
        weights = torch.full((len(view.tasks),), math.nan)
        if self.memory is not None and finite:
            assert isinstance(balancer, Remembers)
            self.memory.update(units, balancer.factors(view), balancer.decay)
            view = replace(view, gramian=self.memory.gramian(units, metric))
            weights = balancer.weights(view)
            self.memory.write_gradient(units, weights)
        else:
            weights = balancer.weights(view) if finite else weights
            self.ledger.write_gradient(row_weights(weights, units, self.ledger.rows))
        by_task = zip(view.tasks, weights.tolist(), strict=True)
        self._weigh_own({task: w / (sum(counts[task]) or 1.0) for task, w in by_task})
        found = None
        if measured and finite and raw is not None:
            parts = {
                group: self.products.gramian(self.ledger, names, metric)
                for group, names in self.layers.items()
            }
            found = conflict(view.tasks, raw, units, self.metric, parts)
        return view, dict(zip(view.tasks, weights.tolist(), strict=True)), found

    @torch.no_grad()
    def _weigh_own(self, factors: Mapping[str, float]) -> None:
        """What autograd left at private parameters and reward heads is one task's: it is weighted
        where it is.

        Parts of groups are weighted already, by row of the ledger; those of groups without a row
        in the step must not move.
        """
        for task, weight in self._heads(factors):
            if weight.grad is not None:
                weight.grad.mul_(factors[task])
        private = self.model.private
        if private is None:
            return
        if private.meet(self.order):
            private.forget_gradients(factors)
            return
        private.scale_gradients(factors)

    def verify(self, passes: Passes) -> None:
        """Compare the ledger with plain autograd on this process's first microbatch.

        Raises:
            ModelError: a layer computes otherwise than the one that splits its gradient; by name.
        """
        own = passes.own()
        network, ledger = self.model.network, self.ledger
        if not own:
            if self.model.shards is not None:  # the passes of those that compare need its parts
                for _ in range(2):
                    passes.empty(backward=True)
                network.zero_grad(set_to_none=True)
            return
        batch = passes.batch(own[0])
        torch.stack(list(passes.losses(batch).whole().values())).sum().backward()
        expected = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in ledger.parameters.items()
        }
        network.zero_grad(set_to_none=True)
        ledger.clear()
        batch = passes.batch(own[0])
        with self.taps.opened(), ledger.following(row_spans(batch, self.order)):
            around = head_spans(batch, self.order, ledger), end_spans(batch, self.order, ledger)
            losses = passes.losses(batch, *around)
            torch.stack(list(losses.whole().values())).sum().backward()
        network.zero_grad(set_to_none=True)
        whole = math.sqrt(sum(float(g.float().square().sum()) for g in expected.values()))
        for name, summed in ledger.sums().items():
            away = float((summed - expected[name].float()).norm())
            if away > _ROUNDING[self.model.precision] * whole:
                raise ModelError(
                    f"balance: the gradient of {name}, split by task, is not that of autograd "
                    f"({away / whole:.1%} off); choose a balancer that needs no per-task gradients"
                )


def measure_every(
    settings: Gradients, parameters: Mapping[str, nn.Parameter], model: LanguageModel, tasks: int
) -> int:
    """Steps between measurements, after the early ones of `early_steps`; 0 for never.

    `auto` measures nothing where the ledger would take more than a gigabyte and more than a quarter
    of what training holds anyway: weights, gradients and moments. That follows from the recipe
    alone, so it is the same in every process and on every machine.
    """
    if tasks < 2:
        return 0
    if settings.measure_every != "auto":
        return settings.measure_every
    ledger = 4 * HALVES * tasks * sum(p.numel() for p in parameters.values())
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    held = weights + _TRAINED_BYTES * model.parameter_counts()[1]
    return LATE_EVERY if ledger <= max(_LEDGER_BYTES, held // _LEDGER_SHARE) else 0


def measures(step: int, every: int, early: range) -> bool:
    """Whether a step (from 0) is measured: a function of the step alone, so resumed runs agree."""
    if every == 0:
        return False
    return step in early if step < early.stop else step % every == 0


def early_steps(settings: Gradients) -> range:
    """Which of the first steps of a stage are measured: a conflict shall be found early."""
    return EARLY if settings.measure_every == "auto" else NOT_EARLY


def layer_groups(names: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Parameters by transformer block (`block 0`, ...), and `other` for those in none."""
    groups: dict[str, set[str]] = {}
    for name in names:
        found = re.search(r"\.(?:layers|h|blocks|layer)\.(\d+)\.", name)
        groups.setdefault(f"block {found[1]}" if found else "other", set()).add(name)
    return {name: frozenset(members) for name, members in groups.items()}
