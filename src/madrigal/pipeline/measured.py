"""Work whose cost is told: what it found, and what that took."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from madrigal.model.host import memory_rise

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """What was found, in so many seconds and with so many bytes more than were held before, where
    that is known; and the operations, where they were counted."""

    found: T
    seconds: float
    memory: int | None
    flops: float | None = field(default=None)


def measured(
    work: Callable[[], T],
    device: torch.device,
    flops: Callable[[T], float | None] = lambda _: None,
) -> Work[T]:
    """Do some work; `flops` counts its operations from what it found."""

    def timed() -> tuple[T, float]:
        began = time.perf_counter()
        found = work()
        return found, time.perf_counter() - began

    (found, seconds), memory = memory_rise(timed, device)
    return Work(found, seconds, memory, flops(found))


def told(works: Iterable[Work[object]]) -> dict[str, int | float]:
    """Seconds and operations of all of it, and the most memory; what is not known is left out."""
    every = list(works)
    body: dict[str, int | float] = {"seconds": round(sum(one.seconds for one in every), 3)}
    memory = [one.memory for one in every if one.memory is not None]
    flops = [one.flops for one in every if one.flops is not None]
    if memory:
        body["peak_memory_bytes"] = max(memory)
    if flops:
        body["flops"] = sum(flops)
    return body
