"""Before a stage: what its retention needs from earlier ones, ready for its steps."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.mixture import Mixture, Source
from madrigal.model.fold import adapted, begun_afresh, fold
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.on_policy import OnPolicy
from madrigal.pipeline.past import (
    Past,
    buffer_file,
    ewc_file,
    put,
    read_quadratic,
)
from madrigal.pipeline.routed import has_router, router_before
from madrigal.recipe import retain
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.stage import StageSettings
from madrigal.retention import (
    Distillation,
    Ewc,
    Overlap,
    Replayed,
    StepTerm,
    Teacher,
    Term,
)
from madrigal.retention.buffer import read_buffer
from madrigal.retention.ewc import Quadratic, summed
from madrigal.tasks.encoded import Example
from madrigal.training.chance import derive


@dataclass(frozen=True, slots=True)
class Recalled:
    """How the past speaks in one stage. An empty one is silent.

    `examples` are the replayed ones by task, `bytes` what each kind holds in memory for it,
    `seconds` what making it ready took.
    """

    terms: tuple[Term, ...] = ()
    distillation: Distillation | None = None
    on_policy: StepTerm | None = None
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveSettings] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def source(self, own: Mixture, stage: StageSettings, seed: int) -> Source:
        """The stage's schedule with what is replayed on top."""
        replay = stage.retains(retain.Replay)
        if replay is None or not self.examples:
            return own
        sizes = {task: len(kept) for task, kept in self.examples.items()}
        return Replayed(
            own, sizes, Fraction(str(replay.rate)), replay.count, derive(seed, "replay", stage.name)
        )


SILENT = Recalled()


def restructure(built: Built, stage: StageSettings, model: LanguageModel) -> None:
    """Give the model the parts that the stage trains; the same again when a run is resumed."""
    if stage.retains(retain.OLora) is not None:
        fold(model, _adapter_seed(built, stage.name))


def on_adapter(
    built: Built, model: LanguageModel, begun: str | None
) -> AbstractContextManager[None]:
    """Inside, the model has the fresh adapter that a later stage will begin; with None its own."""
    return nullcontext() if begun is None else begun_afresh(model, _adapter_seed(built, begun))


def _adapter_seed(built: Built, stage: str) -> int:
    return derive(built.recipe.seed, "o_lora", stage)


def recall(built: Built, stage: StageSettings, model: LanguageModel, past: Past) -> Recalled:
    """What the stage's steps need, from the model as it is before the stage and from the disk.

    With `merge` the model then goes back to where all stages begin.

    Raises:
        RunFolderError: what an earlier stage kept is gone, damaged or does not fit.
    """
    if has_router(built.recipe):
        router_before(past)  # what is gone is missed before the stage, not after it
    tasks = built.recipe.replayed(stage)
    terms: list[Term] = []
    examples: dict[str, Sequence[Example]] = {}
    distillation: Distillation | None = None
    on_policy: OnPolicy | None = None
    held: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for kept in stage.retain:
        began = time.perf_counter()
        match kept:
            case retain.Replay():
                examples = _replayed(past, kept, tasks)
                held[kept.kind] = _example_bytes(examples)
            case retain.Ewc():
                pull = _pull(past, kept)
                terms.append(Ewc(model.trainable(), pull, kept.strength))
                held[kept.kind] = _tensor_bytes(pull)
            case retain.OLora():
                terms.append(Overlap(adapted(model), kept.strength))
                folded = (u for some in model.folded.values() for u in some)
                held[kept.kind] = sum(4 * (u.a.numel() + u.b.numel()) for u in folded)
            case retain.Distill(on="own"):
                on_policy = OnPolicy(built, stage, model, kept.strength)
                held[kept.kind] = on_policy.teacher.bytes
            case retain.Distill():
                distillation = _distillation(stage, model, kept, tasks)
                held[kept.kind] = distillation.teacher.bytes
            case retain.Merge() | retain.Interpolate():
                held[kept.kind] = sum(4 * p.numel() for _, p in model.trainable())
        seconds[kept.kind] = time.perf_counter() - began
    if stage.retains(retain.Merge) is not None:
        assert past.start is not None
        put(model, past.start)
    objectives = {task: past.objectives[task] for task in examples}
    return Recalled(tuple(terms), distillation, on_policy, examples, objectives, held, seconds)


def _replayed(
    past: Past, kept: retain.Replay, tasks: Sequence[str]
) -> dict[str, Sequence[Example]]:
    files: dict[Path, list[str]] = {}
    for task in tasks:
        files.setdefault(past.folders[past.taught[task]] / buffer_file(kept), []).append(task)
    found: dict[str, Sequence[Example]] = {}
    for path, wanted in files.items():
        buffer = read_buffer(path)
        for task in wanted:
            if task not in buffer:
                raise RunFolderError(
                    f"{path}: no example of {task!r} is left for replay; start anew with another "
                    "--out, or leave `replay` out"
                )
            found[task] = buffer[task]
    return {task: found[task] for task in tasks}


def _pull(past: Past, kept: retain.Ewc) -> Quadratic:
    """One for all earlier stages; `online` has its own in the last one's folder."""
    every = list(zip(past.folders, past.begun, strict=True))
    chosen = every[-1:] if kept.form == "online" else every
    return summed([read_quadratic(folder / ewc_file(kept, begun)) for folder, begun in chosen])


def _distillation(
    stage: StageSettings, model: LanguageModel, kept: retain.Distill, replayed: Sequence[str]
) -> Distillation:
    asked = {"replayed": replayed, "all": (*stage.learn, *replayed)}.get(kept.on, stage.learn)
    return Distillation(Teacher(model), kept.strength, frozenset(asked))


def _tensor_bytes(pull: Quadratic) -> int:
    return sum(4 * t.numel() for part in (pull.fisher, pull.center) for t in part.values())


def _example_bytes(examples: Mapping[str, Sequence[Example]]) -> int:
    rows = (row for some in examples.values() for example in some for row in example)
    return sum(row.tokens.nbytes + row.trained.nbytes for row in rows)
