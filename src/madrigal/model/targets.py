"""Names of adapted layers, held against those that a model has."""

from collections.abc import Iterable, Sequence

from madrigal.errors import ModelError
from madrigal.recipe.suggest import closest


def is_target(name: str, targets: Iterable[str]) -> bool:
    """Whether one of the targets means the layer of this name: all of it, or its last parts."""
    return any(name == target or name.endswith(f".{target}") for target in targets)


def check_targets(targets: str | Sequence[str], layers: Iterable[str]) -> None:
    """Refuse targets that mean no layer.

    `layers` are the whole names of the layers that have a matrix. Weight files may leave out how
    they begin, so a target that goes on to the left of a name means it too.

    Raises:
        ModelError: with every such target, the names that there are, and the one likely meant.
    """
    if isinstance(targets, str):
        return
    # A head that is the embedding again is not in the weight files.
    names = {*layers, "lm_head"}
    ends = sorted({name.rsplit(".", 1)[-1] for name in names})
    mistakes = []
    for target in targets:
        if any(is_target(name, [target]) or target.endswith(f".{name}") for name in names):
            continue
        near = closest(target, ends)
        hint = f"did you mean {near!r}? known" if near else "known"
        known = ", ".join(map(repr, ends))
        mistakes.append(
            f"model.adapter.targets: the model has no layer {target!r} to adapt; {hint}: {known}"
        )
    if mistakes:
        raise ModelError(mistakes)
