"""After a stage: its weights merged with earlier ones, and what later stages will ask for, kept."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import Tensor

from madrigal.pipeline.build import Built
from madrigal.pipeline.choose import for_fisher, for_replay
from madrigal.pipeline.past import (
    CHANGE,
    COSTS,
    KEPT,
    ROUTER,
    WEIGHTS,
    Past,
    buffer_file,
    copied,
    ewc_file,
    put,
    read_quadratic,
    read_weights,
    write_quadratic,
)
from madrigal.pipeline.routed import has_router, router_after
from madrigal.recipe import retain
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Quadratic, merge
from madrigal.retention.buffer import write_buffer
from madrigal.retention.router import write_router
from madrigal.training.files import written_whole
from madrigal.training.fisher import fisher
from madrigal.training.step import StepParts

T = TypeVar("T")


def keep(built: Built, stage: StageSettings, parts: StepParts, past: Past, folder: Path) -> None:
    """Change the weights as the stage's retention says, and write what later stages need.

    Every process takes part; the first one writes. A stage that nothing looks back on keeps
    nothing.
    """
    trained = copied(parts.model) if past.start is not None else {}
    changed = _combine(stage, parts, past)
    routes = has_router(built.recipe)
    if not (changed or past.later or routes):
        return
    ewc = {ewc_file(one): one for one in past.later if isinstance(one, retain.Ewc)}
    replay = {buffer_file(one): one for one in past.later if isinstance(one, retain.Replay)}
    pulls = {n: _timed(lambda s=s: _pull(built, stage, parts, past, s)) for n, s in ewc.items()}
    buffers = {
        n: _timed(lambda s=s: for_replay(built, stage, parts.model, s)) for n, s in replay.items()
    }
    router = _timed(lambda: router_after(built, stage, parts.model, past)) if routes else None
    if not parts.processes.first:
        return
    with written_whole(folder / KEPT) as aside:
        if changed:
            _save(aside / WEIGHTS, copied(parts.model))
        if any(isinstance(one, retain.Merge) for one in (*past.later, *stage.retain)):
            assert past.start is not None
            _save(aside / CHANGE, merge.change(past.start, trained))
        for name, (pull, _) in pulls.items():
            write_quadratic(aside / name, pull)
        for name, (examples, _) in buffers.items():
            write_buffer(aside / name, examples)
        if router is not None:
            write_router(aside / ROUTER, router[0])
        seconds = {
            "ewc": [s for _, s in pulls.values()],
            "replay": [s for _, s in buffers.values()],
            "router": [router[1]] if router is not None else [],
        }
        files = {"ewc": [*pulls], "replay": [*buffers], "merge": [CHANGE], "router": [ROUTER]}
        costs = _costs(aside, files, seconds)
        (aside / COSTS).write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    found = work()
    return found, time.perf_counter() - began


def _costs(
    folder: Path, files: Mapping[str, Sequence[str]], seconds: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, int | float]]:
    """Seconds and bytes that keeping cost, by kind."""
    found = {}
    for kind, names in files.items():
        paths = [folder / name for name in names if (folder / name).exists()]
        if paths:
            size = sum(path.stat().st_size for path in paths)
            found[kind] = {"seconds": round(sum(seconds.get(kind, ())), 3), "bytes": size}
    return found


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, path)


def _combine(stage: StageSettings, parts: StepParts, past: Past) -> bool:
    """Merge or interpolate the weights of the stage's end; whether there was anything to do."""
    changed = False
    for kept in stage.retain:
        match kept:
            case retain.Merge():
                put(parts.model, _merged(parts, past, kept))
            case retain.Interpolate():
                back = past.start if kept.to == "base" else past.before
                assert back is not None
                put(parts.model, merge.interpolate(back, copied(parts.model), kept.back))
            case _:
                continue
        changed = True
    return changed


def _merged(parts: StepParts, past: Past, kept: retain.Merge) -> dict[str, Tensor]:
    assert past.start is not None
    earlier = [read_weights(folder / CHANGE, kept.kind, parts.model) for folder in past.folders]
    device = parts.model.device
    changes = [{name: t.to(device) for name, t in one.items()} for one in earlier]
    changes.append(merge.change(past.start, copied(parts.model)))
    match kept.how:
        case "average":
            by = merge.average(changes)
        case "sum":
            by = merge.arithmetic(changes)
        case "ties":
            by = merge.ties(changes, kept.density)
    return merge.moved(past.start, by, kept.scale)


def _pull(
    built: Built, stage: StageSettings, parts: StepParts, past: Past, kept: retain.Ewc
) -> Quadratic:
    """The stage's own quadratic pull, or with `online` the running one."""
    found = fisher(parts, for_fisher(built, stage, kept.examples), kept.labels)
    own = Quadratic(found, copied(parts.model))
    before = past.folders[-1] / ewc_file(kept) if past.folders else None
    if kept.form == "online" and before is not None and before.exists():
        return read_quadratic(before).to(parts.model.device).moved(kept.decay, own)
    return own
