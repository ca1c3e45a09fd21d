"""From the settings of a reward to what asks for it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from madrigal.audit.verdict import Filter
from madrigal.errors import RunFolderError
from madrigal.evaluation.rewards import rewards as scores_of
from madrigal.experience.answer import Answer, Given, Opinions, Part, Reward, weighted
from madrigal.experience.verify import by_function, exact, found_function, length, number, pattern
from madrigal.model.ensemble import aggregate, load_ensemble
from madrigal.pipeline.filters import filter_of
from madrigal.pipeline.judging import judge_reward
from madrigal.pipeline.trained import find_trained, load_trained
from madrigal.recipe import reward as recipe
from madrigal.tasks.encode import Coder
from madrigal.tasks.encoded import Encoded, Example
from madrigal.tasks.record import Record


def build_reward(
    settings: recipe.Rewards, root: Path, batch_tokens: int, keep: Path | None = None
) -> Given:
    """The weighted sum of rewards; relative paths start at `root`. What judges behind addresses
    say is kept below the folder `keep`.

    Raises:
        DataError, ModelError, RunFolderError: what a reward needs is not there.
    """
    places = [None if keep is None else keep / f"{n}" for n in range(len(settings))]
    return weighted(
        [
            (one.weight, _built(one, root, batch_tokens, place))
            for one, place in zip(settings, places, strict=True)
        ]
    )


def _built(
    settings: recipe.RewardSettings, root: Path, batch_tokens: int, keep: Path | None
) -> Part:
    match settings:
        case recipe.RewardModel():
            return _by_model(settings, root, batch_tokens)
        case recipe.RewardEnsemble():
            return _by_ensemble(settings, root)
        case recipe.RewardFunction():
            return by_function(found_function(settings.name, root))
        case recipe.RewardJudge():
            return judge_reward(root / settings.file, keep)
        case recipe.RewardFilter():
            return by_filter(filter_of(settings.file, root), settings.graded)
        case recipe.Exact():
            return exact
        case recipe.Number():
            return number(settings.tolerance)
        case recipe.Pattern():
            return pattern(settings.pattern)
        case recipe.Length():
            return length


def by_filter(guard: Filter, graded: bool) -> Reward:
    """-1 for each answer that the filter holds back, else 0; or less what its rules found."""

    def rewards(answers: Sequence[Answer]) -> Float[np.ndarray, " R"]:
        prompts = [one.prompt.record.prompt for one in answers]
        found = guard.verdicts([one.text for one in answers], prompts)
        return np.array([-(one.score if graded else float(one.blocked)) for one in found])

    return rewards


def _by_model(settings: recipe.RewardModel, root: Path, batch_tokens: int) -> Reward:
    """What the head of a trained reward model says at the end of an answer."""
    run = root / settings.run
    model, coder = load_trained(find_trained(run, settings.stage, settings.task), rewards=True)
    if model.reward_head(settings.task) is None:
        raise RunFolderError(
            f"{run}: no reward model was trained for {settings.task!r}; name a task that a stage "
            "of that run learns with `objective: reward`"
        )
    model.network.requires_grad_(False)

    def rewards(answers: Sequence[Answer]) -> Float[np.ndarray, " R"]:
        import torch

        examples = [_row(coder, one) for one in answers]
        with torch.no_grad(), model.routed(settings.task):
            found = scores_of(model, settings.task, examples, batch_tokens)
        return np.concatenate([np.zeros(0), *found])

    return rewards


def _row(coder: Coder, answer: Answer) -> Example:
    """An answer as the reward model was trained to read it."""
    asked = answer.prompt.record
    record = Record(asked.where, turns=asked.turns, droppable=asked.droppable)
    said = coder.answer(record, answer.text)[: coder.context // 2]
    before = coder.prompt(record, room=len(said) + 1)
    tokens = np.concatenate([before, said, [coder.end]])[-coder.context :]
    return (Encoded(tokens, np.arange(len(tokens)) >= len(tokens) - len(said) - 1),)


def _by_ensemble(settings: recipe.RewardEnsemble, root: Path) -> Part:
    ensemble = load_ensemble(root / settings.folder, settings.how)

    def opinions(answers: Sequence[Answer]) -> Opinions:
        rows = [_row(ensemble.coder, one)[0].tokens for one in answers]
        scores = ensemble.scores(rows)
        score = aggregate(scores, ensemble.facts.how, ensemble.facts.penalty)
        return Opinions(score.double().numpy(), scores.double().std(dim=0, correction=0).numpy())

    return opinions
