"""Tasks of a stage that learn from answers of the model's own, ready for its steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from madrigal.errors import ModelError
from madrigal.experience.answer import Prompt
from madrigal.experience.looks import looked_at
from madrigal.experience.plan import Plan
from madrigal.experience.rollouts import Rollouts
from madrigal.mixture import Source
from madrigal.mixture.again import Again
from madrigal.model.language_model import LanguageModel
from madrigal.model.score_files import read_scores
from madrigal.objectives import build_objective
from madrigal.pipeline.build import Built
from madrigal.pipeline.parts import shares_prompts
from madrigal.pipeline.reward import build_reward
from madrigal.pipeline.save import REWARD
from madrigal.pipeline.serving import build_server
from madrigal.pipeline.trained import find_trained
from madrigal.recipe import policy
from madrigal.recipe.reward import RewardModel
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Teacher
from madrigal.tasks.record import Record
from madrigal.tasks.room import bare, limit
from madrigal.training.processes import Processes
from madrigal.training.reference import Asked
from madrigal.training.step import StepParts

JUDGED = "judged"  # folder of what judges behind addresses said


def acting(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    tasks: Sequence[str],
    processes: Processes,
    folder: Path,
) -> Rollouts | None:
    """What writes answers for the tasks among these whose objective asks; None where none does.

    The model as it is now is their reference, so this stands before the first step. A critic takes
    over what a reward model knows. What judges say is kept in `folder`, the stage's own.

    Raises:
        DataError, ModelError, RunFolderError: what a reward needs is not there.
    """
    asking = {task: kind for task, kind in stage.acting().items() if task in tasks}
    if not asking:
        return None
    plans = {
        task: _plan(built, task, settings, folder / JUDGED / task, model)
        for task, settings in asking.items()
    }
    asked = Asked(
        model=model,
        microbatch_tokens=stage.batch.microbatch_tokens,
        pad=built.coder.pad,
        processes=processes,
        share_prompts=shares_prompts(built, stage, model),
    )
    for task, settings in asking.items():
        if isinstance(settings, policy.Ppo) and settings.critic == "auto":
            _begin_critic(built, model, task, settings)
    return Rollouts(
        plans,
        asked,
        Teacher(model),
        built.coder.end,
        (built.recipe.seed, f"{stage.name}:answers"),
        built.recipe.evaluate.batch_tokens,
    )


def as_remembered(built: Built, stage: StageSettings, parts: StepParts) -> StepParts:
    """The parts with the objectives by which data are looked at: no answers of the model's own."""
    own = {
        task: build_objective(stage.remembered_by(task), built.tasks[task])
        for task in stage.acting()
        if task in parts.objectives
    }
    return replace(parts, objectives={**parts.objectives, **own}) if own else parts


def again(source: Source, rollouts: Rollouts | None, plans: Mapping[str, policy.Acting]) -> Source:
    """The schedule, in which tasks repeat prompts whose answers several steps learn from."""
    if rollouts is None:
        return source
    epochs = {task: policy.steps_of(settings) for task, settings in plans.items()}
    repeated = {t: n for t, n in epochs.items() if n > 1 and t in rollouts.tasks}
    return Again(source, repeated) if repeated else source


def _plan(
    built: Built, task: str, settings: policy.Acting, keep: Path, model: LanguageModel
) -> Plan:
    coder, held = built.coder, built.tasks[task]

    def prompt(record: Record) -> Prompt:
        most = limit(held, record, coder)
        return Prompt(coder.prompt(bare(record), room=most), record, most)

    tokens = built.recipe.evaluate.batch_tokens
    reward = build_reward(settings.reward, built.root, tokens, keep / "reward")
    gold = None
    if settings.gold:
        gold = build_reward(settings.gold, built.root, tokens, keep / "gold")
    server = None
    if settings.server is not None:
        server = build_server(settings.server, model, built.root, coder.end)
    train = held.splits["train"]
    kept = [prompt(record) for record in looked_at(held, settings, coder)]
    return Plan(settings, lambda index: prompt(train[index]), reward, gold, server, kept)


@torch.no_grad()
def _begin_critic(built: Built, model: LanguageModel, task: str, settings: policy.Ppo) -> None:
    """Give a critic that knows nothing yet the head of the reward model, where the reward is one on
    a trunk of the same width."""
    critic = model.critic(task)
    assert critic is not None
    models = [one for one in settings.reward if isinstance(one, RewardModel)]
    if len(settings.reward) != 1 or not models or bool(critic.weight.any()):
        return
    (one,) = models
    trained = find_trained(built.root / one.run, one.stage, one.task)
    score = read_scores(trained.stage / REWARD).get(one.task)
    if score is not None and not score.isfinite().all():
        raise ModelError(
            f"{trained.stage / REWARD}: the head of {one.task!r}, with which the critic of "
            f"{task!r} is to begin, holds values that are no numbers; train that reward model "
            "again, or write `critic: zero`"
        )
    if score is not None and score.shape == critic.weight.shape and math.isfinite(one.weight):
        critic.weight.copy_(one.weight * score)
