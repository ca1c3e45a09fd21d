"""Which adapter a quadratic pull is on: a stage with `o_lora` begins a fresh one."""

from madrigal.recipe.retain import Ewc, OLora
from madrigal.recipe.schema import Recipe

Pull = tuple[Ewc, str | None]  # settings, and the stage that begins the adapter; None: the present


def begun_between(recipe: Recipe, after: int, until: int) -> str | None:
    """The last stage that begins a fresh adapter of those behind `after` stages, to `until`."""
    fresh = [one.name for one in recipe.stages[after:until] if one.retains(OLora) is not None]
    return fresh[-1] if fresh else None


def pulls_after(recipe: Recipe, number: int) -> tuple[Pull, ...]:
    """Quadratic pulls that are asked for when `number` stages are over, each once."""
    found: list[Pull] = [
        (kept, begun_between(recipe, number, later))
        for later in range(number + 1, len(recipe.stages) + 1)
        if (kept := recipe.stages[later - 1].retains(Ewc)) is not None
    ]
    last = begun_between(recipe, number, len(recipe.stages))
    found += [(kept, last) for kept in recipe.onward() if isinstance(kept, Ewc)]
    return tuple(dict.fromkeys(found))
