"""What earlier stages of a run left to a later one, and where it lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from madrigal.errors import RunFolderError
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.pulls import Pull, begun_between, pulls_after
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.retain import Ewc, Interpolate, Merge, Replay, RetentionSettings
from madrigal.recipe.schema import Recipe
from madrigal.retention import Quadratic

KEPT = "kept"  # folder in that of a stage
WEIGHTS = "weights.safetensors"  # of the end of a stage, where they are not those of its last step
CHANGE = "change.safetensors"
ROUTER = "router.safetensors"
COSTS = "costs.json"
_REST = "rest"

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Past:
    """What a stage can look back on. An empty one remembers nothing.

    `folders` hold what earlier stages kept, in order; `taught` says which of them taught each task
    of theirs last; `start` and `before` are copies of the trained parameters before all stages and
    before this one, where they are needed; `later` is what the stages after this one will ask for.
    Quadratic pulls are on parameters: `pulls` are those that later stages ask for, each with the
    stage that begins the adapter which it is on, and `begun` says of each folder which stage has
    begun this stage's adapter since.
    """

    folders: tuple[Path, ...] = ()
    taught: Mapping[str, int] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveSettings] = field(default_factory=dict)
    start: Tensors | None = None
    before: Tensors | None = None
    later: tuple[RetentionSettings, ...] = ()
    pulls: tuple[Pull, ...] = ()
    begun: tuple[str | None, ...] = ()


def past_of(
    recipe: Recipe,
    folder: RunFolder,
    number: int,
    start: Tensors | None,
    before: Mapping[str, ObjectiveSettings],
) -> Past:
    """The past of stage `number`, counted from 1; `before` are objectives of earlier runs."""
    stages = recipe.stages[: number - 1]
    folders = [folder.stage(n, one.name) / KEPT for n, one in enumerate(stages, 1)]
    taught = {t: place for place, one in enumerate(stages) for t in recipe.scored(one.learn)}
    objectives = {t: stages[n].remembered_by(t) for t, n in taught.items()}
    over = list(range(1, number))
    if recipe.before():
        over.insert(0, 0)
        folders.insert(0, folder.before / KEPT)
        taught = dict.fromkeys(recipe.before(), 0) | {t: n + 1 for t, n in taught.items()}
        objectives = {**before, **objectives}
    return Past(
        folders=tuple(folders),
        taught=taught,
        objectives=objectives,
        start=start,
        later=(*(kept for one in recipe.stages[number:] for kept in one.retain), *recipe.onward()),
        pulls=pulls_after(recipe, number),
        begun=tuple(begun_between(recipe, after, number) for after in over),
    )


def start_of(recipe: Recipe, model: LanguageModel) -> Tensors | None:
    """A copy of the trained parameters as they are, where some stage will go back to them."""
    return copied(model) if goes_back(recipe) else None


def goes_back(recipe: Recipe) -> RetentionSettings | None:
    """What goes back to the weights before all stages; None where nothing does."""
    every = (*(kept for stage in recipe.stages for kept in stage.retain), *recipe.onward())
    return next((k for k in every if isinstance(k, Merge) or _to_base(k)), None)


def _to_base(kept: RetentionSettings) -> bool:
    return isinstance(kept, Interpolate) and kept.to == "base"


def copied(model: LanguageModel) -> dict[str, Tensor]:
    """The trained parameters by name."""
    return {name: p.detach().clone() for name, p in model.trainable()}


@torch.no_grad()
def put(model: LanguageModel, weights: Tensors) -> None:
    """Give the trained parameters these values."""
    for name, parameter in model.trainable():
        parameter.copy_(weights[name])


def buffer_file(settings: Replay) -> str:
    """Name of the file with a stage's examples that were chosen so."""
    return f"replay-{settings.select}-{settings.keep}.jsonl"


def ewc_file(settings: Ewc, begun: str | None = None) -> str:
    """Name of the file with a stage's quadratic pull that was estimated so, on the adapter that a
    later stage begins, or on the present parameters."""
    form = f"online-{settings.decay:g}" if settings.form == "online" else "stage"
    on = f"-on-{begun}" if begun else ""
    return f"ewc-{form}-{settings.labels}-{settings.examples}{on}.safetensors"


def read_tensors(path: Path, of: str) -> dict[str, Tensor]:
    """A file of tensors that an earlier stage kept.

    Raises:
        RunFolderError: it is gone or damaged.
    """
    from safetensors import SafetensorError

    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise RunFolderError(
            f"{path}: what an earlier stage kept for `{of}` is gone or damaged; start anew with "
            f"another --out, or leave `{of}` out"
        ) from problem


def read_weights(path: Path, of: str, model: LanguageModel) -> dict[str, Tensor]:
    """One tensor for each trained parameter of the model.

    Raises:
        RunFolderError: the file is gone or damaged, or does not fit the model.
    """
    held = read_tensors(path, of)
    _refuse_unfit(path, held, model)
    return held


def _refuse_unfit(path: Path, held: Tensors, model: LanguageModel) -> None:
    for name, parameter in model.trainable():
        if name not in held or held[name].shape != parameter.shape:
            found = "x".join(map(str, held[name].shape)) if name in held else "nothing"
            wanted = "x".join(map(str, parameter.shape))
            raise RunFolderError(
                f"{path}: holds {found} for {name}, which is {wanted} now; the adapter must stay "
                "the same over all stages"
            )


def write_changes(path: Path, changes: Sequence[Tensors]) -> None:
    """What some stages changed, as one file."""
    named = {f"{n}/{name}": t for n, one in enumerate(changes) for name, t in one.items()}
    save_file({name: t.contiguous().cpu() for name, t in named.items()}, path)


def read_changes(path: Path, model: LanguageModel) -> list[dict[str, Tensor]]:
    """What `write_changes` wrote. A part that only later tasks have was not changed.

    Raises:
        RunFolderError: the file is gone or damaged, or does not fit the model.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_tensors(path, "merge").items():
        number, _, name = key.partition("/")
        found.setdefault(number, {})[name] = tensor
    own = {n: torch.zeros_like(p) for n, p in model.trainable() if id(p) in model.owners()}
    changes = [own | held for _, held in sorted(found.items(), key=lambda one: int(one[0]))]
    for held in changes or [{}]:
        _refuse_unfit(path, held, model)
    return changes


def write_quadratic(path: Path, held: Quadratic) -> None:
    """A quadratic pull as one file of tensors."""
    parts = {"fisher": held.fisher, "center": held.center}
    named = {f"{kind}/{name}": t for kind, of in parts.items() for name, t in of.items()}
    if held.rest:  # of a sum of several
        named[_REST] = torch.tensor(held.rest, dtype=torch.float64)
    save_file({name: t.contiguous().cpu() for name, t in named.items()}, path)


def read_quadratic(path: Path) -> Quadratic:
    """What `write_quadratic` wrote.

    Raises:
        RunFolderError: it is gone, damaged, or not finite.
    """
    held = read_tensors(path, "ewc")
    rest = float(held.pop(_REST, torch.zeros(())))
    parts: dict[str, dict[str, Tensor]] = {"fisher": {}, "center": {}}
    for key, value in held.items():
        kind, _, name = key.partition("/")
        if kind not in parts or not bool(value.isfinite().all()):
            raise RunFolderError(
                f"{path}: {key} is not finite or not known, so EWC cannot use it; start anew with "
                "another --out, or leave `ewc` out"
            )
        parts[kind][name] = value
    return Quadratic(parts["fisher"], parts["center"], rest)
