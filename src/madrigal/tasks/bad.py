"""Rows that cannot be used: mistakes, or left out where the task says so."""

from dataclasses import dataclass, field

from madrigal.errors import DataError
from madrigal.tasks.row import Mistakes

# Behind a mistake of a row that the user may prefer to do without.
CURE = "; correct the row, or leave such rows out with `data.on_bad: drop`"

# Behind an answer that does not fit the model's context.
SHORTEN = "; shorten it, raise `model.context`, or leave such records out with `data.on_bad: drop`"

# Behind a prompt after which a model is to write, and cannot.
CUT = "; shorten it, lower max_new_tokens, or leave such records out with `data.on_bad: drop`"


@dataclass(slots=True)
class BadRows:
    """The rows and what is wrong with them; `drop` is `data.on_bad`."""

    drop: bool
    where: set[str] = field(default_factory=set)
    mistakes: Mistakes = field(default_factory=Mistakes)

    def add(self, where: str, file: str, error: DataError) -> None:
        """What is wrong with the row at `where`; of each `file` the first few are listed."""
        self.where.add(where)
        self.mistakes.add(file, error.mistakes)

    def settle(self, left: int, none: str) -> None:
        """Raise everything, unless it may be dropped and so many other records are left.

        `none` is said first where it may be dropped and nothing is left.
        """
        if not self.drop:
            self.mistakes.raise_any()
        elif self.where and not left:
            raise DataError((none, *self._first))

    @property
    def count(self) -> int:
        return len(self.where)

    @property
    def note(self) -> str:
        """How many rows were dropped, and what was wrong with the first of each file."""
        rows = "bad row was" if self.count == 1 else "bad rows were"
        return f"{self.count} {rows} dropped (data.on_bad): {'; '.join(self._first)}"

    @property
    def all(self) -> tuple[str, ...]:
        """What was wrong with each row, a line a mistake, without what could be done about it."""
        return tuple(_bare(line) for lines in self.mistakes.by_file.values() for line in lines)

    @property
    def _first(self) -> tuple[str, ...]:
        return tuple(_bare(line) for line in self.mistakes.sentences())


def _bare(line: str) -> str:
    return line.removesuffix(CURE).removesuffix(SHORTEN).removesuffix(CUT)
