"""A stage of training: steps, validations, checkpoints, and what to do when a step goes wrong."""

import copy
import math
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from torch import Tensor

from madrigal.errors import RunStopped
from madrigal.gradients.memory import Memory
from madrigal.model.dropout import without_dropout
from madrigal.training.acting import Acting, Sign
from madrigal.training.balancer import update_balancer
from madrigal.training.best_parts import BestParts
from madrigal.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    prune,
    restore,
    save_checkpoint,
    snapshot,
    under,
)
from madrigal.training.drawing import Drawn, drawn, tell
from madrigal.training.ending import end_with_result, last_look, look
from madrigal.training.files import flush
from madrigal.training.guard import Guard
from madrigal.training.interrupt import finish_step_on_interrupt
from madrigal.training.lockstep import by_first
from madrigal.training.look_ahead import look_ahead
from madrigal.training.optimiser import build_optimiser, clip, learning_rate, step_metric
from madrigal.training.progress import Progress, judge, leaving_events
from madrigal.training.record import Event, Observer, Validation
from madrigal.training.stage_run import StageRun, Validate
from madrigal.training.step import Gradient, compute_gradient, record_of, verify_split

BAD_STEPS_BEFORE_ROLLBACK = 3
ROLLBACKS_BEFORE_STOP = 2
CHECKPOINTS_KEPT = 2


class _Trainer:
    """A stage under way: the optimiser, how far it is, and the moves that change either."""

    def __init__(self, run: StageRun, observe: Observer) -> None:
        self.run = run
        self.observe = observe
        self.optimiser = build_optimiser(run.settings.optimiser, run.parts.model)
        self.progress = Progress()
        self.kept: dict[str, Any] | None = None  # state of the last checkpoint written here
        self.verified = False  # that gradients split by task add up
        self.best_parts = BestParts(run.parts.model, run.settings.early_stop)
        found = newest_checkpoint(run.checkpoints)
        # The first one may write a checkpoint before another is here.
        self.fresh = run.parts.processes.from_first(found is None)
        if found is not None:
            self._go_to(found)
            self.progress = Progress.load(found.state["progress"])
            self.best_parts.load(found.moments)

    def save(self, regular: bool = True) -> None:
        """Keep things as they are now; only one process writes.

        A roll-back returns to a regular checkpoint, never to one that an interruption left: an
        interrupted run must go the way of one that was not.
        """
        run, processes = self.run, self.run.parts.processes
        if regular:
            self.progress.regular_step = self.progress.step
        state = {
            "progress": self.progress.state_dict(),
            "balancer": run.parts.balancer.state_dict(),
        }
        if run.acting is not None:
            state["acting"] = run.acting.state_dict()
        if state == self.kept:  # the best one may also be due
            return
        self.kept = copy.deepcopy(state)
        if processes.first:
            # A power cut must not take lines of steps that the checkpoint says are done.
            for told in run.checkpoints.parent.glob("*.jsonl"):
                flush(told)
            kept = snapshot(run.parts.model, self.optimiser, self.progress.step, state)
            memory = self._memory()
            if memory is not None:
                kept.moments.update({f"memory/{k}": v for k, v in memory.tensors().items()})
            kept.moments.update(self.best_parts.tensors())
            if run.acting is not None:
                kept.moments.update({f"acting/{k}": v for k, v in run.acting.tensors().items()})
            save_checkpoint(run.checkpoints, kept)
            prune(run.checkpoints, CHECKPOINTS_KEPT, self.progress.needed())
        processes.wait()

    def _go_to(self, found: Checkpoint) -> None:
        """Weights, optimiser, balancer, remembered gradients and answers as they were."""
        restore(self.run.parts.model, self.optimiser, found)
        self.run.parts.balancer.load_state_dict(found.state["balancer"])
        memory = self._memory()
        if memory is not None:
            memory.load_tensors(under("memory/", found.moments))
        if self.run.acting is not None:
            self.run.acting.load(found.state["acting"], under("acting/", found.moments))

    def _memory(self) -> Memory | None:
        split = self.run.parts.split
        return None if split is None else split.memory

    def step(self) -> None:
        """One optimiser step, or a skipped one, observed."""
        began = time.perf_counter()
        number = self.progress.step
        rate = learning_rate(self.run.settings.optimiser, number, self.run.source.steps)
        examples, strata = self._drawn(number)
        self.progress.step += 1
        if not examples:
            return
        if not self.verified:
            verify_split(self.run.parts, number, examples)
            self.verified = True
        metric = step_metric(self.run.parts.split, self.optimiser)
        gradient = compute_gradient(self.run.parts, number, examples, metric, strata)
        looked = self._look_ahead(gradient, number, rate, metric)
        norm = clip(self.run.parts.model, self.run.settings.optimiser.clip)
        finite = math.isfinite(norm) and all(math.isfinite(x) for x in gradient.loss.values())
        if finite:
            self._apply(rate)
            update_balancer(self.run, gradient)
            self.progress.bad_steps = 0
        self.optimiser.zero_grad(set_to_none=True)
        spent = time.perf_counter() - began
        record = record_of(self.progress.step, gradient, norm, rate, spent, finite)
        self.observe(replace(record, look_ahead=looked))
        if not finite:
            self._after_bad_step(gradient)

    def _drawn(self, step: int) -> Drawn:
        """The examples of a step; none where the model went back instead."""
        acting = self.run.acting
        try:
            found = drawn(self.run, self.progress, step)
        except RunStopped:
            self.save(regular=False)  # the steps so far are good, and later the same may succeed
            raise
        if acting is None:
            return found
        tell(acting, step + 1, self.observe)
        signs = acting.signs()
        self.progress.note(len(acting.told()), [*signs, *acting.last_look()], acting.window)
        grave = next((sign for sign in signs if sign.then != "say"), None)
        if grave is None:
            return found
        self._go_back(acting, grave, step + 1)
        return [], []

    def look(self, last: bool) -> None:
        """Have the likeliest answers judged before the weights are kept."""
        grave = look(self.run, self.progress, self.observe, last)
        if grave is not None and self.run.acting is not None:
            self._go_back(self.run.acting, grave, self.progress.step)

    def _go_back(self, acting: Acting, sign: Sign, step: int) -> None:
        """To where all was well, to go on from there more carefully, or to end there."""
        progress = self.progress
        assert progress.safe_step is not None
        if sign.then == "stop":
            progress.stopped, progress.guarded = f"{sign.task}: {sign.text}", True
            return
        found = load_checkpoint(self.run.checkpoints, progress.safe_step)
        if found is None:
            raise RunStopped(
                f"stage {self.run.settings.name}: {sign.task}: {sign.text} The checkpoint of step "
                f"{progress.safe_step}, to go back to, is missing or damaged; start anew"
            )
        care = acting.care()
        self._go_to(found)
        acting.went_back(care, sign.task)
        progress.sound_step = found.step  # none of those since
        text = f"{sign.task}: model and optimiser taken back to step {found.step}."
        self.observe(Event(step, "rolled_back", text))

    def _look_ahead(
        self, gradient: Gradient, step: int, rate: float, metric: Tensor | None
    ) -> dict[str, float]:
        every, split = self.run.look_ahead_every, self.run.parts.split
        if every == 0 or step % every or split is None or not split.measures(step):
            return {}
        return look_ahead(gradient, split, rate, self.run.settings.optimiser.clip, metric)

    def _apply(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()

    def _after_bad_step(self, gradient: Gradient) -> None:
        """Skip; after several in a row go back to the last checkpoint's weights; then give up.

        The step counter goes on: chance is a function of the step, so going back to an earlier
        step would meet the same examples and the same failure.
        """
        self.progress.bad_steps += 1
        step = self.progress.step
        bad = sorted(t for t, x in gradient.loss.items() if not math.isfinite(x)) or ["gradient"]
        self.observe(Event(step, "skipped", f"Step {step} skipped: non-finite {', '.join(bad)}."))
        if self.progress.bad_steps < BAD_STEPS_BEFORE_ROLLBACK:
            return
        found = load_checkpoint(self.run.checkpoints, self.progress.regular_step)
        if self.progress.rollbacks >= ROLLBACKS_BEFORE_STOP or found is None:
            raise RunStopped(
                f"stage {self.run.settings.name}: {self.progress.bad_steps} non-finite steps in a "
                f"row at step {step} ({', '.join(bad)}); the last good checkpoint is kept: lower "
                "optimiser.learning_rate, or look at these tasks' data"
            )
        self._go_to(found)
        # The checkpoint may be from before they left.
        self.best_parts.put_back(self.progress.done, self.optimiser)
        self.progress.rollbacks += 1
        self.progress.bad_steps = 0
        text = f"Weights and optimiser taken back to step {found.step} after non-finite steps."
        self.observe(Event(step, "rolled_back", text))

    def validate(self) -> None:
        """Score the validation sets, note gains, let tasks leave, keep the best, ask the guard."""
        if self.run.validate is not None:
            self._judge(self.run.validate)
        if self.run.guard is not None:
            self._ask(self.run.guard)

    def _ask(self, guard: Guard) -> None:
        """End the stage where the guard says so; else remember that all was well here."""
        processes, progress = self.run.parts.processes, self.progress
        said = processes.from_first(by_first(processes, self.run.parts.model, guard.tripped))
        if said:
            progress.stopped, progress.guarded = said, guard.roll_back
            self.observe(Event(progress.step, "guard", said))
        elif guard.roll_back:
            progress.safe_step = progress.step
            self.save()

    def _judge(self, validate: Validate) -> None:
        processes = self.run.parts.processes
        # One process measures: rounding must not make two of them decide differently.
        found = by_first(processes, self.run.parts.model, validate)
        scores = processes.from_first(dict(found or {}))
        best, leaving = judge(self.progress, self.run.settings.early_stop, scores)
        mean = sum(scores.values()) / len(scores)
        self.observe(Validation(self.progress.step, scores, mean, best))
        self.best_parts.keep(task for task in scores if self.progress.gained(task))
        self.best_parts.put_back(leaving, self.optimiser)
        for event in leaving_events(self.progress, self.run.settings.early_stop, leaving):
            self.observe(event)
        if self.progress.stopped:
            self.observe(Event(self.progress.step, "early_stop", self.progress.stopped))
        if best:
            self.save()


def train(run: StageRun, observe: Observer) -> Progress:
    """Train a stage to its end, from its newest checkpoint if it has one.

    Raises:
        RunStopped: non-finite losses that skipping and going back did not cure; disk full.
        KeyboardInterrupt: after Ctrl+C, once a checkpoint is written.
    """
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(run, observe)
    progress, steps = trainer.progress, run.source.steps
    if trainer.fresh:
        guarded = run.guard is not None or run.acting is not None
        progress.safe_step = 0 if guarded else None
        progress.candidate_step = 0 if run.acting is not None else None
        trainer.look(False)
        trainer.save()  # what a roll-back returns to before the first regular checkpoint
    run.parts.model.network.train()
    # Answers are to be trained as likely as they were when they were written.
    undropped = nullcontext() if run.acting is None else without_dropout(run.parts.model.network)
    with finish_step_on_interrupt() as interrupt, undropped:
        while progress.step < steps and not progress.stopped:
            trainer.step()
            if run.validate_every and progress.step % run.validate_every == 0:
                trainer.validate()
                run.parts.model.network.train()
            if progress.step == steps:
                last_look(run, progress, observe)
            last = progress.step == steps or bool(progress.stopped)
            interrupted = run.parts.processes.any_(interrupt.pressed, run.parts.model.device)
            if last or progress.step % run.settings.checkpoint_every == 0:
                trainer.look(last)
                trainer.save()
            elif interrupted:
                trainer.save(regular=False)
            if interrupted:
                raise KeyboardInterrupt
    end_with_result(run, progress, trainer.best_parts)
    run.parts.model.network.eval()
    return progress
