"""Which format a file is in, told from its fields."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from madrigal.errors import DataError
from madrigal.recipe.task import FeedbackSettings, InstructionSettings, TaskSettings
from madrigal.tasks.formats.alpaca import ALPACA
from madrigal.tasks.formats.base import Draft, Format, first_of, scalars
from madrigal.tasks.formats.classification import CLASSIFICATION
from madrigal.tasks.formats.corrections import CORRECTIONS
from madrigal.tasks.formats.judgements import JUDGEMENTS, judgements
from madrigal.tasks.formats.messages import MESSAGES
from madrigal.tasks.formats.multiple_choice import MULTIPLE_CHOICE
from madrigal.tasks.formats.natural_instructions import NATURAL_INSTRUCTIONS
from madrigal.tasks.formats.pairs import PAIRS, pairs
from madrigal.tasks.formats.prompt_completion import PROMPT_COMPLETION
from madrigal.tasks.formats.question_answering import QUESTION_ANSWERING
from madrigal.tasks.formats.rankings import RANKINGS
from madrigal.tasks.formats.ratings import RATING_FIELDS, RATINGS, ratings
from madrigal.tasks.formats.sharegpt import SHAREGPT
from madrigal.tasks.formats.text import TEXT
from madrigal.tasks.formats.thumbs import THUMBS
from madrigal.tasks.formats.verdicts import VERDICTS
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.template import UnknownFieldError, field_names, fill

# Judged answers. They are looked for first: their rows may have a prompt and a label, too.
FEEDBACK: tuple[Format, ...] = (
    JUDGEMENTS,
    VERDICTS,
    PAIRS,
    RANKINGS,
    THUMBS,
    RATINGS,
    CORRECTIONS,
)

# The first that matches is taken, so the more telling shapes stand first.
FORMATS: tuple[Format, ...] = (
    *FEEDBACK,
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

# Formats that read a row by the task's `feedback`.
_SETTLED: Mapping[str, Callable[[FeedbackSettings], Format]] = {
    "judgements": judgements,
    "pairs": pairs,
    "ratings": ratings,
}

# Rows looked at: enough that a few broken ones do not hide what the others are.
_LOOKED_AT = 50

# Fields of an answer template that come from a format's own reading of a row.
_OWN_ANSWER = {"answer", "label", "letter"}


def choose_format(task: str, rows: Sequence[Row], settings: TaskSettings) -> Format:
    """The named format, the detected one, or one made of the user's own two templates.

    With `feedback`, only formats of judged answers. DataError where that contradicts itself.
    """
    name, feedback = settings.data.format, settings.feedback
    if name == "auto" and feedback is not None:
        return _settled(_judged(rows, feedback), feedback)
    if name != "auto":
        shape = next(known for known in FORMATS if known.name == name)
        if feedback is not None and shape not in FEEDBACK:
            raise DataError(
                f"tasks.{task}.feedback: the format {name} holds no judged answers; remove it, or "
                "name another format"
            )
        return _settled(shape, feedback)
    if settings.prompt is not None and settings.answer is not None:
        named = set(field_names(settings.answer))
        if named and not named & _OWN_ANSWER:
            return templated(settings.answer)
    return detect(rows)


def _judged(rows: Sequence[Row], settings: FeedbackSettings) -> Format:
    """The format of judged answers that most of the first rows have: at least ratings by name."""
    if settings.aspect or settings.counts:
        return RATINGS
    found = (next((f for f in FEEDBACK if f.matches(row)), None) for row in rows[:_LOOKED_AT])
    votes = Counter(known.name for known in found if known is not None)
    if votes:
        best = votes.most_common(1)[0][0]
        return next(known for known in FEEDBACK if known.name == best)
    if first_of(rows[0], RATING_FIELDS) is not None:
        return RATINGS
    raise DataError(
        f"{rows[0].where}: no known format of judged answers has the fields "
        f"{quoted(rows[0].values)}; rename them with `columns`, or name those with ratings in "
        "`feedback.aspect`"
    )


def _settled(shape: Format, settings: FeedbackSettings | None) -> Format:
    if settings is None or shape.name not in _SETTLED:
        return shape
    return _SETTLED[shape.name](settings)


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
        raise DataError(
            f"{rows[0].where}: no known format has the fields {quoted(rows[0].values)}; rename "
            "them with `columns`, or write `prompt` and `answer` templates"
        )
    best = votes.most_common(1)[0][0]
    if best == CLASSIFICATION.name and RATINGS in found:
        return RATINGS  # one rating of 0.4 says that 0 and 1 beside it are no labels either
    return next(known for known in FORMATS if known.name == best)


def format_of(row: Row) -> Format | None:
    """The format that a single row looks like."""
    judged = next((known for known in FEEDBACK if known.matches(row)), None)
    # The canonical shape may carry the fields of the row that it was converted from.
    if judged is None and "prompt" in row.values and "completion" in row.values:
        return PROMPT_COMPLETION
    return judged or next((known for known in FORMATS if known.matches(row)), None)
