"""A judge as a reward: any generator, asked how good an answer is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from madrigal.experience.cached import Cached, Kept
from madrigal.experience.rating import RULE, Rater
from madrigal.pipeline.generators import generator_of, lists
from madrigal.recipe.generator import GeneratorSettings
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
    path = Path(settings)
    held = read_settings(path, JudgeSettings)
    generator = generator_of(held.judge, path.parent, f"{path}: judge")
    if keep is not None:
        generator = Cached(generator, Kept(Path(keep)))
    rate = Rater(generator.answer, held.rule, lists(held.judge))

    def scores(
        prompts: Sequence[Sequence[Turn] | str], answers: Sequence[str], accepted: object = None
    ) -> list[float]:
        del accepted  # a judge is not told what counts as right
        return rate(prompts, answers).tolist()

    return scores
