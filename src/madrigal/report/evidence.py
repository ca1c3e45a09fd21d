"""What is known about one task that was hurt: scores, gradients, data, validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.evaluation.interference import Interference, Pair
from madrigal.evaluation.task_gradients import Affinity, TaskGradient
from madrigal.report import numbers
from madrigal.report.curves import by_task, totals
from madrigal.report.figures import Point
from madrigal.report.folder import RunFolder, StageLog
from madrigal.report.interference import Measured
from madrigal.report.scoreboard import Difference, Scoreboard, TaskScores


@dataclass(frozen=True, slots=True)
class Evidence:
    """One task against its single-task model, in the stage that tells most about it."""

    task: str
    metric: str
    difference: Difference
    lower_is_better: bool
    stage: str
    own: str  # the last stage that trained it
    later: str | None  # the last stage of the run, where that is another
    own_score: numbers.Interval | None  # right after `own`
    final: numbers.Interval | None
    single: numbers.Interval | None
    found: Interference | None
    others: tuple[str, ...]  # tasks of the stage beside it
    share: float | None  # of the stage's examples
    examples: int | None  # to train on
    largest: tuple[str, int] | None  # the task with most, and how many
    validation: tuple[Point, ...]

    @property
    def conflicts(self) -> tuple[Pair, ...]:
        """The pairs of this task that conflict."""
        known = self.found.conflicts if self.found else ()
        return tuple(pair for pair in known if self.task in pair.tasks)

    @property
    def gradient(self) -> TaskGradient | None:
        return self.found.of(self.task) if self.found else None

    def given_by(self, giver: str) -> Affinity | None:
        """What another task's steps did to this one."""
        known = self.found.affinities if self.found else ()
        return next((a for a in known if (a.giver, a.receiver) == (giver, self.task)), None)

    def other(self, pair: Pair) -> str:
        """The other task of a pair."""
        return pair.second if pair.first == self.task else pair.first


def gather(
    run: RunFolder, board: Scoreboard, measured: Measured, stage: str | None = None
) -> tuple[Evidence, ...]:
    """Evidence for each task that is worse than its single-task model after Holm's correction.

    `stage` narrows it to the tasks that this stage trained, and to its gradients.
    """
    hurt = [t for t in board.tasks if t.from_single and t.from_single.settled == "worse"]
    logs = {log.name: log for log in run.stages}
    found = []
    for task in hurt:
        trained = [name for name, log in logs.items() if task.name in totals(log.steps, "loss")]
        trained = [name for name in trained if stage in (None, name)]
        if trained:
            log = logs[_telling(task.name, trained, measured)]
            found.append(_evidence(run, board, measured, task, log, trained[-1]))
    return tuple(found)


def _telling(task: str, trained: Sequence[str], measured: Measured) -> str:
    """The last stage in which the task fought with another, else the last that trained it."""
    fought = [
        name
        for name in trained
        if name in measured and any(task in pair.tasks for pair in measured[name].conflicts)
    ]
    return (fought or trained)[-1]


def _evidence(
    run: RunFolder,
    board: Scoreboard,
    measured: Measured,
    task: TaskScores,
    log: StageLog,
    own: str,
) -> Evidence:
    assert task.from_single is not None
    rows = totals(log.steps, "rows")
    whole = sum(rows.values())
    names = list(totals(log.steps, "loss"))
    sizes = _sizes(run, names)
    largest = max(sizes.items(), key=lambda pair: pair[1]) if sizes else None
    return Evidence(
        task=task.name,
        metric=task.metric,
        difference=task.from_single,
        lower_is_better=task.lower_is_better,
        stage=log.name,
        own=own,
        later=board.last if board.last != own else None,
        own_score=task.scores.get(own),
        final=task.scores.get(board.last or ""),
        single=task.single,
        found=measured.get(log.name),
        others=tuple(name for name in names if name != task.name),
        share=rows.get(task.name, 0.0) / whole if whole else None,
        examples=sizes.get(task.name),
        largest=largest,
        validation=_validation(log, task.name),
    )


def _sizes(run: RunFolder, tasks: Sequence[str]) -> Mapping[str, int]:
    counts = {task: numbers.mapping(run.cards.get(task, {})).get("counts") for task in tasks}
    found = {
        task: numbers.number(numbers.mapping(part).get("train")) for task, part in counts.items()
    }
    return {task: int(size) for task, size in found.items() if size}


def _validation(log: StageLog, task: str) -> tuple[Point, ...]:
    """Validation scores in [0, 1], higher is better, over steps."""
    return tuple(
        (at, value)
        for row in log.validation
        if (at := numbers.number(row.get("step"))) is not None
        and (value := by_task(row, "scores").get(task)) is not None
    )
