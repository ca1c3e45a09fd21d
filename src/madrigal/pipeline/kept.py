"""What a stage leaves to later ones, as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from madrigal.pipeline.measured import Work, told
from madrigal.pipeline.past import (
    CHANGE,
    COSTS,
    ROUTER,
    WEIGHTS,
    Tensors,
    write_changes,
    write_quadratic,
)
from madrigal.pipeline.routed import Grown
from madrigal.retention import Quadratic
from madrigal.retention.buffer import Examples, write_buffer
from madrigal.retention.router import write_router
from madrigal.training.files import written_whole


@dataclass(frozen=True, slots=True)
class Kept:
    """Pulls and buffers by the name of their file; what merging or interpolating took, by kind,
    and the weights that it ended with."""

    pulls: Mapping[str, Work[Quadratic]] = field(default_factory=dict)
    buffers: Mapping[str, Work[Examples]] = field(default_factory=dict)
    router: Work[Grown] | None = None
    changes: Sequence[Tensors] = ()
    combined: Mapping[str, Sequence[Work[None]]] = field(default_factory=dict)
    weights: Tensors | None = None


def write_kept(folder: Path, kept: Kept) -> None:
    """All files of it, or after a crash none."""
    with written_whole(folder) as aside:
        if kept.weights is not None:
            named = {name: t.contiguous().cpu() for name, t in kept.weights.items()}
            save_file(named, aside / WEIGHTS)
        if kept.changes:
            write_changes(aside / CHANGE, kept.changes)
        for name, pull in kept.pulls.items():
            write_quadratic(aside / name, pull.found)
        for name, examples in kept.buffers.items():
            write_buffer(aside / name, examples.found)
        routers = [kept.router] if kept.router is not None else []
        for router in routers:
            write_router(aside / ROUTER, router.found.router)
        files = {
            "ewc": [*kept.pulls],
            "replay": [*kept.buffers],
            "merge": [CHANGE],
            "isolation": [ROUTER],
        }
        works: dict[str, Sequence[Work[Any]]] = {
            "ewc": [*kept.pulls.values()],
            "replay": [*kept.buffers.values()],
            "isolation": routers,
            **kept.combined,
        }
        body = json.dumps(_costs(aside, files, works), indent=1)
        (aside / COSTS).write_text(body + "\n", encoding="utf-8")


def _costs(
    folder: Path, files: Mapping[str, Sequence[str]], works: Mapping[str, Sequence[Work[Any]]]
) -> dict[str, dict[str, int | float]]:
    """What keeping took, and the bytes that it wrote, by kind."""
    found = {}
    for kind in dict.fromkeys((*files, *works)):
        paths = [folder / name for name in files.get(kind, ()) if (folder / name).exists()]
        if paths or works.get(kind):
            size = sum(path.stat().st_size for path in paths)
            found[kind] = {**told(works.get(kind, ())), "bytes": size}
    return found
