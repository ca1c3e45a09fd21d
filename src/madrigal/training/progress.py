"""How far a stage has come: the small state that decides, and that a checkpoint keeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from madrigal.recipe.stage import EarlyStop
from madrigal.training.acting import Sign
from madrigal.training.record import Event


@dataclass
class Progress:
    """Everything that a stage's decisions depend on beside tensors and the balancer."""

    step: int = 0  # steps done
    bad_steps: int = 0  # non-finite steps in a row
    rollbacks: int = 0
    regular_step: int = 0  # last checkpoint of the schedule, not of an interruption
    best: float | None = None  # best mean validation score
    best_step: int | None = None
    without_gain: int = 0  # validations in a row without a gain
    task_best: dict[str, float] = field(default_factory=dict)
    task_best_step: dict[str, int] = field(default_factory=dict)
    task_without_gain: dict[str, int] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)  # tasks that left the mixture
    stopped: str = ""  # why the stage ended early
    ends_with_best: bool = False  # the stage's result is the best checkpoint, not the last
    safe_step: int | None = None  # the last validation at which the guard was quiet
    calm: int = 0  # rollouts without a sign since the checkpoint of `candidate_step`
    candidate_step: int | None = None  # it is safe once there were enough of them
    sound_step: int | None = None  # last regular checkpoint whose likeliest answers were well
    guarded: bool = False  # the guard ended the stage, and its result is that of `safe_step`

    def gained(self, task: str) -> bool:
        """Whether the last validation was a task's best so far."""
        return self.task_best_step.get(task) == self.step

    def needed(self) -> set[int]:
        """Steps whose checkpoints a later decision may go back to."""
        held = (self.best_step, self.safe_step, self.candidate_step, self.sound_step)
        return {step for step in held if step is not None} | {self.regular_step}

    def note(self, rollouts: int, signs: Sequence[Sign], window: int) -> None:
        """Take in rollouts and what they are a sign of, were the stage to end here too: a
        checkpoint is safe to go back to when `window` rollouts after it gave none."""
        if signs:
            self.doubt()
            return
        self.calm += rollouts
        if self.calm >= window and rollouts:
            self.safe_step, self.candidate_step = self.candidate_step, self.sound_step
            self.calm = 0

    def doubt(self) -> None:
        """Begin to count anew: what came since the safe step may not be well."""
        self.calm, self.candidate_step = 0, self.safe_step

    @property
    def result_step(self) -> int:
        """The step whose weights are the stage's result."""
        if self.guarded and self.safe_step is not None:
            return self.safe_step
        return self.best_step if self.ends_with_best and self.best_step is not None else self.step

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Progress":
        return cls(**state)


def judge(
    progress: Progress, rule: EarlyStop | None, scores: Mapping[str, float]
) -> tuple[bool, list[str]]:
    """Take in validation scores (higher is better). Returns whether they are the best so far, and
    the tasks that leave the mixture now."""
    mean = sum(scores.values()) / len(scores)
    gain = rule.min_gain if rule else 0.0
    best = progress.best is None or mean > progress.best + gain
    if best:
        progress.best, progress.best_step, progress.without_gain = mean, progress.step, 0
    else:
        progress.without_gain += 1
    leaving = []
    for task, score in scores.items():
        if task not in progress.task_best or score > progress.task_best[task] + gain:
            progress.task_best[task], progress.task_without_gain[task] = score, 0
            progress.task_best_step[task] = progress.step
        else:
            progress.task_without_gain[task] = progress.task_without_gain.get(task, 0) + 1
        late = rule is not None and progress.task_without_gain[task] >= rule.patience
        if rule is not None and rule.per_task and late and task not in progress.done:
            progress.done.append(task)
            leaving.append(task)
    if rule is not None and progress.without_gain >= rule.patience:
        progress.stopped = (
            f"validation did not gain for {rule.patience} evaluations; "
            f"the best was {progress.best:.4f} after step {progress.best_step}"
        )
    if rule is not None and rule.per_task and set(scores) <= set(progress.done):
        progress.stopped = "every task stopped gaining on its own"
    return best, leaving


def leaving_events(
    progress: Progress, rule: EarlyStop | None, leaving: Sequence[str]
) -> Iterator[Event]:
    """What is told of the tasks that leave the mixture now."""
    if rule is None:
        return
    rest = f" but for {rule.maintenance:.0%} of its examples" if rule.maintenance else ""
    for task in leaving:
        text = f"Task {task} stopped gaining and leaves the mixture{rest}."
        yield Event(progress.step, "task_done", text)
        if rule.roll_back:
            best = f"step {progress.task_best_step[task]} ({progress.task_best[task]:.4f})"
            text = (
                f"The private part of task {task} goes back to {best}, its best, and stays there."
            )
            yield Event(progress.step, "task_rolled_back", text)
