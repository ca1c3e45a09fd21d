"""Recipes that commands write: another adapter in place of the given one."""

from dataclasses import replace
from pathlib import Path

from madrigal.recipe.dump import dump_resolved
from madrigal.recipe.load import LoadedRecipe, loaded
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.schema import Recipe


def with_adapter(given: Recipe, adapter: LoraAdapter, kind: str) -> Recipe:
    """The recipe with another adapter, called NAME-KIND."""
    model = given.model.model_copy(update={"adapter": adapter})
    return given.model_copy(update={"name": f"{given.name}-{kind}", "model": model})


def only_private(adapter: LoraAdapter, private: PrivatePart) -> LoraAdapter:
    """Private parts in place of all that the tasks shared."""
    return LoraAdapter(
        dropout=adapter.dropout, targets=adapter.targets, layers="none", private=private
    )


def resolved_text(given: LoadedRecipe, wanted: Recipe) -> str:
    """`wanted`, which comes from `given`, as resolved; what is told of values stays told."""
    new = loaded(wanted, given.root)
    return dump_resolved(replace(new, origins={**new.origins, **given.origins}))


def partial(out: Path) -> Path:
    """Where a recipe is written before it takes its place, so that one that is there is whole."""
    return out.with_name(f".{out.name}.partial")
