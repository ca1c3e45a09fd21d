"""Trials proposed by what earlier ones gave: optuna's tree-structured Parzen estimator."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna

from madrigal.sweep.draw import drawn, same
from madrigal.sweep.knob import Choices, Knob, Values
from madrigal.sweep.ledger import Propose
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial
from madrigal.training.chance import derive

_ATTEMPTS = 100


def proposer(plan: Plan) -> Propose:
    """What the next trial should be, a pure function of its number and of what is known.

    TPE (Bergstra et al., 2011) in optuna's multivariate form: of points near good trials, the one
    least like those near bad ones. The first ten are drawn by chance. Trials that break a bound are
    worse than those that keep all, and the further the worse; trials that run count as bad ones,
    which keeps several workers apart; failed ones are left out.

    Differs from optuna's loop: its random numbers are drawn anew from the sweep's seed and the
    trial's number, so that a sweep that was killed proposes what it would have; and a point that
    was tried is never proposed again.
    """

    def propose(number: int, over: Sequence[Trial], running: Sequence[Trial]) -> Values:
        study = study_of(plan, over)
        for trial in running:
            _told(study, plan, trial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seed = derive(plan.seed, "tpe", number) % 2**32
            study.sampler = optuna.samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True
            )
            found = study.ask(distributions(plan.knobs))
        values = {knob.key: _value(knob, found.params[knob.key]) for knob in plan.knobs}
        tried = {same(trial.values) for trial in (*over, *running)}
        if same(values) not in tried:
            return values
        others = (drawn(plan.knobs, plan.seed, number, attempt) for attempt in range(_ATTEMPTS))
        return next((one for one in others if same(one) not in tried), values)

    return propose


def study_of(plan: Plan, trials: Sequence[Trial], score: str | None = None) -> optuna.Study:
    """A study in memory that knows the trials; of another `score` than the aim's, bounds aside."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="minimize", sampler=optuna.samplers.RandomSampler(seed=plan.seed)
    )
    for trial in trials:
        if trial.knows(plan.aim):
            cost = plan.aim.cost(trial.numbers()) if score is None else trial.numbers()[score]
            _told(study, plan, trial, cost)
    return study


def _told(study: optuna.Study, plan: Plan, trial: Trial, cost: float | None = None) -> None:
    """Put a trial into the study: over where it has a cost, else running."""
    if not all(knob.holds(trial.values[knob.key]) for knob in plan.knobs):
        return  # trial 0 where the recipe is outside of what is searched
    values = {knob.key: _internal(knob, trial.values[knob.key]) for knob in plan.knobs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.enqueue_trial(values)
        asked = study.ask(distributions(plan.knobs))
        if cost is None:
            return
        scores = trial.numbers()
        for bound in plan.aim.bounds:
            asked.set_constraint(str(bound), bound.excess(scores[bound.score]))
    study.tell(asked, cost)


def distributions(knobs: Sequence[Knob]) -> dict[str, Any]:
    """The knobs in optuna's words."""
    return {knob.key: _distribution(knob) for knob in knobs}


def _distribution(knob: Knob) -> Any:
    if isinstance(knob, Choices):
        return optuna.distributions.CategoricalDistribution(knob.labels)
    if knob.whole:
        step = 1 if knob.step is None else int(knob.step)
        low, high = int(knob.low), int(knob.high)
        return optuna.distributions.IntDistribution(low, high - (high - low) % step, knob.log, step)
    return optuna.distributions.FloatDistribution(
        float(knob.low), float(knob.high), knob.log, knob.step
    )


def _internal(knob: Knob, value: Any) -> Any:
    if isinstance(knob, Choices):
        return knob.labels[knob.values.index(value)]
    return int(value) if knob.whole else float(value)


def _value(knob: Knob, value: Any) -> Any:
    if isinstance(knob, Choices):
        return knob.values[knob.labels.index(value)]
    return knob.held(value)
