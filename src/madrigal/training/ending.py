"""Whose weights a stage ends with: the last step's, the best, or the last that the guard passed."""

from madrigal.errors import RunStopped
from madrigal.training.acting import Sign
from madrigal.training.best_parts import BestParts
from madrigal.training.checkpoint import load_checkpoint, restore
from madrigal.training.progress import Progress
from madrigal.training.record import Event, Observer
from madrigal.training.stage_run import StageRun


def last_look(run: StageRun, progress: Progress, observe: Observer) -> None:
    """Have the stage end where all was well if its last answers are a sign that all is not."""
    if run.acting is None or progress.stopped:
        return
    for sign in run.acting.last_look():
        text = f"{sign.task}: {sign.text}"
        observe(Event(progress.step, "sign", text))
        if sign.then != "say":
            progress.stopped, progress.guarded = text, True


def look(run: StageRun, progress: Progress, observe: Observer, last: bool) -> Sign | None:
    """Have the likeliest answers judged before the weights are kept; the gravest sign, if any asks
    for more than words."""
    found = None if run.acting is None or progress.stopped else run.acting.look(progress.step, last)
    if found is None:
        return None
    for one in found.told:
        observe(one)
    for sign in found.signs:
        observe(Event(progress.step, sign.kind, f"{sign.task}: {sign.text}"))
    if found.sound:
        progress.sound_step = progress.step
    else:
        progress.doubt()
    graves = [sign for sign in found.signs if sign.then != "say"]
    return min(graves, key=lambda sign: sign.then != "stop", default=None)


def end_with_result(run: StageRun, progress: Progress, best_parts: BestParts) -> None:
    """Give the model the weights that are the stage's result.

    Raises:
        RunStopped: the guard asks for a checkpoint that is gone.
    """
    if progress.guarded:
        _end_where_it_was_quiet(run, progress)
        return
    if run.settings.early_stop is None or progress.best_step is None:
        return
    found = load_checkpoint(run.checkpoints, progress.best_step)
    if found is not None:
        restore(run.parts.model, None, found)
        best_parts.put_back(progress.done)
        progress.ends_with_best = True


def _end_where_it_was_quiet(run: StageRun, progress: Progress) -> None:
    step = progress.safe_step
    assert step is not None
    found = load_checkpoint(run.checkpoints, step)
    if found is None:
        raise RunStopped(
            f"stage {run.settings.name}: the guard asks for step {step}, whose checkpoint is "
            "missing or damaged; write `guard.then: stop`, or start anew"
        )
    restore(run.parts.model, None, found)
