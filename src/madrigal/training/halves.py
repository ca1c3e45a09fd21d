"""Which half of its task's examples each example of a step belongs to."""

from collections import Counter
from collections.abc import Sequence

from madrigal.training.chance import derive


def halves(
    tasks: Sequence[str], strata: Sequence[str] | None, seed: int, *chance: int | str
) -> list[int]:
    """0 or 1 for each example, whose task and stratum (where they were drawn by one) are given.

    The product of the halves' gradients estimates |E g|^2 without noise only where the halves hold
    the same mixture. So each stratum is cut evenly: strata take turns in the draws, and halves that
    took turns as well could hold one label each, whose gradients point away from each other. Where
    one is left over, the next stratum's first goes to the other half; which half comes first is
    chance.
    """
    found = [0] * len(tasks)
    for task in dict.fromkeys(tasks):
        mine = [place for place, name in enumerate(tasks) if name == task]
        if strata is not None:
            mine.sort(key=lambda place: strata[place])
        first = derive(seed, "halves", *chance, task)
        for number, place in enumerate(mine):
            found[place] = (first + number) % 2
    return found


def unevenly_cut(tasks: Sequence[str], strata: Sequence[str] | None) -> frozenset[str]:
    """Tasks whose halves do not hold the same strata.

    Where a stratum has an odd number of the task's examples in the step, the halves are further
    apart than chance would have them: their product comes out too small, by up to the variance
    between strata, and is no estimate of |E g|^2.
    """
    if strata is None:
        return frozenset()
    held = Counter(zip(tasks, strata, strict=True))
    several = {task for task, many in Counter(task for task, _ in held).items() if many > 1}
    return frozenset(task for (task, _), count in held.items() if count % 2 and task in several)
