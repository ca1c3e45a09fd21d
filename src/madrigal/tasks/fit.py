"""Records whose answers do not fit the model's context, left out where the task says so."""

from dataclasses import replace

from madrigal.errors import DataError
from madrigal.tasks.bad import BadRows
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split, Task


def fitting(task: Task, coder: Coder) -> Task:
    """The task without the records that `coder` would refuse; told in its notes, counted as bad.

    Raises:
        DataError: no record is left of a split that had some; with every answer that is too long.
    """
    if task.kind == "text":
        return task
    long = BadRows(drop=True)
    splits: dict[Split, tuple[Record, ...]] = {}
    for split, records in task.splits.items():
        kept: list[Record] = []
        for record in records:
            try:
                coder.check_record(record, trained=split == "train")
                kept.append(record)
            except DataError as error:
                long.add(record.where, task.name, error)
        splits[split] = tuple(kept)
        if records:
            long.settle(len(kept))
    if not long.count:
        return task
    trained = splits.get("train", ())
    counts = {split: len(records) for split, records in splits.items()} | {
        "duplicates": len(trained) - len({record.key for record in trained}),
        "bad": task.counts.get("bad", 0) + long.count,
    }
    notes = (*task.notes, long.note)
    return replace(task, splits=splits, notes=notes, counts={**task.counts, **counts})
