"""Fields that rows are given beside prompt and answer: how often each value is met, by split.

A region, a dialect, a source, who wrote it: whatever a row says of itself. Counted are fields with
few and short values, each met by several records; what tells every row apart (a number, a date) is
no group. Counts of blocks add up, so any parts of the data merge exactly.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from madrigal.curation.marks import SPLITS
from madrigal.curation.sample import Sample
from madrigal.curation.table import Table

MOST, LONGEST = 30, 40  # values of a field, characters of a value
_FEWEST = 3  # records for each value, on average
_SHOWN = 8  # values in a line

Counts = dict[str, dict[str, int]]  # how often each value is met, by split
InBlock = dict[str, Counts | None]  # by field; None: too many values, or too long ones


def count(counted: InBlock, sample: Sample, side: int) -> None:
    """Adds what one sample says of itself to the counts of its block."""
    for name, value in sample.given.items():
        held = counted.setdefault(name, {})
        if held is None:
            continue
        split = held.setdefault(SPLITS[side], {})
        split[value] = split.get(value, 0) + 1
        if len(value) > LONGEST or len(split) > MOST:
            counted[name] = None


def fields(table: Table) -> dict[str, dict[str, Counts]]:
    """By task and field: how often each value is met in each split, the most frequent first."""
    blocks: dict[str, list[Mapping[str, Any]]] = {task: [] for task in table.sources.tasks}
    for number, told in table.told():
        blocks[table.sources.files[number].task].append(told.get("fields", {}))
    return {task: dict(_joined(some)) for task, some in blocks.items()}


def _joined(blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Counts]]:
    for name in dict.fromkeys(name for block in blocks for name in block):
        some = [block[name] for block in blocks if name in block]
        if None in some:
            continue
        whole = {split: Counter[str]() for split in SPLITS}
        for counted in some:
            for split, values in counted.items():
                whole[split].update(values)
        values = sum(whole.values(), Counter[str]())
        if 2 <= len(values) <= MOST and sum(values.values()) >= _FEWEST * len(values):
            order = sorted(values, key=lambda value: (-values[value], value))
            yield (
                name,
                {
                    split: {value: held[value] for value in order if held[value]}
                    for split, held in whole.items()
                    if held
                },
            )


def lines(counted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterable[str]:
    """A line a field: shares of its values in training, and in test beside them."""
    for name, splits in counted.items():
        first = "train" if "train" in splits else next(iter(splits))
        total = {split: sum(values.values()) for split, values in splits.items()}
        beside = "test" if "test" in splits and first != "test" else ""
        told = []
        for value, times in [*splits[first].items()][:_SHOWN]:
            said = f"{value!r} {times / total[first]:.1%}"
            if beside:
                said += f" ({splits[beside].get(value, 0) / total[beside]:.1%})"
            told.append(said)
        more = len(splits[first]) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        what = f"{first} ({beside})" if beside else first
        yield f"by field {name!r}, {what}: {', '.join(told)}{rest}"
