"""Who does which trial, where one machine works in one folder."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from madrigal.sweep.draw import points
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.knob import Values
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial


@runtime_checkable
class Ledger(Protocol):
    """Hands out trials, and is told what became of them."""

    def next(self, running: Collection[int]) -> Trial | None:
        """The trial to begin or to go on with; None where there is none at the moment."""
        ...

    def tell(self, trial: Trial) -> None:
        """What became of a trial."""
        ...

    def trials(self) -> list[Trial]:
        """All that is known, by number."""
        ...

    def forget_failed(self) -> None:
        """Make the failed trials go on where they stopped."""
        ...


# Number, what is over, what is running -> values.
Propose = Callable[[int, Sequence[Trial], Sequence[Trial]], Values]


class FolderLedger:
    """Trials of one folder, in the order of their numbers.

    With `workers` w, trial N is proposed from what came of trials up to N - w, whoever was faster;
    so a sweep that was killed gives the same trials as one that was not.
    """

    def __init__(
        self, plan: Plan, first: Values, folder: SweepFolder, workers: int, propose: Propose | None
    ) -> None:
        self._plan, self._folder, self._workers, self._propose = plan, folder, workers, propose
        self._points = points(plan.knobs, plan.seed, plan.trials, first)
        self._known = folder.trials()

    def next(self, running: Collection[int]) -> Trial | None:
        for number in range(self.most()):
            trial = self._known.get(number)
            if trial is None:
                return self._new(number)
            if not trial.over and number not in running:
                return trial
        return None

    def most(self) -> int:
        """How many trials there will be: fewer than asked for where there are no more points."""
        return len(self._points)

    def _new(self, number: int) -> Trial | None:
        values: Values = self._points[number]
        if self._propose is not None and number > 0:
            before = [self._known[n] for n in range(number - self._workers + 1) if n in self._known]
            if any(not trial.over for trial in before):
                return None  # the proposal needs what comes of a trial that is running
            beside = range(max(0, number - self._workers + 1), number)
            values = self._propose(number, before, [self._known[n] for n in beside])
        trial = Trial(number, values, run=str(self._folder.run(number)))
        self._keep(trial)
        return trial

    def tell(self, trial: Trial) -> None:
        self._keep(trial)

    def _keep(self, trial: Trial) -> None:
        self._known[trial.number] = trial
        self._folder.keep(trial)

    def trials(self) -> list[Trial]:
        return [self._known[number] for number in sorted(self._known)]

    def forget_failed(self) -> None:
        """Make the failed trials go on where they stopped."""
        for trial in self.trials():
            if trial.state == "failed":
                self._keep(replace(trial, state="planned", why=""))
