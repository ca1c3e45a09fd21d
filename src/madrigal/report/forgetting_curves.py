"""Forgetting curves: a task's score over all stages, a small picture for each task."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report import numbers
from madrigal.report.figures import px
from madrigal.report.numbers import Interval, Number
from madrigal.report.remembered import Move, remembered, row_to_row, taught_in
from madrigal.report.scale import Scale, tick_text, ticks
from madrigal.report.scoreboard import BASE, SINGLE, Scoreboard, TaskScores, label

_WIDTH, _HEIGHT = 320, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 300, 16, 140
_LETTERS = 46  # of all stage names together: more do not fit under the axis


@dataclass(frozen=True, slots=True)
class Curve:
    """One task's picture, with what became of it in a few words."""

    task: str
    metric: str
    fate: str
    figure: Markup


@dataclass(frozen=True, slots=True)
class Curves:
    """All tasks that were taught. `key` says what the numbers under the axis stand for."""

    curves: tuple[Curve, ...]
    key: str


def forgetting_curves(board: Scoreboard) -> Curves | None:
    """None unless tasks came in turn."""
    found = {one.task.name: one for one in remembered(board)}
    if not found:
        return None
    rows = [row for row in (BASE, *board.stages) if row in board.rows]
    names = [label(row) for row in rows]
    short = sum(map(len, names)) <= _LETTERS
    first = 0 if rows[0] == BASE else 1
    marks = names if short else [str(place) for place in range(first, first + len(rows))]
    moves = row_to_row(board)
    curves = []
    for name in taught_in(board):
        task = next((task for task in board.tasks if task.name == name), None)
        if task is not None and any(row in task.scores for row in rows):
            picture = _Picture(board, task, rows, marks, moves.get(name, ()))
            known = found.get(name)
            fate = _words(task, known.change.interval, known.fate) if known else "learnt last"
            metric = numbers.metric_name(task.metric)
            curves.append(Curve(name, metric, fate, picture.drawn()))
    pairs = zip(marks, names, strict=True)
    return Curves(tuple(curves), "" if short else ", ".join(f"{m} {n}" for m, n in pairs))


def _words(task: TaskScores, change: Interval, fate: str) -> str:
    told = {"unclear": "not sure", "unknown": "no interval", "helped": "better since"}
    return f"{told.get(fate, fate)}, {numbers.signed(change.value, task.metric)}"


@dataclass(frozen=True, slots=True)
class _Picture:
    board: Scoreboard
    task: TaskScores
    rows: Sequence[str]
    marks: Sequence[str]
    moves: Sequence[Move]

    def drawn(self) -> Markup:
        factor = numbers.scaled(1.0, self.task.metric)
        values = {r: s.scaled(factor) for r in self.rows if (s := self.task.scores.get(r))}
        single = self.task.single.scaled(factor) if self.task.single else None
        y = self._heights([*values.values(), *([single] if single else [])], factor)
        x = {row: self._across(place) for place, row in enumerate(self.rows)}
        parts = [*self._axes(x, y), *self._levels(y, single, factor)]
        parts += [*self._line(x, y, values), *self._points(x, y, values)]
        words = "; ".join(
            f"{label(row)} {numbers.score(score, self.task.metric)}"
            for row in self.rows
            if (score := self.task.scores.get(row))
        )
        return Markup(
            '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        ).format(_WIDTH, _HEIGHT, f"{self.task.name}: {words}", Markup("").join(parts))

    def _heights(self, values: Sequence[Interval], factor: Number) -> Scale:
        """0 to 100 for all that are shares, so that pictures compare; else what was seen."""
        if not numbers.has_own_scale(self.task.metric):
            return Scale(0, factor, _BOTTOM, _TOP)
        ends = [e for v in values for e in (v.value, v.low, v.high) if e is not None]
        margin = 0.06 * (max(ends) - min(ends)) or 1.0
        return Scale(min(ends) - margin, max(ends) + margin, _BOTTOM, _TOP)

    def _across(self, place: int) -> float:
        inside = 16
        steps = max(1, len(self.rows) - 1)
        return _LEFT + inside + (_RIGHT - _LEFT - 2 * inside) * place / steps

    def _axes(self, x: dict[str, float], y: Scale) -> Iterable[Markup]:
        heights = ticks(y.low, y.high, 4)
        for value in heights:
            yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                _LEFT, _RIGHT, px(y(value)), px(y(value))
            )
            yield _text(_LEFT - 5, y(value) + 4, tick_text(value, max(map(abs, heights))), "end")
        for row, mark in zip(self.rows, self.marks, strict=True):
            yield _text(x[row], _BOTTOM + 15, mark, "middle")
        for row in self.rows:
            if self._taught(row):
                yield Markup('<line class="taught" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                    px(x[row]), _TOP, _BOTTOM
                )

    def _taught(self, row: str) -> bool:
        before = row == BASE and self.task.name in self.board.before
        return before or self.task.name in self.board.learned.get(row, ())

    def _levels(self, y: Scale, single: Interval | None, factor: Number) -> Iterable[Markup]:
        """Chance, and the single-task model, as lines across."""
        chance = self.task.chance
        if chance and not numbers.has_own_scale(self.task.metric):
            yield _level(y(chance * factor), "chance")
        if single:
            yield _level(y(single.value), SINGLE)

    def _line(self, x: dict[str, float], y: Scale, values: dict[str, Interval]) -> Iterable[Markup]:
        """Dashed until the task is taught, then whole; over gaps where it was not evaluated."""
        rows = list(values)
        known = [place for place, row in enumerate(rows) if self._taught(row)]
        first = known[0] if known else len(rows) - 1
        for part, kind in ((rows[: first + 1], "line ahead"), (rows[first:], "line since")):
            if len(part) > 1:
                places = (f"{px(x[row])} {px(y(values[row].value))}" for row in part)
                yield Markup('<path class="{}" d="{}"/>').format(kind, "M" + "L".join(places))

    def _points(
        self, x: dict[str, float], y: Scale, values: dict[str, Interval]
    ) -> Iterable[Markup]:
        sure = {move.after: move for move in self.moves if move.change.settled == "worse"}
        seen_taught = False
        for row, value in values.items():
            seen_taught = seen_taught or self._taught(row)
            kind = "taught" if self._taught(row) else "since" if seen_taught else "ahead"
            told = numbers.score(self.task.scores[row], self.task.metric)
            if value.low is not None and value.high is not None:
                yield Markup('<line class="whisker {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                    kind, px(x[row]), px(x[row]), px(y(value.low)), px(y(value.high))
                )
            yield Markup(
                '<circle class="place {}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>'
            ).format(
                kind,
                px(x[row]),
                px(y(value.value)),
                "5" if kind == "taught" else "3.6",
                f"{label(row)}: {told}",
            )
            if row in sure and seen_taught:
                below = y(value.value if value.low is None else value.low) + 12
                yield _sign(x[row], min(below, _BOTTOM - 1))


def _sign(x: Number, y: Number) -> Markup:
    return Markup('<text class="drop" x="{}" y="{}" text-anchor="middle">▼</text>').format(
        px(x), px(y)
    )


def _level(at: Number, kind: str) -> Markup:
    return Markup('<line class="level {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        kind, _LEFT, _RIGHT, px(at), px(at)
    )


def _text(x: Number, y: Number, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        px(x), px(y), anchor, text
    )
