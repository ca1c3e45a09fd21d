"""Tasks of raw text that learn only from what is nearest to another task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import Select
from madrigal.tasks.near import Chosen, nearest
from madrigal.tasks.record import Record
from madrigal.tasks.split import passages
from madrigal.tasks.task import Task

SHARE = 0.1  # of the text, where nothing says how much
_SHORTEST = 3  # a field of fewer characters may stand in a prompt by chance
_TOLD = 200  # passages that a card names


def with_selection(task: Task, rule: Select, near: Task, seed: int) -> Task:
    """The task with the passages of its training text that are nearest to what `near` trains on.

    Neighbours are one document again. Held-out text stays as it is.

    Raises:
        DataError: the task is not raw text, or one of the two has nothing to compare.
    """
    where = f"tasks.{task.name}.data.select"
    if task.kind != "text":
        raise DataError(
            f"{where}: passages are chosen of raw text, and the data are {task.format}; remove it"
        )
    wanted = [own_words(record) for record in near.splits["train"]]
    pieces = [
        (number, piece)
        for number, record in enumerate(task.splits["train"])
        for piece in passages(record, rule.passage)
    ]
    if not wanted or not pieces:
        bare = near.name if not wanted else task.name
        raise DataError(f"{where}: '{bare}' has no training text to compare")
    total = sum(len(piece.text) for _, piece in pieces)
    characters = rule.characters or round((rule.share or SHARE) * total)
    found = nearest([piece.text for _, piece in pieces], wanted, characters, seed)
    kept, spans = _documents(pieces, found)
    held = sum(len(record.text) for record in kept)
    note = (
        f"{len(found.places):,} of {len(pieces):,} passages ({held / total:.0%} of the text) are "
        f"chosen, near to '{near.name}': {found.random - found.after:.2f} bits nearer than as much "
        f"chosen at random ({found.after:.2f} against {found.random:.2f}; all {found.before:.2f})"
    )
    return replace(
        task,
        splits={**task.splits, "train": tuple(kept)},
        counts={**task.counts, "train": len(kept)},
        notes=(*task.notes, note),
        selected={
            "near": near.name,
            "passages": len(found.places),
            "of": len(pieces),
            "characters": held,
            "of_characters": total,
            "bits_before": round(found.before, 4),
            "bits_after": round(found.after, 4),
            "bits_random": round(found.random, 4),
            "chosen": spans,
        },
    )


def own_words(record: Record) -> str:
    """What a row brought of its prompt, without the template, and a written answer; raw text whole.

    Rows whose fields do not stand in the prompt give all of it.
    """
    if record.text:
        return record.text
    asked = "\n".join(turn.text for turn in record.turns if turn.role != "system")
    values = dict.fromkeys(value.strip() for value in record.fields.values())
    own = [value for value in values if len(value) >= _SHORTEST and value in asked]
    said = () if record.choices else record.said
    return "\n".join((*(own or [asked]), *said))


def _documents(
    pieces: Sequence[tuple[int, Record]], found: Chosen
) -> tuple[list[Record], list[dict[str, Any]]]:
    """Chosen passages, neighbours joined, and where they stand: the nearest first."""
    begins = _begins(pieces)
    groups: list[list[int]] = []
    for place in found.places:
        before = groups[-1][-1] if groups else -2
        if place == before + 1 and pieces[place][0] == pieces[before][0]:
            groups[-1].append(place)
        else:
            groups.append([place])
    weight = dict(zip(found.places, found.weights, strict=True))
    kept, spans = [], []
    for group in groups:
        first = pieces[group[0]][1]
        text = "".join(pieces[place][1].text for place in group)
        kept.append(replace(first, text=text))
        nearness = sum(weight[place] for place in group) / max(1, len(text))
        begin = begins[group[0]]
        spans.append(
            {"where": first.where, "from": begin, "to": begin + len(text),
             "nats_per_character": round(nearness, 4)}
        )  # fmt: skip
    spans.sort(key=lambda one: -one["nats_per_character"])
    return kept, spans[:_TOLD]


def _begins(pieces: Sequence[tuple[int, Record]]) -> list[int]:
    """Where each passage begins in its document, in characters."""
    begins = [0]
    for (one, piece), (other, _) in pairwise(pieces):
        begins.append(begins[-1] + len(piece.text) if one == other else 0)
    return begins


def selections(
    tasks: Mapping[str, Task], rules: Mapping[str, Select], seed: int
) -> tuple[dict[str, Task], list[str]]:
    """All tasks, those with a rule with what it chooses of them; and mistakes."""
    found, mistakes = dict(tasks), []
    for name, rule in rules.items():
        try:
            found[name] = with_selection(tasks[name], rule, tasks[rule.near], seed)
        except DataError as error:
            mistakes += error.mistakes
    return found, mistakes
