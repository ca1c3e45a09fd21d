"""How much learning from answers of the model's own asks for: writing, scoring, judging, and
training on what was written."""

from collections.abc import Iterator

from madrigal.experience.looks import looked_at
from madrigal.mixture import Mixture
from madrigal.pipeline.build import Built
from madrigal.pipeline.work import Part
from madrigal.recipe import policy
from madrigal.recipe.reward import RewardEnsemble, RewardModel
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.room import bare, limit

_LOOKED_AT = 200  # records whose tokens are counted; the others are like them
_LEARNT = {policy.BestOfN: 1, policy.OnlineDpo: 2}  # answers of a prompt; else all of them


def acted(built: Built, stage: StageSettings, source: Mixture) -> Iterator[Part]:
    """Every answer as long as it may be, behind its prompt, which is read once for all of them."""
    achieved = source.achieved()
    written = scored = judged = looked = 0
    for task, settings in stage.acting().items():
        prompt, answer = _lengths(built, task)
        every = prompt + settings.samples * answer
        rollouts = achieved[task].examples / policy.steps_of(settings)
        written += rollouts * every
        scored += rollouts * every * policy.passes_of(settings)
        models = _models(settings.reward)
        judged += rollouts * every * (models + _models(settings.gold))
        looked += _looks(built, settings, task, source.steps) * (prompt + answer)
    yield Part(f"write answers in {stage.name}", round(written), False)
    yield Part(f"score them in {stage.name}", round(scored), False)
    yield Part(f"reward them with models in {stage.name}", round(judged), False)
    yield Part(f"looks at likeliest answers in {stage.name}", round(looked), False)


def trained(built: Built, stage: StageSettings, source: Mixture) -> int:
    """Tokens that a stage's steps train on: what tasks give, or what was written to their
    prompts."""
    tokens, own = 0.0, stage.acting()
    for task, got in source.achieved().items():
        if task in own:
            prompt, answer = _lengths(built, task)
            learnt = _LEARNT.get(type(own[task]), own[task].samples)
            tokens += got.examples * (prompt + learnt * answer)
        else:
            tokens += got.tokens
    return round(tokens)


def _lengths(built: Built, name: str) -> tuple[float, float]:
    """Tokens of a prompt, and of the longest answer that it may get, on the mean over up to 200."""
    task, coder = built.tasks[name], built.coder
    records = task.splits["train"]
    seen = records[:: max(1, -(-len(records) // _LOOKED_AT))]
    room = [limit(task, record, coder) for record in seen]
    pairs = zip(seen, room, strict=True)
    prompts = [len(coder.prompt(bare(record), room=most)) for record, most in pairs]
    return sum(prompts) / max(1, len(seen)), sum(room) / max(1, len(seen))


def _models(rewards: tuple[object, ...]) -> int:
    return sum(isinstance(one, RewardModel | RewardEnsemble) for one in rewards)


def _looks(built: Built, settings: policy.Acting, task: str, steps: int) -> int:
    """Prompts whose likeliest answers are written over a stage: as it begins and ends, and every
    so many rollouts."""
    guard = settings.guard
    if guard is None:
        return 0
    prompts = len(looked_at(built.tasks[task], settings, built.coder))
    return prompts * (2 + steps // policy.steps_of(settings) // guard.every)
