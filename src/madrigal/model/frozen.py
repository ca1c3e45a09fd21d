"""Parts of a model that stay as they are while a stage trains the rest."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from madrigal.errors import ModelError
from madrigal.model.blocks import block_of, check_blocks, in_blocks
from madrigal.model.freezable import check_freeze, inside
from madrigal.model.language_model import LanguageModel
from madrigal.model.score import heads
from madrigal.recipe.stage import Freeze


@contextmanager
def frozen(model: LanguageModel, settings: Freeze | None, key: str = "freeze") -> Iterator[None]:
    """What the settings name takes no gradient inside, and so does not move at all.

    It is trainable all the same: checkpoints hold it, and what is remembered of a stage is of it,
    too. `key` is the place in the recipe, for messages.

    Raises:
        ModelError: the model has no such part, or nothing is left to train.
    """
    held = [] if settings is None else _named(model, settings, key)
    for parameter in held:
        parameter.requires_grad_(False)
        model.frozen.add(id(parameter))
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
            parameter.grad = None  # of terms on all that is trainable
            model.frozen.discard(id(parameter))


def _named(model: LanguageModel, settings: Freeze, key: str) -> list[nn.Parameter]:
    """The trainable parameters that the settings name; heads of tasks are never among them."""
    check_blocks(f"{key}.layers", settings.layers, (n for n, _ in model.network.named_modules()))
    own = {id(p) for _, head in heads(model.causal) for p in head.parameters()}
    parts = {id(p) for p in _tables(model, settings)}
    every = {n: p for n, p in model.trainable() if id(p) not in own}
    # Blocks stand whatever is trained; modules must be among what is.
    check_freeze(key, settings.model_copy(update={"layers": "none"}), every)
    held = [
        p
        for n, p in every.items()
        if id(p) in parts
        or (block_of(n) is not None and in_blocks(n, settings.layers))
        or any(inside(n, name) for name in settings.modules)
    ]
    if not held:
        raise ModelError(
            f"{key}: nothing that is trained is meant by it, so it has no effect; with an adapter "
            "the base is frozen anyway: name parts that the adapter adapts, or leave it out"
        )
    if len(held) == len(every):
        raise ModelError(f"{key}: nothing is left to train; name fewer parts")
    return held


def _tables(model: LanguageModel, settings: Freeze) -> Iterator[nn.Parameter]:
    """Embeddings of tokens and positions, and the output head; of adapted ones the adapter."""
    if settings.embeddings:
        for module in model.network.modules():
            if isinstance(getattr(module, "base_layer", module), nn.Embedding):
                yield from module.parameters()
    output = getattr(model.causal, "get_output_embeddings", lambda: None)()
    if settings.head and output is not None:
        yield from output.parameters()
