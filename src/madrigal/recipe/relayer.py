"""A recipe with private parts in some blocks, in place of what all tasks share there."""

from collections.abc import Sequence
from pathlib import Path

from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.model import FullAdapter, LoraAdapter, PrivatePart
from madrigal.recipe.rewrite import only_private, partial, resolved_text, with_adapter
from madrigal.recipe.schema import Recipe


def why_not_private(adapter: LoraAdapter | FullAdapter) -> str | None:
    """Why blocks cannot be given private parts; None where they can."""
    if isinstance(adapter, FullAdapter):
        return (
            "model.adapter: every parameter was trained, and private parts are low-rank; "
            "run it with `adapter: lora`"
        )
    if adapter.private is not None:
        return "model.adapter.private: the run had private parts; run it without them to choose"
    return None


def with_private_blocks(given: Recipe, private: Sequence[int], shared: Sequence[int]) -> Recipe:
    """Private parts in the blocks `private`, as large as the shared adapter was there.

    So the adapter of each task, shared and private, is as large as before.
    """
    adapter = given.model.adapter
    assert isinstance(adapter, LoraAdapter)
    own = PrivatePart(rank=adapter.rank, alpha=adapter.alpha, layers=tuple(private))
    if not shared:
        return with_adapter(given, only_private(adapter, own), "layers")
    new = adapter.model_copy(update={"layers": tuple(shared), "private": own})
    return with_adapter(given, new, "layers")


def write_resolved(given: LoadedRecipe, wanted: Recipe, head: str, out: Path) -> None:
    """Write `wanted`, which comes from `given`, as resolved; `head` is a comment in front."""
    aside = partial(out)
    aside.write_text(head + resolved_text(given, wanted), encoding="utf-8")
    aside.replace(out)
