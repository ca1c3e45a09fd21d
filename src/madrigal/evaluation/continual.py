"""What later stages did to earlier tasks: average, learning, transfer, forgetting.

Definitions in terms of R[i][j], the score on task j after stage i, with i = 0 the base model. Only
scores from 0 to 1 with higher better enter; the others have no common scale. A stage may train
several tasks, and a task may be trained in several stages: `first` and `last` are the first and the
last stage that trains it, and N is the number of stages. With one task a stage, each in its turn,
`last` of the j-th task is j, N is the number of tasks T, and the usual formulas result: their
denominators are T for `average` and `learning_accuracy`, and T - 1 for the others.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from madrigal.evaluation.intervals import Drawn, Resampling
from madrigal.evaluation.parts import Part, Summary, change, combined, level, mean, summary

Row = Mapping[str, Drawn]  # by task
Matrix = Sequence[Row]  # by stage, the base model first


@dataclass(frozen=True, slots=True)
class Order:
    """Which stage trained which task: `learned` of a run, and what follows from it.

    Stage 0 taught `before`: a run that goes on from another begins with these.
    """

    learned: Sequence[Sequence[str]]
    before: Sequence[str] = ()

    @property
    def end(self) -> int:
        """Number of the last stage, from 1."""
        return len(self.learned)

    @property
    def trained(self) -> list[str]:
        """Every task that is trained, in the order in which it comes in."""
        return list(dict.fromkeys(task for stage in (self.before, *self.learned) for task in stage))

    @property
    def earlier(self) -> list[str]:
        """Tasks that the last stage does not train: what they are since, others have made."""
        return [task for task in self.trained if self.last(task) < self.end]

    def first(self, task: str) -> int:
        """The first stage that trains the task, from 1; 0 for one that was taught before."""
        return next(i for i, stage in enumerate((self.before, *self.learned)) if task in stage)

    def last(self, task: str) -> int:
        """The last stage that trains the task, from 1; 0 for one that was only taught before."""
        return max(i for i, stage in enumerate((self.before, *self.learned)) if task in stage)


def continual(
    matrix: Matrix,
    learned: Sequence[Sequence[str]],
    resampling: Resampling,
    before: Sequence[str] = (),
) -> dict[str, Summary | None]:
    """All measures of one run; None where no task has what a definition needs.

    - average: mean over trained tasks of R[N][j]
    - learning_accuracy: mean over trained tasks of R[last][j], the diagonal of the matrix
    - bwt (Lopez-Paz and Ranzato, 2017): mean over tasks with last < N of R[N][j] - R[last][j]
    - fwt, against the base model: mean over tasks with first > 1 of R[first - 1][j] - R[0][j]
    - forgetting ("seen"; Chaudhry et al., 2018): mean over tasks with last < N of the maximum of
      R[i][j] over first <= i < N, minus R[N][j]
    - forgetting_any: the same with the maximum over 0 <= i < N, so that losing what the base model
      or an earlier stage knew counts too; tasks that lack one of these scores are left out

    Where every cell is evaluated, average = learning_accuracy + bwt x (earlier tasks / all tasks),
    forgetting >= -bwt and forgetting_any >= forgetting.
    """
    if len(matrix) != len(learned) + 1:
        raise ValueError("continual needs one row a stage and the base model's in front")
    order = Order(learned, before)
    end, earlier = order.end, order.earlier

    def moved(task: str, before: int, after: int) -> Part:
        return change(matrix[before][task], matrix[after][task], resampling.confidence)

    def forgotten(task: str, since: int) -> Part:
        losses = [moved(task, end, stage) for stage in range(since, end)]
        return combined(lambda table: table.max(axis=0), losses)

    def over(tasks: Sequence[str], part: Callable[[str], Part]) -> Summary | None:
        return mean_over(tasks, part, resampling)

    later = [task for task in order.trained if order.first(task) > 1]
    return {
        "average": over(order.trained, lambda t: level(matrix[end][t])) if end else None,
        "learning_accuracy": over(order.trained, lambda t: level(matrix[order.last(t)][t])),
        "bwt": over(earlier, lambda t: moved(t, order.last(t), end)),
        "fwt": over(later, lambda t: moved(t, 0, order.first(t) - 1)),
        "forgetting": over(earlier, lambda t: forgotten(t, order.first(t))),
        "forgetting_any": over(earlier, lambda t: forgotten(t, 0)),
    }


def plasticity_gap(
    matrix: Matrix, learned: Sequence[Sequence[str]], single: Row, resampling: Resampling
) -> Summary | None:
    """Mean over trained tasks of R[last][j] - b_j, with b_j the single-task model's score.

    Below 0: what the run carries with it costs some of what it could learn. This is what SAPT's
    code calls forward transfer, with the run's own single-task models instead of a constant. None
    where no trained task has a single-task model.
    """
    order = Order(learned)
    return mean_over(
        order.trained,
        lambda t: change(single[t], matrix[order.last(t)][t], resampling.confidence),
        resampling,
    )


def intransigence(
    matrix: Matrix, learned: Sequence[Sequence[str]], reference: Row, resampling: Resampling
) -> Summary | None:
    """Mean over trained tasks of a_j - R[last][j], with a_j the score of a reference model: trained
    on all tasks together, or on task j alone.

    Chaudhry et al., 2018 (RWalk): I_k = a*_k - R[k][k], where a*_k is the score on task k of a
    model trained on tasks 1 to k together. Above 0: learning one after another learnt less.
    Differs from the paper: a mean over tasks, and the reference may be one model trained on all
    tasks, which is the paper's for the last task and one with more data for the others, or a model
    of the task alone, which is the paper's for the first.
    """
    order = Order(learned)
    return mean_over(
        order.trained,
        lambda t: change(matrix[order.last(t)][t], reference[t], resampling.confidence),
        resampling,
    )


def general_change(
    before: Row, after: Row, tasks: Iterable[str], resampling: Resampling
) -> Summary | None:
    """Mean over general tasks of R[N][g] - R[0][g]: what training did to abilities it never named.

    TRACE's delta of general ability (Wang et al., 2023).
    """
    return mean_over(
        list(tasks), lambda t: change(before[t], after[t], resampling.confidence), resampling
    )


def mean_over(
    tasks: Sequence[str], part: Callable[[str], Part], resampling: Resampling
) -> Summary | None:
    """The mean of a part of each task, over those that were evaluated where it looks; None if none
    was."""
    parts = []
    for task in tasks:
        with contextlib.suppress(KeyError):  # not evaluated where the definition looks
            parts.append(part(task))
    return summary(mean(parts), resampling) if parts else None
