"""Settings of `madrigal augment`: whose records are said in other words, and by whom."""

from pydantic import Field

from madrigal.recipe.generator import GeneratorSettings
from madrigal.recipe.settings import Names, Settings


class KeepTexts(Settings):
    """When a text is kept."""

    shortest: float = Field(default=0.5, ge=0, le=1, description="Words of the new text for each word of the old one, at least.")
    longest: float = Field(default=2.0, ge=1, le=10, description="The same, at most.")
    numbers: bool = Field(default=True, description="Only where it says the same numbers.")


class RewritingSettings(Settings):
    """One run of `madrigal augment`."""

    recipe: str = Field(min_length=1, description="The recipe, from this file's folder.")
    task: str = Field(min_length=1, description="Name of the task whose training records are said in other words.")
    generator: GeneratorSettings = Field(description="Who writes.")
    share: float = Field(default=0.5, gt=0, le=1, description="Share of the training records of which a copy is asked for; fewer are kept.")
    through: Names = Field(default=(), description="Languages: a text is translated into one of them, drawn by the seed, and back; left out: it is paraphrased.")
    language: str = Field(default="English", min_length=1, description="Language of the texts, which they are translated back into.")
    ask: str | None = Field(default=None, description="What is asked, with `{text}` and, where texts are translated, `{language}` in it; left out: a request in English.")
    keep: KeepTexts = Field(default=KeepTexts(), description="When a text is kept.")
    seed: int = Field(default=0, ge=0, description="All chance follows from it and from each record.")
