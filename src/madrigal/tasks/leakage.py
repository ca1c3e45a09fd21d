"""Training records of one task that another task holds out.

Each task keeps its own held-out prompts out of its own training. Trained together, a task would
still see its test prompts in the training records of another, and joint training would look better
than single-task training for that alone.
"""

from collections.abc import Mapping
from dataclasses import replace

from madrigal.tasks.record import Record
from madrigal.tasks.split import fingerprint
from madrigal.tasks.task import Split, Task

_HELD_OUT: tuple[Split, Split] = ("test", "validation")

# A fingerprint, and where it is held out: (task, split) in the order of the recipe.
_Places = Mapping[str, list[tuple[str, Split]]]


def without_leakage(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks without the training records that are test or validation records of another.

    Records are compared as `fingerprint` has it: by the normalised prompt, raw text by whole
    documents. Held-out records stay as they are, so the order of the tasks changes nothing. What
    is left out is counted as dropped and told in the task's notes.
    """
    if len(tasks) < 2:
        return dict(tasks)
    places: dict[str, list[tuple[str, Split]]] = {}
    for name, task in tasks.items():
        for split in _HELD_OUT:
            for key in {fingerprint(record) for record in task.splits[split]}:
                places.setdefault(key, []).append((name, split))
    return {name: _cleaned(task, places) for name, task in tasks.items()}


def _cleaned(task: Task, places: _Places) -> Task:
    kept: list[Record] = []
    found: dict[tuple[str, Split], int] = {}
    for record in task.splits["train"]:
        elsewhere = [at for at in places.get(fingerprint(record), ()) if at[0] != task.name]
        for at in elsewhere:
            found[at] = found.get(at, 0) + 1
        if not elsewhere:
            kept.append(record)
    if not found:
        return task
    dropped = len(task.splits["train"]) - len(kept)
    return replace(
        task,
        splits={**task.splits, "train": tuple(kept)},
        notes=(*task.notes, *(_note(count, *at) for at, count in sorted(found.items()))),
        counts={
            **task.counts,
            "train": len(kept),
            "duplicates": len(kept) - len({record.key for record in kept}),
            "dropped": task.counts.get("dropped", 0) + dropped,
        },
    )


def _note(count: int, other: str, split: Split) -> str:
    records = "training record is a" if count == 1 else "training records are"
    kind = f"{split} record" if count == 1 else f"{split} records"
    left = "is left out" if count == 1 else "are left out"
    return f"{count} {records} {kind} of '{other}' and {left}"
