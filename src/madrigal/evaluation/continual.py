"""What later stages did to earlier tasks: average, backward and forward transfer, forgetting.

Definitions in terms of R[i][j], the score on task j after stage i, with i = 0 the base model. Only
scores from 0 to 1 with higher better enter; the others have no common scale. A stage may train
several tasks, and a task may be trained in several stages: `first` and `last` are the first and the
last stage that trains it, and N is the number of stages.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from madrigal.evaluation.intervals import Drawn, Resampling
from madrigal.evaluation.parts import Part, Summary, change, combined, level, mean, summary

Matrix = Sequence[Mapping[str, Drawn]]  # by stage, the base model first


def continual(
    matrix: Matrix, learned: Sequence[Sequence[str]], resampling: Resampling
) -> dict[str, Summary | None]:
    """`average`, `bwt`, `fwt` and `forgetting`; None where no task has what a definition needs.

    - average: mean over trained tasks of R[N][j]
    - bwt (Lopez-Paz and Ranzato, 2017): mean over tasks with last < N of R[N][j] - R[last][j]
    - fwt, against the base model: mean over tasks with first > 1 of R[first - 1][j] - R[0][j]
    - forgetting ("seen"; Chaudhry et al., 2018): mean over tasks with last < N of the maximum of
      R[i][j] over first <= i < N, minus R[N][j]
    """
    if len(matrix) != len(learned) + 1:
        raise ValueError("continual needs one row a stage and the base model's in front")
    end = len(learned)
    trained = list(dict.fromkeys(task for stage in learned for task in stage))
    first = {t: next(i for i, s in enumerate(learned, 1) if t in s) for t in trained}
    last = {t: max(i for i, s in enumerate(learned, 1) if t in s) for t in trained}
    earlier = [t for t in trained if last[t] < end]

    def moved(task: str, before: int, after: int) -> Part:
        return change(matrix[before][task], matrix[after][task], resampling.confidence)

    def forgotten(task: str) -> Part:
        losses = [moved(task, end, stage) for stage in range(first[task], end)]
        return combined(lambda table: table.max(axis=0), losses)

    def over(tasks: Sequence[str], part: Callable[[str], Part]) -> Summary | None:
        parts = []
        for task in tasks:
            with contextlib.suppress(KeyError):  # not evaluated where the definition looks
                parts.append(part(task))
        return summary(mean(parts), resampling) if parts else None

    return {
        "average": over(trained, lambda t: level(matrix[end][t])) if end else None,
        "bwt": over(earlier, lambda t: moved(t, last[t], end)),
        "fwt": over([t for t in trained if first[t] > 1], lambda t: moved(t, 0, first[t] - 1)),
        "forgetting": over(earlier, forgotten),
    }
