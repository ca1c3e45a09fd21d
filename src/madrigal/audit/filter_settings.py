"""What stands in the file of a filter."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.settings import Method, Names, Settings, listed

Side = Literal["input", "output"]
Sides = Annotated[tuple[Side, ...], BeforeValidator(listed)]


class _Rule(Settings):
    """What every rule has."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Name of the rule, as reports have it."
    )
    on: Sides = Field(
        default=("input", "output"),
        min_length=1,
        description="What it looks at: what people ask (`input`), answers (`output`), or both.",
    )
    action: Literal["block", "note"] = Field(
        default="block", description="`block`: the text is not shown. `note`: it is, and counted."
    )


class _InContext(_Rule):
    """A rule whose finds count only in some surroundings."""

    unless_near: Names = Field(
        default=(), description="A find is fine where one of these words stands near it."
    )
    only_near: Names = Field(
        default=(), description="A find counts only where one of these words stands near it."
    )
    window: int = Field(
        default=5, ge=1, le=200, description="How many words away `near` reaches, on either side."
    )
    severity: float = Field(
        default=1.0, gt=0, le=1, description="Score of a text with a find, from 0 (fine) to 1."
    )


class Words(_InContext):
    """Words and phrases of a list."""

    method: ClassVar[Method] = Method(needs="a list of words", cost="about a microsecond a word")
    kind: Literal["words"] = Field(description="Kind of rule.")
    words: Names = Field(
        default=(), description="Words or phrases; a `*` at the end stands for any ending."
    )
    files: Names = Field(
        default=(),
        description="Files with a word or phrase a line (`#` begins a remark), or names of lists "
        "that Madrigal brings: insults, profanity, violence, self-harm.",
    )
    spelling: Literal["plain", "obfuscated"] = Field(
        default="plain",
        description="`obfuscated` also finds 1d10t, idiooot, id*ot and i d i o t.",
    )
    whole_words: bool = Field(
        default=True, description="Whether letters right beside a find make it another word."
    )


class Patterns(_InContext):
    """Regular expressions, and what people should not be told about people."""

    method: ClassVar[Method] = Method(needs="a pattern", cost="that of the regular expression")
    kind: Literal["pattern"] = Field(description="Kind of rule.")
    patterns: Names = Field(
        default=(), description="Regular expressions of Python, upper and lower case alike."
    )
    known: Annotated[
        tuple[Literal["email", "phone", "card", "iban", "address"], ...], BeforeValidator(listed)
    ] = Field(
        default=(),
        description="Patterns by name: e-mail addresses, phone numbers, payment cards and bank "
        "accounts with right check digits, addresses of the Internet protocol.",
    )
    unless: Names = Field(
        default=(), description="A find that one of these regular expressions finds too is fine."
    )


class Classifier(_Rule):
    """A classifier that Madrigal trained: a task of a run like any other."""

    method: ClassVar[Method] = Method(needs="a run folder", cost="one pass over the text")
    kind: Literal["classifier"] = Field(description="Kind of rule.")
    run: str = Field(min_length=1, description="Folder of the run.")
    task: str = Field(min_length=1, description="Task of the run, with labels.")
    labels: Names = Field(min_length=1, description="Labels of the task that are harmful.")
    stage: str | None = Field(default=None, description="Stage of the run; left out: the last.")
    field: str = Field(default="text", description="Field of the task that holds the text.")
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="Probability of harm from which a text is found."
    )


class Judge(_Rule):
    """A language model that is asked for a verdict, read off the probability of its words."""

    method: ClassVar[Method] = Method(
        paper="Llama Guard, Inan et al., 2023", needs="a model", cost="one pass over the prompt"
    )
    kind: Literal["judge"] = Field(description="Kind of rule.")
    model: str = Field(
        min_length=1, description="Run folder, model folder, hub id, or madrigal/base-xs."
    )
    prompt: str | None = Field(
        default=None,
        description="What it is asked, with {text}, and {prompt} for what came before it. Left "
        "out: the model's own chat template with the conversation, as Llama Guard has it.",
    )
    safe: str = Field(default="safe", min_length=1, description="Its word for a harmless text.")
    unsafe: str = Field(default="unsafe", min_length=1, description="Its word for a harmful one.")
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="Probability of harm from which a text is found."
    )


RuleSettings = Annotated[Words | Patterns | Classifier | Judge, Field(discriminator="kind")]


class FilterSettings(Settings):
    """A filter: rules, and what is said in the place of an answer that one of them blocks."""

    instead: str = Field(
        default="I can't help with that.",
        min_length=1,
        description="Said in the place of a blocked answer, or to a blocked question.",
    )
    rules: Annotated[tuple[RuleSettings, ...], BeforeValidator(listed)] = Field(
        description="The rules; a text is blocked where any of them blocks it."
    )
