"""A judge as a reward: any generator, asked how good an answer is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from madrigal.experience.answer import Answer, Reward
from madrigal.experience.cached import Cached, Kept
from madrigal.experience.generator import Generator
from madrigal.experience.rating import RULE, Rater
from madrigal.pipeline.generators import generator_of, lists
from madrigal.recipe.generator import GeneratorSettings, RemoteGenerator
from madrigal.recipe.read import read_settings
from madrigal.recipe.settings import Settings
from madrigal.tasks.record import Turn

Judge = Callable[..., list[float]]


class JudgeSettings(Settings):
    """Who judges answers, and by what rule."""

    judge: Annotated[GeneratorSettings, Field(description="Who is asked.")]
    rule: str = Field(
        default=RULE, min_length=1, description="What the judge is told before it is asked."
    )


def judge(settings: str | Path, keep: str | Path | None = None) -> Judge:
    """A function from prompts and answers to scores from 0 to 1; nan where the judge gives none.

    `settings` is a YAML file with `judge` (a generator as in `madrigal constitution`) and maybe
    `rule`. What was said is kept in the folder `keep`, so that a run that goes on asks nothing
    twice. It takes what a reward of kind `function` is called with, so a module beside the recipe
    that says `reward = judge(...)` makes it one.

    Raises:
        UserMistake: the file is wrong, or what it names is not there.
        RunStopped: by the function, when the judge cannot be reached.
    """
    generator, held = judge_of(Path(settings))
    rate = rater(Cached(generator, Kept(Path(keep))) if keep is not None else generator, held)

    def scores(
        prompts: Sequence[Sequence[Turn] | str], answers: Sequence[str], accepted: object = None
    ) -> list[float]:
        del accepted  # a judge is not told what counts as right
        return rate(prompts, answers).tolist()

    return scores


def judge_of(path: Path) -> tuple[Generator, JudgeSettings]:
    """Who judges by a file, and the file's settings. A model is loaded when it is first asked.

    Raises:
        UserMistake: the file is wrong, or what it names is not there.
    """
    held = read_settings(path, JudgeSettings)
    return generator_of(held.judge, path.parent, f"{path}: judge"), held


def rater(generator: Generator, held: JudgeSettings) -> Rater:
    """The judge as a function from conversations and answers to scores."""
    return Rater(generator.answer, held.rule, lists(held.judge))


def judge_reward(path: Path, keep: Path | None) -> Reward:
    """What the judge of a file says of each answer, of the whole conversation before it.

    What a judge behind an address said is kept in the folder `keep`. A model of this machine and
    rules are asked again: their numbers are those of all that they are asked at once, and so are
    the same in a run that goes on.

    Raises:
        UserMistake: the file is wrong, or what it names is not there.
    """
    generator, held = judge_of(path)
    remembers = keep is not None and isinstance(held.judge, RemoteGenerator)
    rates: list[Rater] = []

    def rewards(answers: Sequence[Answer]) -> Float[np.ndarray, " R"]:
        if not rates:  # by the one process that asks
            kept = Cached(generator, Kept(keep)) if remembers and keep is not None else generator
            rates.append(rater(kept, held))
        return rates[0]([one.prompt.record.turns for one in answers], [one.text for one in answers])

    return rewards
