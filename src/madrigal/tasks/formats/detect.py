"""Which format a file is in, told from its fields."""

from collections import Counter
from collections.abc import Sequence

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings, TaskSettings
from madrigal.tasks.formats.alpaca import ALPACA
from madrigal.tasks.formats.base import Draft, Format, scalars
from madrigal.tasks.formats.classification import CLASSIFICATION
from madrigal.tasks.formats.messages import MESSAGES
from madrigal.tasks.formats.multiple_choice import MULTIPLE_CHOICE
from madrigal.tasks.formats.natural_instructions import NATURAL_INSTRUCTIONS
from madrigal.tasks.formats.prompt_completion import PROMPT_COMPLETION
from madrigal.tasks.formats.question_answering import QUESTION_ANSWERING
from madrigal.tasks.formats.sharegpt import SHAREGPT
from madrigal.tasks.formats.text import TEXT
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.template import UnknownFieldError, field_names, fill

# The first that matches is taken, so the more telling shapes stand first.
FORMATS: tuple[Format, ...] = (
    NATURAL_INSTRUCTIONS,
    MESSAGES,
    SHAREGPT,
    MULTIPLE_CHOICE,
    CLASSIFICATION,
    ALPACA,
    QUESTION_ANSWERING,
    PROMPT_COMPLETION,
    TEXT,
)

# Rows looked at: enough that a few broken ones do not hide what the others are.
_LOOKED_AT = 50

# Fields of an answer template that come from a format's own reading of a row.
_OWN_ANSWER = {"answer", "label", "letter"}


def choose_format(rows: Sequence[Row], settings: TaskSettings) -> Format:
    """The named format, the detected one, or one made of the user's own two templates."""
    name = settings.data.format
    if name != "auto":
        return next(known for known in FORMATS if known.name == name)
    if settings.prompt is not None and settings.answer is not None:
        named = set(field_names(settings.answer))
        if named and not named & _OWN_ANSWER:
            return templated(settings.answer)
    return detect(rows)


def templated(answer: str) -> Format:
    """Rows of any fields, of which the user's `prompt` and `answer` templates say the meaning."""

    def drafts(row: Row, _: InstructionSettings) -> list[Draft]:
        fields = scalars(row.values)
        try:
            said = fill(answer, fields)
        except UnknownFieldError as error:
            raise DataError(f"{row.where}: {error.args[0]}") from error
        return [Draft(row.where, answers=(said,), templated=True, fields=fields)]

    return Format("prompt_completion", "any fields", lambda _: True, drafts)


def detect(rows: Sequence[Row]) -> Format:
    """The format of most of the first rows. DataError with the fields found if there is none."""
    found = [format_of(row) for row in rows[:_LOOKED_AT]]
    votes = Counter(known.name for known in found if known is not None)
    if not votes:
        raise DataError(_unknown(rows[0]))
    best = votes.most_common(1)[0][0]
    return next(known for known in FORMATS if known.name == best)


def format_of(row: Row) -> Format | None:
    """The format that a single row looks like."""
    if _is_preference(row):
        return None
    # The canonical shape may carry the fields of the row that it was converted from.
    if "prompt" in row.values and "completion" in row.values:
        return PROMPT_COMPLETION
    return next((known for known in FORMATS if known.matches(row)), None)


def _is_preference(row: Row) -> bool:
    """Pairs, and answers with a thumb (prompt, completion, label: true)."""
    values = row.values
    thumb = isinstance(values.get("label"), bool) and "completion" in values
    return ("chosen" in values and "rejected" in values) or thumb


def _unknown(row: Row) -> str:
    if _is_preference(row):
        hint = "; for plain tuning write `columns: {completion: chosen}`"
        plain = "prompt" in row.values and "chosen" in row.values
        return (
            f"{row.where}: preference data ({quoted(row.values)}) cannot be trained yet"
            f"{hint if plain else ''}"
        )
    return (
        f"{row.where}: no known format has the fields {quoted(row.values)}; rename them with "
        "`columns`, or write `prompt` and `answer` templates"
    )
