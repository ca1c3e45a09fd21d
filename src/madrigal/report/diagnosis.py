"""The verdict on interference: which tasks were hurt, by whom, how sure, and what to try."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.errors import RunFolderError
from madrigal.report import fights, numbers
from madrigal.report.evidence import Evidence, gather
from madrigal.report.folder import RunFolder
from madrigal.report.interference import Measured
from madrigal.report.numbers import counted
from madrigal.report.remedies import Remedy, remedies
from madrigal.report.scoreboard import Scoreboard, TaskScores, label

_NAMED = 4


@dataclass(frozen=True, slots=True)
class Hurt:
    """A task that is worse than its single-task model, and what to try."""

    task: str
    loss: str  # in points, with interval and p
    sentence: str
    known: Evidence
    remedies: tuple[Remedy, ...]

    @property
    def only_forgot(self) -> bool:
        """Whether a later stage is all that there is to it."""
        return all(remedy.name == "forgetting" for remedy in self.remedies)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`verdict` is one sentence, `fights` each stage's conflicts, `notes` what is not known."""

    verdict: str
    hurt: tuple[Hurt, ...]
    fights: tuple[tuple[str, tuple[str, ...]], ...]  # stage, sentences
    notes: tuple[str, ...]


def diagnose(
    run: RunFolder, board: Scoreboard, measured: Measured, stage: str | None = None
) -> Diagnosis:
    """Read the verdict off the scores and the gradients of a run, or of one of its stages.

    A task is hurt where its paired difference to the single-task model of equal budget has an
    interval below 0 and a p that stays below the level after Holm's correction for all tasks.
    """
    chosen = stage_named(run, stage) if stage else None
    hurt = tuple(_hurt(known) for known in gather(run, board, measured, chosen))
    told = tuple(
        (label(name), fights.sentences(found))
        for name, found in measured.items()
        if chosen in (None, name)
    )
    judged = [task for task in board.tasks if task.from_single is not None]
    notes = [] if told else [fights.NOT_MEASURED]
    if hurt:
        notes.append(
            "The intervals speak of the test examples, not of the seed of training: repeat the run "
            "with another seed, and each remedy at equal budget, before you build on it."
        )
    conflicting = any(measured[name].conflicts for name in measured if chosen in (None, name))
    verdict = _verdict(hurt, judged, conflicting)
    return Diagnosis(verdict, hurt, told, (*_unseen(judged, hurt), *notes))


def stage_named(run: RunFolder, stage: str) -> str:
    """The folder of a stage by its name or its folder's; RunFolderError where there is none."""
    known = {label(log.name): log.name for log in run.stages}
    if stage in known.values():
        return stage
    if stage not in known:
        found = ", ".join(known) or "no stage at all"
        raise RunFolderError(f"{run.path}: no stage {stage!r}; found {found}")
    return known[stage]


def _verdict(hurt: Sequence[Hurt], judged: Sequence[TaskScores], conflicting: bool) -> str:
    if not judged:
        return (
            "No single-task models were scored, so whether a task was hurt is not known; "
            "`evaluate: {baselines: true}` trains them."
        )
    if hurt:
        names = fights.listed([each.task for each in hurt])
        of = f"{len(hurt)} of {counted(len(judged), 'task')}"
        was = "was" if len(hurt) == 1 else "were"
        return f"Sharing one model hurt {of}: {names} {was} better off alone."
    text = "No task was hurt: none is clearly worse than its single-task model"
    if conflicting:
        return f"{text}, although some pull against each other. There is nothing to remedy."
    return f"{text}. There is nothing to remedy."


def _hurt(known: Evidence) -> Hurt:
    difference = known.difference
    loss = numbers.difference(difference.interval, known.metric)
    p = f", {difference.p_words}" if difference.p_words else ""
    metric = numbers.metric_name(known.metric)
    sentence = f"{known.task}: {metric} {loss} against its single-task model{p}."
    return Hurt(known.task, f"{loss}{p}", sentence, known, remedies(known))


def _unseen(judged: Sequence[TaskScores], hurt: Sequence[Hurt]) -> tuple[str, ...]:
    """Tasks whose loss would have to be large to be seen: silence about them is no acquittal."""
    names = {each.task for each in hurt}
    coarse = [
        (task.name, task.from_single.detectable)
        for task in judged
        if task.name not in names
        and task.from_single is not None
        and not task.from_single.clear
        and not numbers.has_own_scale(task.metric)
        and (task.from_single.detectable or 0.0) > 0.05
    ]
    if not coarse:
        return ()
    worst = sorted(coarse, key=lambda pair: -(pair[1] or 0.0))[:_NAMED]
    told = fights.listed([f"{name} {numbers.plain(d or 0.0, '')}" for name, d in worst])
    return (f"Smaller losses than these points cannot be seen with so few test examples: {told}.",)
