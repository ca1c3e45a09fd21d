"""The strict base of every settings class, and the short forms."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def listed(value: Any) -> Any:
    """YAML knows lists only; strict tuples do not accept them."""
    return tuple(value) if isinstance(value, list) else value


def _named(value: Any) -> Any:
    return (value,) if isinstance(value, str) else listed(value)


def _kinded(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


# A list of names, or one bare name.
Names = Annotated[tuple[str, ...], BeforeValidator(_named)]

# The name of a task, or of a group of tasks: it names files and parameters.
TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

# In front of a discriminated union: a bare string means `{kind: ...}`.
KindShort = BeforeValidator(_kinded)


@dataclass(frozen=True, slots=True)
class Method:
    """What one wants to know before choosing a kind: its paper, what it needs, what it costs."""

    paper: str = ""
    needs: str = "nothing"
    cost: str = "nothing"


class Settings(BaseModel):
    """Frozen and closed: an unknown key is a mistake, a number written as text too.

    A class with a `kind` also has a `method`.
    """

    method: ClassVar[Method] = Method()
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Short(Settings):
    """Settings that may be written as one bare value, which then fills the field `short`."""

    short: ClassVar[str]
    short_types: ClassVar[tuple[type, ...]] = (str,)

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls.short: value} if isinstance(value, cls.short_types) else value
