"""`madrigal tax RUN`: what a stage gained and what it cost, and a point between chosen."""

import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from madrigal.cli.export import write_out
from madrigal.errors import UserMistake
from madrigal.pipeline.tax import Asking, measure_tax, point_of
from madrigal.pipeline.taxed import note_choice, taxed
from madrigal.pipeline.watch import Screen
from madrigal.report import tax_table, write_report


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line."""

    stage: str | None
    points: str
    judges: tuple[str, ...]
    prompts: int


def tax(run: Path, wish: Wish, out: Path | None, merge: bool, task: str | None) -> None:
    """Measures what is missing, prints the table and writes the report again.

    Raises:
        UserMistake: with every mistake of the command line, or of the run.
    """
    mistakes = []
    shares: list[float] = []
    for text in wish.points.split(","):
        try:
            shares.append(_share(text, "--points"))
        except UserMistake as problem:
            mistakes += problem.mistakes
    judges: list[tuple[str, Path]] = []
    for text in wish.judges:
        name, equals, path = text.partition("=")
        if not equals or not path:
            mistakes.append(f"--judge {text}: no 'TASK=RUN'; write --judge polite=runs/judge")
            continue
        judges.append((name, Path(path).expanduser()))
    for given, option in ((out, "--out"), (merge, "--merge"), (task, "--task")):
        if given:
            mistakes.append(f"{option}: only --choose writes a model; add --choose SHARE")
    if mistakes:
        raise UserMistake(mistakes)
    console = Console(highlight=False)
    asking = Asking(wish.stage, tuple(shares), tuple(judges), wish.prompts)
    folder = measure_tax(run, asking, Screen(console))
    page = write_report(run)
    console.print(tax_table(run, folder.name))
    console.print(f"report: {page}", markup=False)


def choose_point(
    run: Path, stage: str | None, share: str, out: Path | None, merge: bool, task: str | None
) -> None:
    """Writes the model of a point for other programs, and notes the choice in the report.

    Raises:
        UserMistake: no point, no such stage, or something stands where it would be written.
    """
    chosen = _share(share, "--choose")
    if out is None:
        raise UserMistake(f"--choose {share}: add --out DIR, a new folder for the model")
    label, _ = taxed(run, stage)
    with point_of(run, label, chosen, task) as trained:
        said = f"Point {chosen:g} of the way through stage {label}: 0 is the model before, 1 after."
        write_out(trained, run, out, merge, said)
    note_choice(run, label, chosen, task, out)
    write_report(run)


def _share(text: str, option: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise UserMistake(
            f"{option}: {text.strip() or 'nothing'!r} is no point between 0 (before the stage) and "
            "1 (after it)"
        )
    return share
