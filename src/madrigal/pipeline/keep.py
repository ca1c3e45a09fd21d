"""After a stage: its weights merged with earlier ones, and what later stages will ask for, kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import save_file
from torch import Tensor

from madrigal.model.inspect import Size, model_size
from madrigal.pipeline.build import Built
from madrigal.pipeline.choose import for_fisher, for_replay
from madrigal.pipeline.measured import Work, measured, told
from madrigal.pipeline.operations import (
    of_choice,
    of_fisher,
    of_interpolation,
    of_merging,
    of_router,
)
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
from madrigal.pipeline.routed import Grown, has_router, router_after
from madrigal.recipe import retain
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Quadratic, merge
from madrigal.retention.buffer import write_buffer
from madrigal.retention.router import write_router
from madrigal.tasks.encoded import Example
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
    end = _End(built, stage, parts, past, _size(built))
    changed = {
        one.kind: [end.combine(one)]
        for one in stage.retain
        if isinstance(one, retain.Merge | retain.Interpolate)
    }
    routes = has_router(built.recipe)
    if not (changed or past.later or routes):
        return
    pulls = {ewc_file(one): end.pull(one) for one in past.later if isinstance(one, retain.Ewc)}
    replay = {buffer_file(one): one for one in past.later if isinstance(one, retain.Replay)}
    buffers = {name: end.choose(one) for name, one in replay.items()}
    routers = {ROUTER: end.route()} if routes else {}
    if not parts.processes.first:
        return
    with written_whole(folder / KEPT) as aside:
        if changed:
            _save(aside / WEIGHTS, copied(parts.model))
        if any(isinstance(one, retain.Merge) for one in (*past.later, *stage.retain)):
            assert past.start is not None
            _save(aside / CHANGE, merge.change(past.start, trained))
        for name, pull in pulls.items():
            write_quadratic(aside / name, pull.found)
        for name, examples in buffers.items():
            write_buffer(aside / name, examples.found)
        for name, router in routers.items():
            write_router(aside / name, router.found.router)
        files = {"ewc": [*pulls], "replay": [*buffers], "merge": [CHANGE], "isolation": [*routers]}
        works: dict[str, Sequence[Work[Any]]] = {
            "ewc": [*pulls.values()],
            "replay": [*buffers.values()],
            "isolation": [*routers.values()],
            **changed,
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


def _size(built: Built) -> Size | None:
    learnt = [task for stage in built.recipe.stages for task in stage.learn]
    return model_size(built.recipe.model, built.root, learnt)


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, path)


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a stage, and what is done there, each with its cost."""

    built: Built
    stage: StageSettings
    parts: StepParts
    past: Past
    size: Size | None

    @property
    def trained(self) -> int:
        return sum(p.numel() for _, p in self.parts.model.trainable())

    def _measured(self, work: Callable[[], T], flops: Callable[[T, Size], float]) -> Work[T]:
        size = self.size
        count = (lambda _: None) if size is None else (lambda found: flops(found, size))
        return measured(work, self.parts.model.device, count)

    def combine(self, kept: retain.Merge | retain.Interpolate) -> Work[None]:
        """Merge or interpolate the weights of the stage's end."""
        changes, how = len(self.past.folders) + 1, kept.how if kept.kind == "merge" else ""

        def flops(_: None, __: Size) -> float:
            if not how:
                return of_interpolation(self.trained)
            return of_merging(how, changes, self.trained)

        return self._measured(lambda: _combine(self.parts, self.past, kept), flops)

    def pull(self, kept: retain.Ewc) -> Work[Quadratic]:
        """The stage's own quadratic pull, or with `online` the running one."""
        drawn = for_fisher(self.built, self.stage, kept.examples)
        return self._measured(
            lambda: _pull(drawn, self.parts, self.past, kept),
            lambda _, size: of_fisher(size, self.trained, drawn, kept.labels),
        )

    def choose(self, kept: retain.Replay) -> Work[dict[str, list[Example]]]:
        """The examples that are kept for replay."""
        model = self.parts.model
        width = int(model.causal.get_input_embeddings().weight.shape[1])  # pyright: ignore
        return self._measured(
            lambda: for_replay(self.built, self.stage, model, kept),
            lambda found, size: sum(
                of_choice(self.built, size, width, kept, task, some) for task, some in found.items()
            ),
        )

    def route(self) -> Work[Grown]:
        """The router with the stage's tasks added."""
        return self._measured(
            lambda: router_after(self.built, self.stage, self.parts.model, self.past),
            lambda found, size: of_router(size, len(found.router.scatter), found.lengths),
        )


def _combine(parts: StepParts, past: Past, kept: retain.Merge | retain.Interpolate) -> None:
    match kept:
        case retain.Merge():
            put(parts.model, _merged(parts, past, kept))
        case retain.Interpolate():
            back = past.start if kept.to == "base" else past.before
            assert back is not None
            put(parts.model, merge.interpolate(back, copied(parts.model), kept.back))


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
    drawn: Sequence[tuple[str, Example]], parts: StepParts, past: Past, kept: retain.Ewc
) -> Quadratic:
    own = Quadratic(fisher(parts, drawn, kept.labels), copied(parts.model))
    before = past.folders[-1] / ewc_file(kept) if past.folders else None
    if kept.form == "online" and before is not None and before.exists():
        return read_quadratic(before).to(parts.model.device).moved(kept.decay, own)
    return own
