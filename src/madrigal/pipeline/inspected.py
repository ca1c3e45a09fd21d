"""What is wrong with the data of a recipe, looked for before anything is trained."""

from madrigal.curation.inspect import Inspected, Progress, gravest, inspect, unheard
from madrigal.curation.loaded import Loaded
from madrigal.pipeline.build import Built

# With as many, what is checked before a run is told in a second or two.
_QUICK = 2_000


def inspected(built: Built, quick: bool = False, progress: Progress = unheard) -> Inspected | None:
    """What is found in the data of a recipe; None where nothing is to be looked for.

    `quick` looks at fewer records.
    """
    asked = built.recipe.curate
    if asked.checks == "none":
        return None
    most = min(asked.records or _QUICK, _QUICK) if quick else asked.records
    return inspect(_loaded(built, most), asked.checks == "deep" and not quick, progress)


def takes_longer(built: Built) -> int:
    """Records that are looked at, where this takes longer than a second or two; else 0."""
    asked = built.recipe.curate
    if asked.checks == "none":
        return 0
    count = _loaded(built, asked.records).count()
    return count if asked.checks == "deep" or count > _QUICK else 0


def told(found: Inspected) -> list[str]:
    """In how many records something was looked for, and the gravest findings, a line each."""
    looked_at, every = (
        sum(sum(card[key].values()) for card in found.cards.values())
        for key in ("looked_at", "records")
    )
    lines = gravest(found.cards)
    ends = ":" if lines else ", found nothing that harms"
    return [f"looked at {looked_at:,} of {every:,} records{ends}", *lines]


def _loaded(built: Built, most: int) -> Loaded:
    return Loaded.of(built.tasks, built.recipe.tasks, most)
