"""Which training examples of a stage are kept, or looked at, when it is over."""

import numpy as np
import torch
from jaxtyping import Int

from madrigal.evaluation.batches import quiet
from madrigal.evaluation.features import prompt_features
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.difficulty import example_losses
from madrigal.pipeline.generated import generated
from madrigal.recipe.retain import Replay
from madrigal.recipe.stage import StageSettings
from madrigal.retention.select import at_random, balanced, hardest, herding
from madrigal.tasks.encoded import Example
from madrigal.training.chance import derive


def for_fisher(built: Built, stage: StageSettings, count: int) -> list[tuple[str, Example]]:
    """So many training examples of the stage, evenly over its scored tasks, drawn by seed."""
    tasks = built.recipe.scored(stage.learn)
    seed = derive(built.recipe.seed, "fisher", stage.name)
    found = []
    for place, task in enumerate(tasks):
        share = count // len(tasks) + (place < count % len(tasks))
        chosen = at_random(len(built.examples[task]), share, seed, task)
        found += [(task, built.examples[task][int(i)]) for i in chosen]
    return found


@torch.no_grad()
def for_replay(
    built: Built, stage: StageSettings, model: LanguageModel, settings: Replay
) -> dict[str, list[Example]]:
    """The examples that are kept of each scored task of the stage; the model is that of its end."""
    seed = derive(built.recipe.seed, "keep", stage.name)
    training = model.network.training
    model.network.eval()
    found = {}
    for task in built.recipe.scored(stage.learn):
        if settings.select == "generated":
            found[task] = generated(built, model, task, settings.keep, seed)
            continue
        chosen = _indices(built, model, settings, task, seed)
        found[task] = [built.examples[task][int(i)] for i in chosen]
    model.network.train(training)
    return found


def _indices(
    built: Built, model: LanguageModel, settings: Replay, task: str, seed: int
) -> Int[np.ndarray, " n"]:
    examples, tokens = built.examples[task], built.recipe.evaluate.batch_tokens
    match settings.select:
        case "random":
            return at_random(len(examples), settings.keep, seed, task)
        case "balanced":
            return balanced(built.answers(task), settings.keep, seed, task)
        case "hardest":
            losses = example_losses(model, task, examples, tokens, quiet)
            return hardest(losses, settings.keep)
        case "herding":
            with model.routed(task):
                features = prompt_features(model, [example[0] for example in examples], tokens)
            return herding(features, settings.keep)
        case "generated":
            raise AssertionError("what the model writes has no place in the data")
