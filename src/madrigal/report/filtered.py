"""What the filter of a run kept from people, by task and row of the matrix."""

from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.folder import Json
from madrigal.report.numbers import Interval, mapping, number
from madrigal.report.scoreboard import Scoreboard, label


@dataclass(frozen=True, slots=True)
class FilteredView:
    """A table: a line a task, a column a row of the matrix; and which rules blocked how many."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], str], ...]  # task, share by column, rules at the end


def filtered_view(board: Scoreboard) -> FilteredView | None:
    """The table, or None where no filter looked at any answer."""
    found = mapping(board.summary.get("filtered"))
    stages = [row for row in board.rows if mapping(found.get(row))]
    tasks = [
        task.name for task in board.tasks if any(task.name in mapping(found[s]) for s in stages)
    ]
    if not tasks:
        return None
    rows = []
    for task in tasks:
        cells = [mapping(mapping(found[stage]).get(task)) for stage in stages]
        counts = mapping(cells[-1].get("rules"))
        rules = ", ".join(f"{rule} {count}" for rule, count in counts.items())
        rows.append((task, tuple(map(_share, cells)), rules or numbers.DASH))
    return FilteredView(tuple(label(stage) for stage in stages), tuple(rows))


def _share(cell: Json) -> str:
    value = number(cell.get("value"))
    if value is None:
        return numbers.DASH
    ends = Interval(value, number(cell.get("low")), number(cell.get("high")))
    return f"{numbers.score(ends, 'accuracy')} of {cell.get('n')}"
