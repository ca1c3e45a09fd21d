"""What optuna says of importance, where it is installed."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial

_LEAST = 4  # trials; below, its forest has nothing to split


def optuna_importance(plan: Plan, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """By score: fANOVA (Hutter et al., 2014) over a random forest of optuna's, which sums to 1.

    Nothing where optuna is not installed, or where there are too few different trials.
    """
    known = [trial for trial in trials if trial.knows(plan.aim)]
    if find_spec("optuna") is None or len(known) < _LEAST:
        return {}
    import optuna

    from madrigal.sweep.tpe import study_of

    found: dict[str, dict[str, float]] = {}
    for score in plan.aim.scores:
        if len({trial.numbers()[score] for trial in known}) < 2:
            continue
        study = study_of(plan, known, score)
        measure = optuna.importance.FanovaImportanceEvaluator(seed=plan.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                shares = optuna.importance.get_param_importances(study, evaluator=measure)
            except (RuntimeError, ValueError):  # every knob had one value in all trials
                continue
        found[score] = {str(key): float(share) for key, share in shares.items()}
    return found
