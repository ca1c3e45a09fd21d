"""The diagonal of the Fisher information of what a stage has learnt."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.errors import RetentionError
from madrigal.gradients import Ledger, per_task, uncovered
from madrigal.model.head import Around
from madrigal.tasks.encoded import Example
from madrigal.training.by_example import Changed, one_at_a_time, split_by_example
from madrigal.training.chance import derive
from madrigal.training.layout import Microbatch, lay_out
from madrigal.training.passes import Passes
from madrigal.training.placed import Placed
from madrigal.training.step import StepParts, place, surveyor

Labels = Literal["model", "data"]

_TOGETHER = 16  # examples whose gradients are held at once
_LEDGER_BYTES = 1 << 28

Drawn = Sequence[tuple[str, Example]]


def fisher(parts: StepParts, drawn: Drawn, labels: Labels) -> dict[str, Float[Tensor, "..."]]:
    """Mean squared gradient of single examples, by parameter, for every trained one.

    With g_e the gradient of example e's summed loss and u_e its units (answer tokens, or 1),

        F = sum_e g_e^2 / sum_e u_e

    over the drawn examples of all tasks: the curvature of the mean loss in nats per unit
    (Kirkpatrick et al., 2017). With `labels="model"` the targets of each example are drawn from the
    model's own distribution at the trained positions, given the data's tokens before them, which
    makes it the Fisher information; with "data" it is the empirical one, larger where the model
    errs. Where an objective divides a row's nats by its n tokens, F is 1/n of the curvature.
    Without dropout. Examples are shared out over processes and the sums added up. Chance follows
    from the seed, the stage and the example's place.

    Raises:
        RetentionError: it is not finite.
    """
    network = parts.model.network
    training = network.training
    network.eval()
    placed = place(parts, drawn)
    own = None if labels == "data" else _OwnTargets(parts, placed)
    sums = _squares(parts, placed, own)
    network.zero_grad(set_to_none=True)
    network.train(training)
    parts.processes.sum_(sums.values())
    units = sum(
        parts.objectives[task].count(parts.objectives[task].encode_rows(one)) for task, one in drawn
    )
    found = {name: (held / max(units, 1.0)).detach() for name, held in sums.items()}
    _check_finite(parts.stage, found)
    return found


def _squares(
    parts: StepParts, placed: Sequence[Placed], own: Changed | None
) -> dict[str, Float[Tensor, "..."]]:
    """The sums of squared gradients of the examples that this process takes."""
    network, named = parts.model.network, dict(parts.model.trainable())
    # What cannot be split by example goes one example at a time.
    split = not uncovered(network, named)
    size = 4 * sum(p.numel() for p in named.values())
    together = min(_TOGETHER, max(1, _LEDGER_BYTES // size)) if split else 1
    passes = Passes(
        model=parts.model,
        objectives=parts.objectives,
        groups=_groups(parts, placed, together),
        pad=parts.pad,
        chance=(parts.seed, parts.stage, -1),
        processes=parts.processes,
        surveys=surveyor(parts).ask(placed),
    )
    sums = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in named.items()}
    if together > 1:
        ledger = Ledger(named, together)
        with per_task(network, ledger):
            for _ in split_by_example(passes, ledger, own):
                for name, total in sums.items():
                    total += ledger.block(name).square().sum(0)
                ledger.clear()
        return sums
    for reached in one_at_a_time(passes, own):
        for name in reached:
            gradient = named[name].grad
            assert gradient is not None
            sums[name].addcmul_(gradient.float(), gradient.float())
        network.zero_grad(set_to_none=True)
    return sums


def _groups(parts: StepParts, placed: Sequence[Placed], together: int) -> list[list[Placed]]:
    """Examples that share a pass: of similar width, so many at most, rows of a task adjacent."""
    order = {task: number for number, task in enumerate(parts.objectives)}
    return [
        some[first : first + together]
        for some in lay_out(placed, order, parts.microbatch_tokens, parts.processes.count)
        for first in range(0, len(some), together)
    ]


class _OwnTargets:
    """Draws a microbatch's targets from the model; what is read stays the data's.

    An example's draw follows from its place alone, so it is the same in every layout.
    """

    def __init__(self, parts: StepParts, placed: Sequence[Placed]) -> None:
        self._model = parts.model
        self._chance = (parts.seed, parts.stage, "targets")
        self._places = {id(example): number for number, example in enumerate(placed)}

    @torch.no_grad()
    def __call__(self, batch: Microbatch, examples: Sequence[Placed], around: Around) -> Microbatch:
        model = self._model
        whose = [example.task for example in examples for _ in range(example.lines)]
        with model.autocast():
            with model.routed(whose):
                states = model.states(batch.tokens, batch.branches)
            picked = states.reshape(-1, states.shape[-1])[batch.state_index]
            sizes = [sum(int(r.trained.sum()) for r in example.rows) for example in examples]
            ends = pairwise(accumulate(sizes, initial=0))
            drawn = [
                self._drawn(example, picked[first:last], around(first, last))
                for example, (first, last) in zip(examples, ends, strict=True)
            ]
        return replace(batch, targets=torch.cat(drawn).to(batch.targets.device))

    def _drawn(
        self, example: Placed, states: Float[Tensor, "N D"], around: AbstractContextManager[object]
    ) -> Int[Tensor, " N"]:
        """One token a state, by the inverse of the distribution function on the host."""
        with self._model.routed(example.task), around:
            chances = self._model.logits(states).float().softmax(-1).cpu()
        upto = chances.double().cumsum(-1)
        chance = np.random.default_rng(derive(*self._chance, self._places[id(example)]))
        at = torch.from_numpy(chance.random((len(upto), 1))) * upto[:, -1:]
        return torch.searchsorted(upto, at, right=True)[:, 0].clamp(max=upto.shape[1] - 1)


def _check_finite(stage: str, found: dict[str, Tensor]) -> None:
    for name, held in found.items():
        if not bool(held.isfinite().all()):
            raise RetentionError(
                f"stage {stage}: the Fisher information of {name} is not finite, so EWC cannot "
                "hold on to it; lower optimiser.learning_rate, or leave `ewc` out"
            )
