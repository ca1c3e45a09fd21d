"""Who does which trial, where several machines share a data base of optuna's."""

import json
import socket
from collections.abc import Collection
from typing import Any

import optuna
from optuna.trial import TrialState

from madrigal.errors import RunFolderError, UserMistake
from madrigal.sweep.draw import points
from madrigal.sweep.folder import SweepFolder, identity, other_than
from madrigal.sweep.knob import Values
from madrigal.sweep.ledger import Propose
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial

_PLAN, _RECORD = "madrigal_plan", "madrigal_trial"


class StorageLedger:
    """Trials that a data base counts, so that every machine takes another number.

    Each machine has a folder of its own, with the trials that it took; a machine that was killed
    goes on with them when the same command is given again in that folder. Where trials are proposed
    from earlier ones, they are proposed from all that are over anywhere.
    """

    def __init__(
        self, plan: Plan, first: Values, folder: SweepFolder, url: str, propose: Propose | None
    ) -> None:
        self._plan, self._folder, self._propose = plan, folder, propose
        self._points = points(plan.knobs, plan.seed, plan.trials, first)
        self._study = _study(plan, url)
        self._own = folder.trials()
        self._open: dict[int, optuna.Trial] = {}

    def next(self, running: Collection[int]) -> Trial | None:
        for number in sorted(self._own):
            if not self._own[number].over and number not in running:
                return self._own[number]
        if len(self._study.get_trials(deepcopy=False)) >= len(self._points):
            return None
        asked = self._study.ask()
        number = asked.number
        self._open[number] = asked
        if number >= len(self._points):  # another machine was faster
            self._study.tell(asked, state=TrialState.FAIL)
            return None
        values: Values = self._points[number]
        if self._propose is not None and number > 0:
            known = [trial for trial in self.trials() if trial.number != number]
            over = [trial for trial in known if trial.over]
            values = self._propose(number, over, [t for t in known if not t.over])
        run = f"{socket.gethostname()}:{self._folder.run(number).resolve()}"
        trial = Trial(number, values, run=run)
        self._keep(trial)
        return trial

    def tell(self, trial: Trial) -> None:
        self._keep(trial)
        failed = trial.state == "failed"
        cost = None if failed else self._plan.aim.cost(trial.numbers())
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        self._study.tell(trial.number, cost, state=state, skip_if_finished=True)

    def trials(self) -> list[Trial]:
        found = []
        for frozen in self._study.get_trials(deepcopy=False):
            text = frozen.user_attrs.get(_RECORD)
            if text is not None:
                found.append(Trial(**json.loads(text)))
        return sorted(found, key=lambda trial: trial.number)

    def forget_failed(self) -> None:
        """Refused: the data base has closed these trials."""
        raise UserMistake("--retry-failed: has no effect with --storage; leave it out")

    def _keep(self, trial: Trial) -> None:
        self._own[trial.number] = trial
        self._folder.keep(trial)
        record = json.dumps(trial.to_json(), ensure_ascii=False)
        self._begun(trial.number).set_user_attr(_RECORD, record)

    def _begun(self, number: int) -> optuna.Trial:
        """The data base's own trial, also after this process began anew."""
        if number not in self._open:
            frozen = self._study.get_trials(deepcopy=False)[number]
            self._open[number] = optuna.trial.Trial(self._study, frozen._trial_id)
        return self._open[number]


def _study(plan: Plan, url: str) -> optuna.Study:
    """The sweep's study, made where there is none.

    Raises:
        UserMistake: the data base cannot be opened.
        RunFolderError: it holds another sweep under this name.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=url,
            study_name=plan.name,
            direction="minimize",
            sampler=optuna.samplers.RandomSampler(seed=plan.seed),
            load_if_exists=True,
        )
    except Exception as problem:  # each data base and driver has errors of its own
        said = " ".join(str(problem).split())[:200]
        cure = "write a URL of SQLAlchemy, as sqlite:///sweep.db or postgresql://USER@HOST/NAME"
        raise UserMistake(f"--storage {url}: cannot be opened: {said}; {cure}") from problem
    held: Any = study.user_attrs.get(_PLAN)
    if held is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_PLAN, identity(plan))
        return study
    other = other_than(plan, held)
    if other:
        raise RunFolderError(
            f"--storage {url}: holds a sweep {plan.name!r} with another {other}; give what it was "
            "begun with, or another `name` in the recipe"
        )
    return study
