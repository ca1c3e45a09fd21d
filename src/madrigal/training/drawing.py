"""The examples of a step: those of the schedule, or answers of the model's own in their place."""

from collections.abc import Iterator, Sequence

from madrigal.mixture.row import Draw
from madrigal.tasks.encoded import Example
from madrigal.training.acting import Acting
from madrigal.training.chance import CHANCES, derive
from madrigal.training.progress import Progress
from madrigal.training.record import Event, Observer
from madrigal.training.stage_run import StageRun

# Examples with their tasks, and what each was drawn evenly over.
Drawn = tuple[list[tuple[str, Example]], list[str]]


def drawn(run: StageRun, progress: Progress, step: int) -> Drawn:
    """The examples of a step (from 0), without those of tasks that left the mixture.

    Raises:
        RunStopped: the model's own answers cannot be had now.
    """
    draws = [
        draw
        for place, draw in enumerate(run.source.draws(step))
        if draw.task not in progress.done or _maintains(run, step, place)
    ]
    held = run.strata
    own = {} if run.acting is None else _acted(run.acting, step, draws)
    found, strata = [], []
    for draw in draws:
        given = run.examples[draw.task][draw.index]
        example = next(own[draw.task]) if draw.task in own else given
        if example is not None:
            found.append((draw.task, example))
            strata.append(held[draw.task][draw.index] if draw.task in held else "")
    return found, strata


def _acted(acting: Acting, step: int, draws: Sequence[Draw]) -> dict[str, Iterator[Example | None]]:
    """What the model answers to the prompts among the draws, by task in their order."""
    prompts: dict[str, list[int]] = {}
    for draw in draws:
        if draw.task in acting.tasks:
            prompts.setdefault(draw.task, []).append(draw.index)
    return {task: iter(some) for task, some in acting.answered(step, prompts).items()}


def tell(acting: Acting, step: int, observe: Observer) -> None:
    """Have observed what was written for a step (from 1), and what it is a sign of."""
    for rollout in acting.told():
        observe(rollout)
        if rollout.remark:
            observe(Event(step, "unrewarded", f"{rollout.task}: {rollout.remark}"))
    for sign in acting.signs():
        observe(Event(step, "sign", f"{sign.task}: {sign.text}"))


def _maintains(run: StageRun, step: int, place: int) -> bool:
    """Whether a task that left the mixture keeps its example at this place of the step."""
    rule, parts = run.settings.early_stop, run.parts
    share = rule.maintenance if rule else 0.0
    return derive(parts.seed, "maintenance", parts.stage, step, place) < share * CHANCES
