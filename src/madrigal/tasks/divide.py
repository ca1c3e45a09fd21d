"""The splits of a task from what the user gave: files of their own, or shares cut by content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.errors import DataError
from madrigal.recipe.task import DataSettings, FormatName
from madrigal.tasks.record import Record
from madrigal.tasks.split import Sides, draw, hold_out, hold_out_text, without
from madrigal.tasks.task import Split


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
) -> Divided:
    """Cut what was not given, keep held-out prompts out of training, apply the `max_` limits."""
    sides, notes = _cut(task, data, given, shape, seed)
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
            f"tasks.{task}.data: no test records; name a `test` file or raise `split.test`"
        )
    splits: dict[Split, tuple[Record, ...]] = {
        "train": draw(trains, data.max_train, seed),
        "validation": draw(validations, data.max_validation, seed),
        "test": draw(tests, data.max_test, seed),
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
    seed: int,
) -> tuple[Sides, list[str]]:
    sides: Sides = {split: tuple(given.get(split, ())) for split in ("train", "validation", "test")}
    if "train" not in given:
        return sides, []
    validation = 0.0 if "validation" in given else data.split.validation
    test = 0.0 if "test" in given else data.split.test
    if not test and "test" not in given:
        raise DataError(
            f"tasks.{task}.data: no test file, and split.test is 0; name a `test` file or raise it"
        )
    cut = hold_out_text if shape == "text" else hold_out
    parts = cut(sides["train"], validation, test, seed)
    notes = [
        f"{side} was cut from training by content, {len(parts[side])} records"
        for side in ("validation", "test")
        if parts[side]
    ]
    return {
        side: sides[side] if side in given and side != "train" else parts[side] for side in sides
    }, notes
