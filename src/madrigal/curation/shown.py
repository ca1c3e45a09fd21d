"""Records that findings speak of, to be read beside each other; personal data masked."""

from collections.abc import Mapping
from typing import Any

from madrigal.curation.beside import Piece, apart, common, plain
from madrigal.curation.finding import CheckName, Finding
from madrigal.curation.loaded import Loaded
from madrigal.curation.remedies import without_people, without_secrets
from madrigal.curation.sample import Sample
from madrigal.curation.table import TASK
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split

# Pairs that are nearly the same: what tells them apart is what one looks for.
_ALIKE: frozenset[CheckName] = frozenset({"near_duplicate", "near_leak", "contradiction"})
# The same in both: one of them is enough.
_SAME: frozenset[CheckName] = frozenset({"exact_duplicate", "shared_with_task", "leak"})
_PRIVATE: frozenset[CheckName] = frozenset({"personal_data", "secret"})
_ANSWER = "\n→ "

_Place = tuple[str, Split, Record]


def with_texts(cards: Mapping[str, dict[str, Any]], loaded: Loaded) -> dict[str, dict[str, Any]]:
    """The cards with the records of their examples: `record`, and `beside` it the other one."""
    told = [
        example
        for card in cards.values()
        for found in card["found"].values()
        for example in found["examples"]
        if example["record"] != TASK
    ]
    others = _others(loaded, {example["other"] for example in told if "other" in example})
    for example in told:
        finding = Finding.of_json(example)
        split, place = finding.file.rpartition("/")[2], finding.record
        record = loaded.tasks[finding.task].splits[split][place]  # pyright: ignore[reportArgumentType]
        mine = _text(loaded, finding.task, record, finding.check)
        other = others.get(finding.other)
        if other is None or finding.check in _SAME:
            example["pieces"] = plain(mine)
            continue
        task, split, record = other
        compare = apart if finding.check in _ALIKE else common
        example["pieces"], example["beside"] = compare(
            mine, _text(loaded, task, record, finding.check)
        )
        example["other_task"], example["other_split"] = task, split
    return dict(cards)


def _others(loaded: Loaded, wanted: set[str]) -> dict[str, _Place]:
    """The records that stand at some places, as `where` names them."""
    found: dict[str, _Place] = {}
    for task in loaded.tasks if wanted else ():
        for split in ("train", "validation", "test"):
            for _, record in loaded.chosen(task, split):
                if record.where in wanted:
                    found.setdefault(record.where, (task, split, record))
    return found


def _text(loaded: Loaded, task: str, record: Record, check: CheckName) -> str:
    sample: Sample = loaded.sample(task, record)
    text = without_secrets(
        _ANSWER.join([sample.own, *sample.answers] if not sample.text else [sample.own])
    )
    return without_people(text) if check in _PRIVATE else text


__all__ = ["Piece", "with_texts"]
