"""Records whose answers do not fit the model's context, left out where the task says so."""

from collections.abc import Mapping
from dataclasses import replace

from madrigal.errors import DataError
from madrigal.tasks.bad import BadRows
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split, Task


def fitting(task: Task, coder: Coder) -> Task:
    """The task without the records that `coder` would refuse; told in its notes, counted as bad.

    Raises:
        DataError: no record is left of a split that had some; with answers of it that are too long.
    """
    if task.kind == "text":
        return task
    long = BadRows(drop=True)
    splits: dict[Split, tuple[Record, ...]] = {}
    for split, records in task.splits.items():
        tried = [(record, _refused(record, split, coder)) for record in records]
        splits[split] = tuple(record for record, error in tried if error is None)
        here = BadRows(drop=True)
        for record, error in tried:
            if error is not None:
                long.add(record.where, task.name, error)
                here.add(record.where, task.name, error)
        here.settle(len(splits[split]), _none(task, split, coder))
    return without(task, splits, long) if long.count else task


def without(task: Task, splits: Mapping[Split, tuple[Record, ...]], bad: BadRows) -> Task:
    """The task with these splits, from which bad records are gone."""
    trained = splits.get("train", ())
    counts = {split: len(records) for split, records in splits.items()} | {
        "duplicates": len(trained) - len({record.key for record in trained}),
        "bad": task.counts.get("bad", 0) + bad.count,
    }
    return replace(
        task,
        splits={**task.splits, **splits},
        notes=(*task.notes, bad.note),
        counts={**task.counts, **counts},
        dropped=(*task.dropped, *bad.all),
    )


def _refused(record: Record, split: Split, coder: Coder) -> DataError | None:
    try:
        coder.check_record(record, trained=split == "train")
    except DataError as error:
        return error
    return None


def _none(task: Task, split: Split, coder: Coder) -> str:
    return (
        f"tasks.{task.name}.data: none of the {len(task.splits[split]):,} {split} records fits a "
        f"context of {coder.context} tokens; shorten answers, raise `model.context`, or name other "
        "data"
    )
