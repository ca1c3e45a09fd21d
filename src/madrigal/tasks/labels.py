"""The labels of a task: what stands in the data, and the words that the model says for them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from madrigal.errors import DataError
from madrigal.tasks.row import quoted

# Beyond so many different labels found in the data, the field is no label.
MOST_LABELS = 1000


@dataclass(frozen=True, slots=True)
class Labels:
    """`words[raw]` is what the model says for the label `raw` of the data, in ranking order."""

    words: Mapping[str, str]
    choices: tuple[str, ...]  # the different words

    def word(self, raw: str, where: str) -> str:
        if raw not in self.words:
            raise DataError(f"{where}: label '{raw}' is not in the labels {quoted(self.words)}")
        return self.words[raw]


def resolve_labels(
    given: Mapping[str, str] | tuple[str, ...] | None, seen: Collection[str], task: str
) -> Labels:
    """The labels as given, or as found. Whole numbers in the data index a given list."""
    if given is None:
        return _found(seen, task)
    if isinstance(given, Mapping):
        labels = _labels(given)
    elif not any(raw in given for raw in seen) and all(raw.isdecimal() for raw in seen):
        labels = _labels({str(number): word for number, word in enumerate(given)})
    else:
        labels = _labels({word: word for word in given})
    if len(labels.choices) < 2:
        raise DataError(
            f"tasks.{task}.labels: one label leaves nothing to choose; give two or more"
        )
    return labels


def _labels(words: Mapping[str, str]) -> Labels:
    return Labels(dict(words), tuple(dict.fromkeys(words.values())))


def _found(seen: Collection[str], task: str) -> Labels:
    if len(seen) < 2:
        raise DataError(
            f"tasks.{task}: only the label {quoted(seen)} in the data, so there is nothing to "
            "choose; name all labels in `labels`"
        )
    if len(seen) > MOST_LABELS:
        raise DataError(
            f"tasks.{task}: {len(seen)} different labels in the data (limit {MOST_LABELS}); for "
            "free answers write `format: prompt_completion` and `columns`"
        )
    numeric = all(raw.lstrip("-").isdecimal() for raw in seen)
    return _labels({raw: raw for raw in sorted(seen, key=int if numeric else str)})
