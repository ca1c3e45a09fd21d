"""The splits of a task from what the user gave: files of their own, or shares cut by content."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.errors import DataError
from madrigal.recipe.task import DataSettings, FormatName
from madrigal.tasks.cluster import split_by
from madrigal.tasks.record import Record
from madrigal.tasks.split import Sides, draw, hold_out, hold_out_text, without
from madrigal.tasks.task import Split

# Natural Instructions, version 2: Tk-Instruct is tested on the first 100 instances of a task.
SLICE = 100

# Share held out for test where none is asked for.
TEST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Divided:
    """Records by split (all three are there, maybe empty), and what happened to make them so."""

    splits: Mapping[Split, tuple[Record, ...]]
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def divide(
    task: str,
    data: DataSettings,
    given: Mapping[Split, Sequence[Record]],
    shape: FormatName,
    seed: int,
    test_slice: bool = False,
    passage: str | None = None,
) -> Divided:
    """Cut what was not given, keep held-out prompts out of training, apply the `max_` limits.

    With `test_slice`, the first records of each file are its test set, unless a share is asked for.
    What is cut keeps the records of one `passage`, a field, on one side. Who is held out follows
    from the data and `split.seed`; `seed`, that of the recipe, only draws who of the rest is
    trained on: runs with other seeds are judged by the same examples.
    """
    test_slice = test_slice and data.split.test is None
    sides, notes = _cut(task, data, given, shape, test_slice, passage)
    tests = sides["test"]
    validations = without(sides["validation"], tests)
    trains = without(without(sides["train"], tests), validations)
    dropped = {
        "training": len(sides["train"]) - len(trains),
        "validation": len(sides["validation"]) - len(validations),
    }
    for side, count in dropped.items():
        if count:
            others = "validation or test" if side == "training" else "test"
            notes.append(f"{count} {side} records dropped: their prompt is in {others} too")
    if not tests:
        raise DataError(
            f"tasks.{task}.data: no test records: all prompts are alike, so none can be held out; "
            "name a `test` file"
        )
    splits: dict[Split, tuple[Record, ...]] = {
        "train": draw(trains, data.max_train, seed),
        "validation": draw(validations, data.max_validation, data.split.seed),
        "test": draw(tests, data.max_test, data.split.seed),
    }
    counts = {split: len(records) for split, records in splits.items()}
    counts["duplicates"] = len(trains) - len({record.key for record in trains})
    counts["dropped"] = sum(dropped.values())
    return Divided(splits, counts, tuple(notes))


def _cut(
    task: str,
    data: DataSettings,
    given: Mapping[Split, Sequence[Record]],
    shape: FormatName,
    test_slice: bool,
    passage: str | None,
) -> tuple[Sides, list[str]]:
    sides: Sides = {split: tuple(given.get(split, ())) for split in ("train", "validation", "test")}
    if "train" not in given:
        return sides, []
    if test_slice and "test" not in given:
        return _sliced(sides, data)
    validation = 0.0 if "validation" in given else data.split.validation
    share = TEST_SHARE if data.split.test is None else data.split.test
    test = 0.0 if "test" in given else share
    if not test and "test" not in given:
        raise DataError(
            f"tasks.{task}.data: no test file, and split.test is 0; name a `test` file or raise it"
        )
    if shape == "text":
        parts, notes = hold_out_text(sides["train"], validation, test, data.split.seed), []
    else:
        key, notes = split_by(passage if validation or test else None, sides["train"])
        parts = hold_out(sides["train"], validation, test, data.split.seed, key)
    notes += [
        f"{side} was cut from training by content, {len(parts[side])} records"
        for side in ("validation", "test")
        if parts[side]
    ]
    return {
        side: sides[side] if side in given and side != "train" else parts[side] for side in sides
    }, notes


def _sliced(sides: Sides, data: DataSettings) -> tuple[Sides, list[str]]:
    """The first instances of each file for test, at most half of them."""
    files: dict[str, list[Record]] = defaultdict(list)
    for record in sides["train"]:
        files[record.where.rpartition(" item ")[0]].append(record)
    tests: list[Record] = []
    rest: list[Record] = []
    for records in files.values():
        count = min(SLICE, len(records) // 2)
        tests += records[:count]
        rest += records[count:]
    rest = list(without(rest, tests))
    notes = [
        f"test is the first instances of each file ({len(tests)}), as usual for version 2; for a "
        "share by content write `split`"
    ]
    if sides["validation"]:
        return {**sides, "train": tuple(rest), "test": tuple(tests)}, notes
    parts = hold_out(rest, data.split.validation, 0.0, data.split.seed)
    notes.append(f"validation was cut from training by content, {len(parts['validation'])} records")
    return {**parts, "test": tuple(tests)}, notes
