"""Names of parts that a stage keeps as they are, held against those that a model has."""

from collections.abc import Iterable

from madrigal.errors import ModelError
from madrigal.model.blocks import check_blocks
from madrigal.model.targets import is_target
from madrigal.recipe.stage import Freeze
from madrigal.recipe.suggest import closest

_PEFT = ("base_model", "model", "default", "base_layer")


def check_freeze(key: str, settings: Freeze, names: Iterable[str]) -> None:
    """Refuse blocks and modules that none of the parameters of these names is in.

    Raises:
        ModelError: with `key`, the place in the recipe.
    """
    every = list(names)
    check_blocks(f"{key}.layers", settings.layers, every)
    mistakes = []
    for name in settings.modules:
        if not any(inside(n, name) for n in every):
            known = sorted({part for n in every for part in n.split(".")[:-1] if _plain(part)})
            near = closest(name, known)
            hint = f"did you mean {near!r}? there are" if near else "there are"
            mistakes.append(
                f"{key}.modules: nothing that is trained is within a module {name!r}; {hint} "
                f"{', '.join(map(repr, known))}"
            )
    if mistakes:
        raise ModelError(mistakes)


def inside(parameter: str, module: str) -> bool:
    """Whether a parameter belongs to a module of this name, or to an adapter on one."""
    parts = parameter.split(".")
    return any(is_target(".".join(parts[:end]), [module]) for end in range(1, len(parts)))


def _plain(part: str) -> bool:
    """Whether a part of a name is one that a person would write, no number and none of peft's."""
    return not part.isdecimal() and part not in _PEFT and not part.startswith("lora_")
