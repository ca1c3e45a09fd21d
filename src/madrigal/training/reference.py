"""Log-probabilities of answers under the model as it is, computed as training computes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encoded import Example
from madrigal.training.layout import Microbatch, collate, lay_out, share_out
from madrigal.training.placed import Placed, placed_rows
from madrigal.training.processes import Processes


@dataclass(frozen=True, slots=True)
class Asked:
    """How a model is asked about many examples."""

    model: LanguageModel
    microbatch_tokens: int
    pad: int
    processes: Processes
    share_prompts: bool


@torch.no_grad()
def answer_logps(
    asked: Asked,
    task: str,
    examples: Sequence[Example],
    on_progress: Callable[[int, int], None],
) -> list[Float[np.ndarray, " K"]]:
    """Sum over the trained tokens of each row of their log-probability in nats, by example.

    The passes are laid out and rounded as those of training are, without dropout: a model that has
    learnt nothing yet has these very values, to float32 rounding. Processes share the work, unless
    the base is shared out: then all make the same passes.
    """
    placed = [placed_rows(task, example, 0, asked.share_prompts) for example in examples]
    place = {id(one): number for number, one in enumerate(placed)}
    groups = lay_out(placed, {task: 0}, asked.microbatch_tokens, asked.processes.count)
    ends = np.cumsum([0, *(len(example) for example in examples)])
    found = torch.zeros(int(ends[-1]), device=asked.model.device)
    network = asked.model.network
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for done, index in enumerate(_own(asked, groups), 1):
            sums = _row_sums(asked.model, task, collate(groups[index], asked.pad, found.device))
            rows = [r for e in groups[index] for r in range(*ends[place[id(e)] :][:2])]
            found[torch.tensor(rows, device=found.device)] = sums
            on_progress(done, len(groups))
    finally:
        for module, training in modes:
            module.training = training
    if asked.model.shards is None:
        asked.processes.sum_([found])
    return np.split(found.cpu().numpy(), ends[1:-1])


def _own(asked: Asked, groups: Sequence[Sequence[Placed]]) -> Sequence[int]:
    if asked.model.shards is not None:
        return range(len(groups))
    return share_out(groups, asked.processes.count)[asked.processes.index]


def _row_sums(model: LanguageModel, task: str, batch: Microbatch) -> Float[Tensor, " R"]:
    with model.routed(task), model.autocast():
        states = model.states(batch.tokens, batch.branches)
        picked = states.reshape(-1, states.shape[-1])[batch.state_index]
        logps, _ = model.logps(picked, batch.targets, counts=batch.trained)
    (segment,) = batch.segments
    sums = torch.zeros(len(segment.rows), device=logps.device)
    return sums.index_add(0, batch.row, logps.float())
