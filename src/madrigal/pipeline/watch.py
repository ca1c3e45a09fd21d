"""What a person sees while a run goes on: progress with the time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from madrigal.training.record import Event, Observer, StepRecord, Watched

OnProgress = Callable[[int, int], None]


class Screen:
    """The terminal of the first process; silent in the others."""

    def __init__(self, console: Console | None = None, silent: bool = False) -> None:
        self.console = console if console is not None else Console(quiet=silent)

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, highlight=False)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[tuple[OnProgress, Callable[[str], None]]]:
        """A bar with the time left. Yields a function (done, total), and one for a short remark.

        Without a terminal a line is printed at the end instead of a moving bar.
        """
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        with Progress(
            *columns, console=self.console, transient=False, disable=not self.console.is_terminal
        ) as progress:
            task = progress.add_task(title, total=total, remark="")

            def moved(done: int, of: int) -> None:
                progress.update(task, completed=done, total=of)

            yield moved, lambda remark: progress.update(task, remark=remark)
        if not self.console.is_terminal:
            self.say(f"{title}: done")

    @contextmanager
    def training(self, title: str, steps: int, done: int) -> Iterator[Observer]:
        """A bar that follows a stage, with its mean loss and speed."""
        with self.bar(title, steps) as (moved, remark):
            moved(done, steps)

            def observe(seen: Watched) -> None:
                if isinstance(seen, StepRecord):
                    moved(seen.step, steps)
                    losses = list(seen.loss.values())
                    speed = sum(seen.tokens.values()) / max(seen.seconds, 1e-9)
                    remark(f"loss {sum(losses) / len(losses):.3f}, {speed:,.0f} tokens/s")
                elif isinstance(seen, Event):
                    self.say(f"  {seen.text}")

            yield observe
