"""Records that are about the same passage, and so are not independent of each other."""

from collections.abc import Sequence

from madrigal.errors import DataError
from madrigal.tasks.record import Record
from madrigal.tasks.row import quoted

# With fewer passages than this, a share of them is too far from a share of the records.
FEW_PASSAGES = 10


def passage_field(names: Sequence[str], records: Sequence[Record]) -> str | None:
    """The first of the fields that holds a passage which several records are about."""
    for name in names:
        passages = [text for record in records if (text := record.fields.get(name, "").strip())]
        if len(set(passages)) < len(passages):
            return name
    return None


def split_by(passage: str | None, records: Sequence[Record]) -> tuple[str | None, list[str]]:
    """The passage field if there are enough passages to split by, and what is to be said of it."""
    if passage is None:
        return None, []
    count = len({record.fields.get(passage, "") for record in records})
    if count >= FEW_PASSAGES:
        return passage, []
    few = f"only {count} different values of '{passage}'"
    return None, [f"{few}, so records of one stand in training and in test"]


def check_cluster(task: str, field: str | None, records: Sequence[Record]) -> None:
    """DataError unless every record has the field."""
    for record in records if field is not None else ():
        if field not in record.fields:
            raise DataError(
                f"tasks.{task}.cluster: {record.where} has no field '{field}'; "
                f"found {quoted(record.fields)}"
            )
