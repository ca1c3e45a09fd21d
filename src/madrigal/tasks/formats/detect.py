"""Which format a file is in, told from its fields."""

from collections import Counter
from collections.abc import Sequence

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings, TaskSettings
from madrigal.tasks.formats.base import Draft, Format, scalars
from madrigal.tasks.formats.classification import CLASSIFICATION
from madrigal.tasks.formats.text import TEXT
from madrigal.tasks.row import Row, quoted

# The first that matches is taken, so the more telling shapes stand first.
FORMATS: tuple[Format, ...] = (CLASSIFICATION, TEXT)


def _templated(row: Row, _: InstructionSettings) -> list[Draft]:
    return [Draft(row.where, fields=scalars(row.values))]


# Any fields at all: the user's `prompt` and `answer` templates say what they mean.
TEMPLATED = Format("prompt_completion", "any fields", lambda _: True, _templated)

# Rows looked at: enough that a few broken ones do not hide what the others are.
_LOOKED_AT = 50


def choose_format(rows: Sequence[Row], settings: TaskSettings) -> Format:
    """The named format, the detected one, or one made of the user's own templates."""
    name = settings.data.format
    if name != "auto":
        return next(known for known in FORMATS if known.name == name)
    try:
        return detect(rows)
    except DataError:
        if settings.prompt is not None and settings.answer is not None:
            return TEMPLATED
        raise


def detect(rows: Sequence[Row]) -> Format:
    """The format of most of the first rows. DataError with the fields found if there is none."""
    votes: Counter[str] = Counter()
    for row in rows[:_LOOKED_AT]:
        known = next((known for known in FORMATS if known.matches(row)), None)
        if known is not None:
            votes[known.name] += 1
    if not votes:
        raise DataError(_unknown(rows[0]))
    best = votes.most_common(1)[0][0]
    return next(known for known in FORMATS if known.name == best)


def _unknown(row: Row) -> str:
    found = f"{row.where}: no known format has the fields {quoted(row.values)}"
    if "chosen" in row.values and "rejected" in row.values:
        return f"{found}; preference pairs are not trained yet"
    return f"{found}; rename them with `columns`, or write `prompt` and `answer` templates"
