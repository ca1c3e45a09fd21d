"""After a stage: its weights merged with earlier ones, and what later stages will ask for, kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from madrigal.model.inspect import Size, model_size
from madrigal.pipeline.build import Built
from madrigal.pipeline.choose import for_fisher, for_replay
from madrigal.pipeline.kept import Kept, write_kept
from madrigal.pipeline.measured import Work, measured
from madrigal.pipeline.operations import (
    of_choice,
    of_fisher,
    of_interpolation,
    of_merging,
    of_router,
)
from madrigal.pipeline.past import (
    CHANGE,
    KEPT,
    Past,
    Tensors,
    buffer_file,
    copied,
    ewc_file,
    put,
    read_changes,
    read_quadratic,
)
from madrigal.pipeline.pulls import Pull
from madrigal.pipeline.recall import on_adapter
from madrigal.pipeline.routed import Grown, has_router, router_after
from madrigal.recipe import retain
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Quadratic, merge
from madrigal.retention.buffer import Examples
from madrigal.training.fisher import fisher
from madrigal.training.step import StepParts

T = TypeVar("T")


def keep(built: Built, stage: StageSettings, parts: StepParts, past: Past, folder: Path) -> None:
    """Change the weights as the stage's retention says, and write what later stages need.

    Every process takes part; the first one writes. A stage that nothing looks back on keeps
    nothing.
    """
    trained = copied(parts.model) if past.start is not None else {}
    end = End(built, stage, parts, past)
    combined = {
        one.kind: [end.combine(one)]
        for one in stage.retain
        if isinstance(one, retain.Merge | retain.Interpolate)
    }
    routes = has_router(built.recipe)
    if not (combined or past.later or routes):
        return
    replay = {buffer_file(one): one for one in past.later if isinstance(one, retain.Replay)}
    changes: Sequence[Tensors] = ()
    if any(isinstance(one, retain.Merge) for one in (*past.later, *stage.retain)):
        assert past.start is not None
        changes = [merge.change(past.start, trained)]
    kept = Kept(
        pulls={ewc_file(*asked): end.pull(asked) for asked in past.pulls},
        buffers={name: end.choose(one) for name, one in replay.items()},
        router=end.route() if routes else None,
        changes=changes,
        combined=combined,
        weights=copied(parts.model) if combined else None,
    )
    if parts.processes.first:
        write_kept(folder / KEPT, kept)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stage, and what is done there, each with its cost."""

    built: Built
    stage: StageSettings
    parts: StepParts
    past: Past

    @property
    def trained(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for _, p in self.parts.model.trainable())

    def _measured(self, work: Callable[[], T], flops: Callable[[T, Size], float]) -> Work[T]:
        learnt = [task for stage in self.built.recipe.stages for task in stage.learn]
        size = model_size(self.built.recipe.model, self.built.root, learnt)
        count = (lambda _: None) if size is None else (lambda found: flops(found, size))
        return measured(work, self.parts.model.device, count)

    def combine(self, kept: retain.Merge | retain.Interpolate) -> Work[None]:
        """Merge or interpolate the weights of the stage's end."""
        changes, how = len(self.past.folders) + 1, kept.how if kept.kind == "merge" else ""

        def flops(_: None, __: Size) -> float:
            if not how:
                return of_interpolation(self.trained)
            return of_merging(how, changes, self.trained)

        return self._measured(lambda: _combine(self.stage, self.parts, self.past, kept), flops)

    def pull(self, asked: Pull) -> Work[Quadratic]:
        """The stage's own quadratic pull, or with `online` the running one.

        It is a pull to the weights as they are, on the parameters that a later stage will train.
        Where that stage begins a fresh adapter B A on top of the present one, these are its A and B
        at their start: the model is the same, and to second order in B the tasks' loss pulls B to 0
        (A alone changes nothing while B is 0, so its Fisher information is 0).
        """
        kept, begun = asked
        drawn = for_fisher(self.built, self.stage, kept.examples)

        def own() -> Quadratic:
            with on_adapter(self.built, self.parts.model, begun):
                found = fisher(self.parts, drawn, kept.labels)
                return Quadratic(found, copied(self.parts.model))

        return self._measured(
            lambda: _running(self.past, self.parts, asked, own()),
            lambda _, size: of_fisher(size, self.trained, drawn, kept.labels),
        )

    def choose(self, kept: retain.Replay) -> Work[Examples]:
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


def _combine(
    stage: StageSettings, parts: StepParts, past: Past, kept: retain.Merge | retain.Interpolate
) -> None:
    match kept:
        case retain.Merge():
            put(parts.model, _merged(parts, past, kept))
        case retain.Interpolate():
            back = past.start if kept.to == "base" else past.before
            assert back is not None
            now = copied(parts.model)
            if stage.retains(retain.OLora) is not None:
                # The adapter began at B = 0: B alone goes back, and A keeps its directions.
                back = {n: now[n] if ".lora_A." in n else held for n, held in back.items()}
            put(parts.model, merge.interpolate(back, now, kept.back))


def _merged(parts: StepParts, past: Past, kept: retain.Merge) -> dict[str, Tensor]:
    assert past.start is not None
    earlier = (read_changes(folder / CHANGE, parts.model) for folder in past.folders)
    device = parts.model.device
    changes = [{name: t.to(device) for name, t in one.items()} for some in earlier for one in some]
    changes.append(merge.change(past.start, copied(parts.model)))
    match kept.how:
        case "average":
            by = merge.average(changes)
        case "sum":
            by = merge.arithmetic(changes)
        case "ties":
            by = merge.ties(changes, kept.density)
    return merge.moved(past.start, by, kept.scale)


def _running(past: Past, parts: StepParts, asked: Pull, own: Quadratic) -> Quadratic:
    kept, begun = asked
    before = past.folders[-1] / ewc_file(kept, begun) if past.folders else None
    if kept.form == "online" and before is not None and before.exists():
        return read_quadratic(before).to(parts.model.device).moved(kept.decay, own)
    return own
