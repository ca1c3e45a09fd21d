"""Rankings of several answers to one prompt.

Known shapes: `replies_best_first` (or `answers_`, `responses_best_first`); and `answers` with
`ranking`, which names them best first by number, text or letter and holds ties as lists inside
([2, [1, 3]]), or with `ranks`, a rank for each, 1 for the best and equal ones for ties. Several
people's rankings or ranks are a mapping from annotator to list.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked
from madrigal.tasks.formats.base import Draft, Format, first_of
from madrigal.tasks.formats.judged import annotator_of, answers_of, draft, number, places
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

MANY = ("answers", "responses", "completions", "replies", "outputs")
_BEST_FIRST = tuple(f"{name}_best_first" for name in MANY)
_RANKS = ("ranks", "rank")


def _matches(row: Row) -> bool:
    if first_of(row, _BEST_FIRST) is not None:
        return True
    many = first_of(row, MANY)
    ranked = first_of(row, ("ranking", *_RANKS)) is not None
    return many is not None and isinstance(row.values[many], list) and ranked


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    turns, problem = asked(row)
    best_first = first_of(row, _BEST_FIRST)
    if best_first is not None:
        answers = answers_of(row, best_first)
        values = tuple(float(place) for place in reversed(range(len(answers))))
        judgements: tuple[Judgement, ...] = (Judgement(values, annotator_of(row)),)
    else:
        many = first_of(row, MANY)
        if many is None:
            raise DataError(f"{row.where}: {unknown_field('answers', row.values)}")
        answers = answers_of(row, many)
        judgements = tuple(_judgements(row, answers))
    return [draft(row, turns, Feedback("ranking", answers, judgements), problem=problem)]


def _judgements(row: Row, answers: Sequence[str]) -> list[Judgement]:
    name = first_of(row, ("ranking", *_RANKS))
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('ranking', row.values)}")
    value = row.values[name]
    read = _of_ranks if name in _RANKS else _of_ranking
    if isinstance(value, Mapping):
        people = [(str(person), said) for person, said in value.items()]
    else:
        people = [(annotator_of(row), value)]
    if not people:
        raise DataError(f"{row.where}: field '{name}' holds nobody's ranking{CURE}")
    return [Judgement(read(said, answers, row.where, name), person) for person, said in people]


def _of_ranking(value: Any, answers: Sequence[str], where: str, name: str) -> tuple[float, ...]:
    """Answers named best first; a list inside holds those that are alike."""
    if not isinstance(value, list):
        raise DataError(f"{where}: field '{name}' must list the answers, best first")
    groups = [item if isinstance(item, list) else [item] for item in value]
    flat = [item for group in groups for item in group]
    order = places(flat, _marks(flat, answers), where, name)
    _check_all(order, answers, where, name)
    levels = iter(order)
    found = {next(levels): len(groups) - at for at, group in enumerate(groups, 1) for _ in group}
    return tuple(float(found[place]) for place in range(len(answers)))


def _marks(items: Sequence[Any], answers: Sequence[str]) -> list[dict[str, int]]:
    """Numbers count from 0 where 0 is among them; else from 1. Texts and letters name too."""
    start = 0 if any(str(item).strip() == "0" for item in items) else 1
    letters = [chr(ord("a") + place) for place in range(len(answers))]
    texts = [answer.strip().lower() for answer in answers]
    numbers = [str(start + place) for place in range(len(answers))]
    return [{word: at for at, word in enumerate(words)} for words in (numbers, letters, texts)]


def _check_all(order: Sequence[int], answers: Sequence[str], where: str, name: str) -> None:
    counts = Counter(order)
    twice = next((place for place, count in counts.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{where}: field '{name}' names answer {twice + 1} twice{CURE}")
    missing = next((place for place in range(len(answers)) if place not in counts), None)
    if missing is not None:
        raise DataError(
            f"{where}: field '{name}' has a gap: answer {missing + 1} of {len(answers)} is not "
            f"in it{CURE}"
        )


def _of_ranks(value: Any, answers: Sequence[str], where: str, name: str) -> tuple[float, ...]:
    """A rank for each answer, the lowest being the best."""
    if not isinstance(value, list) or len(value) != len(answers):
        count = len(value) if isinstance(value, list) else "no list of"
        raise DataError(f"{where}: field '{name}' holds {count} ranks for {len(answers)} answers")
    ranks = [number(one, where, name) for one in value]
    if not _without_gap(ranks):
        said = ", ".join(f"{rank:g}" for rank in ranks)
        raise DataError(f"{where}: field '{name}' has a gap: {said}; ranks follow each other{CURE}")
    levels = sorted(set(ranks), reverse=True)
    return tuple(float(levels.index(rank)) for rank in ranks)


def _without_gap(ranks: Sequence[float]) -> bool:
    """Whether ranks count on as one of the customs has it, from 1 or 0: equal answers share one
    rank (1 2 2 3), the first of their places (1 2 2 4), the last (1 3 3 4) or the mean."""
    start = 0.0 if min(ranks) == 0 else 1.0
    levels = sorted(set(ranks))
    above = [sum(rank < level for rank in ranks) for level in levels]
    equal = [sum(rank == level for rank in ranks) for level in levels]
    customs = (
        [start + place for place in range(len(levels))],
        [start + before for before in above],
        [start + before + same - 1 for before, same in zip(above, equal, strict=True)],
        [start + before + (same - 1) / 2 for before, same in zip(above, equal, strict=True)],
    )
    return levels in customs


RANKINGS = Format(
    "rankings", "replies_best_first; or answers + ranking or ranks", _matches, _drafts
)
