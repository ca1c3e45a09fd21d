"""Classification: one or more texts and a label.

The default prompt names the fields, one a line, and asks for the label:

    Text: a warm and funny film            Premise: A dog runs.
    Label:                                 Hypothesis: An animal moves.
                                           Label:
"""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, first_of, need, scalar, scalars, user
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

LABEL_FIELDS = ("label", "gold_label", "label_text", "class", "category")

# Names that labels have too, but that may be something said by the way: taken where a row has just
# one of them, it is short, and nothing else could be the answer.
MAYBE_LABEL_FIELDS = ("sentiment", "intent", "emotion", "rating", "stars", "topic")
_ANSWER_FIELDS = ("answer", "answers", "completion", "response", "output", "target", "summary")
_LONGEST_LABEL = 60

# The inputs of published sets, the most telling first; the first whose fields are there is taken.
INPUTS: tuple[tuple[str, ...], ...] = (
    ("premise", "hypothesis"),
    ("passage", "question"),
    ("context", "question"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("title", "text"),
    ("text",),
    ("sentence",),
    ("content",),
    ("question",),
    ("review",),
    ("utterance",),
    ("query",),
    ("comment",),
    ("tweet",),
)
_INPUT_SETS: dict[tuple[str, ...], frozenset[str]] = {names: frozenset(names) for names in INPUTS}


def inputs_of(row: Row) -> tuple[str, ...] | None:
    """The fields that the label is about."""
    return next((names for names in INPUTS if _INPUT_SETS[names] <= row.values.keys()), None)


def _matches(row: Row) -> bool:
    return label_of(row) is not None and inputs_of(row) is not None


def label_of(row: Row) -> str | None:
    """The field that holds the label, if there is one and it is plain which."""
    known = first_of(row, LABEL_FIELDS)
    if known is not None:
        return known
    maybe = [name for name in MAYBE_LABEL_FIELDS if name in row.values]
    if len(maybe) != 1 or first_of(row, _ANSWER_FIELDS) is not None:
        return None
    value = scalar(row.values[maybe[0]])
    return maybe[0] if value is not None and 0 < len(value.strip()) <= _LONGEST_LABEL else None


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    label_field = label_of(row)
    if label_field is None:
        raise DataError(f"{row.where}: {unknown_field('label', row.values)}")
    label = need(row, label_field).strip()
    fields = {**scalars(row.values), "label": label}
    try:
        turns, problem = user(_default_prompt(row)), ""
    except DataError as error:
        turns, problem = (), error.mistakes[0]
    return [Draft(row.where, turns, (label,), labelled=True, problem=problem, fields=fields)]


def _default_prompt(row: Row) -> str:
    names = inputs_of(row)
    if names is None:
        raise DataError(f"{row.where}: {unknown_field('text', row.values)}")
    lines = [f"{_title(name)}: {need(row, name)}" for name in names]
    return "\n".join([*lines, "Label:"])


def _title(name: str) -> str:
    """`sentence1` becomes `Sentence 1`, `text_a` becomes `Text a`."""
    spaced = name.replace("_", " ")
    if spaced[-1].isdigit():
        spaced = f"{spaced[:-1]} {spaced[-1]}"
    return spaced[:1].upper() + spaced[1:]


CLASSIFICATION = Format(
    "classification",
    "text (or premise + hypothesis, ...) + label",
    _matches,
    _drafts,
    passages=("passage", "context"),
)
