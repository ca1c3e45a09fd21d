"""Passes that all processes make together, where each holds a part of the base only."""

from collections.abc import Callable
from typing import TypeVar

import torch

from madrigal.model.language_model import LanguageModel
from madrigal.training.processes import Processes

T = TypeVar("T")


def empty_pass(model: LanguageModel, backward: bool = False) -> None:
    """One token through the decoder and, with `backward`, a gradient of zeros back.

    What a process adds to a pass of the others when it has no rows for one of its own. It belongs
    to no task, so private parts are not met, and nothing is added to any gradient but zeros.
    """
    token = torch.zeros(1, 1, dtype=torch.int64, device=model.device)
    with torch.set_grad_enabled(backward), model.routed(""), model.autocast():
        states = model.states(token)
    if backward:
        states.backward(torch.zeros_like(states))


def by_first(processes: Processes, model: LanguageModel, work: Callable[[], T]) -> T | None:
    """Work with the model that the first process does alone; None in the others.

    Where the model is shared out the others hand in their parts, pass by pass.
    """
    if model.shards is None:
        return work() if processes.first else None
    if processes.first:
        return model.shards.lead(work)
    model.shards.follow(lambda: empty_pass(model))
    return None
