"""Log-probabilities of answers under the model as it is, computed as training computes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from madrigal.model.language_model import LanguageModel
from madrigal.model.nucleus import packed
from madrigal.tasks.encoded import Example
from madrigal.training.kept import kept_of
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
    temperature: float = 1.0  # that the logits are divided by


def answer_logps(
    asked: Asked,
    task: str,
    examples: Sequence[Example],
    on_progress: Callable[[int, int], None],
) -> list[Float[np.ndarray, " K"]]:
    """Sum over the trained tokens of each row of their log-probability in nats, by example; see
    `token_logps`."""
    each = token_logps(asked, task, examples, on_progress)
    row = torch.from_numpy(np.repeat(np.arange(len(each)), [len(one) for one in each]))
    flat = torch.from_numpy(np.concatenate([np.zeros(0, dtype=np.float32), *each]))
    sums = torch.zeros(len(each)).index_add(0, row, flat).numpy()
    return np.split(sums, np.cumsum([len(example) for example in examples])[:-1])


def token_logps(
    asked: Asked,
    task: str,
    examples: Sequence[Example],
    on_progress: Callable[[int, int], None],
) -> list[Float[np.ndarray, " _"]]:
    """Log-probability in nats of each trained token, by row, examples one after another.

    The passes are laid out and rounded as those of training are, without dropout: a model that has
    learnt nothing yet has these very values, to float32 rounding. Processes share the work, unless
    the base is shared out: then all make the same passes.
    """

    def read(states: Tensor, batch: Microbatch) -> Tensor:
        heat = None
        if asked.temperature != 1:
            heat = torch.full((len(states),), asked.temperature, device=states.device)
        kept = kept_of(batch, asked.model.vocabulary, states.device)
        return asked.model.logps(
            states, batch.targets, counts=batch.trained, temperature=heat, kept=kept
        )[0]

    return _by_token(asked, task, examples, read, on_progress)


def token_nuclei(
    asked: Asked, task: str, examples: Sequence[Example], top_p: float
) -> list[UInt8[np.ndarray, "_ W"]]:
    """The likeliest tokens before each trained token, by row, as `model.nucleus` packs them; see
    `token_logps`."""

    def read(states: Tensor, batch: Microbatch) -> Tensor:
        found = asked.model.nuclei(states, batch.targets, batch.trained, asked.temperature, top_p)
        return torch.from_numpy(packed(found)).to(states.device)

    wide = (-(-asked.model.vocabulary // 8),)
    rows = _by_token(asked, task, examples, read, lambda *_: None, wide)
    return [row.astype(np.uint8) for row in rows]  # whole numbers below 256, summed exactly


def token_values(
    asked: Asked, task: str, examples: Sequence[Example]
) -> list[Float[np.ndarray, " _"]]:
    """What the task's critic expects before each trained token, by row; see `token_logps`."""
    return _by_token(
        asked, task, examples, lambda states, _: asked.model.values(task, states), lambda *_: None
    )


@torch.no_grad()
def _by_token(
    asked: Asked,
    task: str,
    examples: Sequence[Example],
    read: Callable[[Tensor, Microbatch], Tensor],
    on_progress: Callable[[int, int], None],
    wide: tuple[int, ...] = (),
) -> list[Float[np.ndarray, "_ *W"]]:
    """What is read of the states before trained tokens, one number each, or so many."""
    placed = [placed_rows(task, example, 0, asked.share_prompts) for example in examples]
    place = {id(one): number for number, one in enumerate(placed)}
    groups = lay_out(placed, {task: 0}, asked.microbatch_tokens, asked.processes.count)
    sizes = [row.answer_tokens for example in examples for row in example]
    tokens = [sum(row.answer_tokens for row in example) for example in examples]
    ends = np.cumsum([0, *tokens])
    found = torch.zeros(int(ends[-1]), *wide, device=asked.model.device)
    network = asked.model.network
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for done, index in enumerate(_own(asked, groups), 1):
            batch = collate(groups[index], asked.pad, found.device)
            spots = [r for e in groups[index] for r in range(*ends[place[id(e)] :][:2])]
            with asked.model.routed(task), asked.model.autocast():
                states = asked.model.states(batch.tokens, batch.branches)
                picked = states.reshape(-1, states.shape[-1])[batch.state_index]
                found[torch.tensor(spots, device=found.device)] = read(picked, batch).float()
            on_progress(done, len(groups))
    finally:
        for module, training in modes:
            module.training = training
    if asked.model.shards is None:
        asked.processes.sum_([found])
    return np.split(found.cpu().numpy(), np.cumsum(sizes)[:-1])


def _own(asked: Asked, groups: Sequence[Sequence[Placed]]) -> Sequence[int]:
    if asked.model.shards is not None:
        return range(len(groups))
    return share_out(groups, asked.processes.count)[asked.processes.index]
