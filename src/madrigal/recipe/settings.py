"""The strict base of every settings class, and the short forms."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator


def listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _kinded(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


# YAML knows lists only; strict tuples do not accept them.
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]

# In front of a discriminated union: a bare string means `{kind: ...}`.
KindShort = BeforeValidator(_kinded)


class Settings(BaseModel):
    """Frozen and closed: an unknown key is a mistake, a number written as text too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Short(Settings):
    """Settings that may be written as one bare value, which then fills the field `_short`."""

    _short: ClassVar[str]
    _short_types: ClassVar[tuple[type, ...]] = (str,)

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls._short: value} if isinstance(value, cls._short_types) else value
