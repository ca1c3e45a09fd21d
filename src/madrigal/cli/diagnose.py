"""`madrigal diagnose RUN`: who was hurt, by whom, how sure, and what to try."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from madrigal.evaluation.interference import Interference, Pair
from madrigal.report import fights, numbers
from madrigal.report.diagnosis import Diagnosis, Hurt, diagnose, stage_named
from madrigal.report.folder import read_run
from madrigal.report.interference import STATES, measured
from madrigal.report.scoreboard import label, read_scores

_PAIRS = 6  # in the table: the worst


def print_diagnosis(run: Path, stage: str | None) -> None:
    """Prints the verdict, what each hurt task may be helped by, and the pairs of tasks.

    Raises:
        RunFolderError: nothing of a run in the folder, or no such stage.
    """
    folder = read_run(run)
    chosen = stage_named(folder, stage) if stage else None
    found = measured(folder)
    diagnosis = diagnose(folder, read_scores(folder), found, chosen)
    console = Console(highlight=False)
    console.print(view(diagnosis))
    for name, one in found.items():
        if chosen in (None, name):
            console.print(pairs(label(name), one))
    page = folder.path / "report.html"
    if found and page.is_file():
        console.print(Text(f"over steps and layers: {page}#interference", style="dim"))


def view(diagnosis: Diagnosis) -> RenderableType:
    """The verdict and the remedies; the same words as on the page."""
    parts: list[RenderableType] = [Text(diagnosis.verdict, style="bold")]
    parts += [_hurt(each) for each in diagnosis.hurt]
    if diagnosis.fights:
        parts.append(Text(""))
    for stage, sentences in diagnosis.fights:
        parts += [_told(stage, sentence, len(diagnosis.fights) > 1) for sentence in sentences]
    if diagnosis.notes:
        parts.append(Text(""))
    parts += [Text(note, style="dim") for note in diagnosis.notes]
    return Group(*parts)


def _told(stage: str, sentence: str, several: bool) -> Text:
    return Text(f"{stage}: {sentence}" if several else sentence)


def _hurt(hurt: Hurt) -> RenderableType:
    parts: list[RenderableType] = [
        Text(""),
        Text.assemble(("▼ ", "bold red"), (hurt.task, "bold"), hurt.sentence[len(hurt.task) :]),
    ]
    for remedy in hurt.remedies:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", width=7)
        table.add_column(overflow="fold")
        table.add_row("try", Text(remedy.attempt))
        table.add_row("because", Text(remedy.because))
        parts.append(Padding(table, (0, 0, 0, 2)))
    return Group(*parts)


def pairs(stage: str, found: Interference) -> RenderableType:
    """The worst pairs of a stage in a table."""
    shown = found.pairs[:_PAIRS]
    title = f"\nstage {stage}: cosines over {numbers.counted(found.measured, 'measured step')}"
    if len(found.pairs) > len(shown):
        title += f", the {len(shown)} lowest of {len(found.pairs)} pairs"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("pair", "cosine", "interval", "verdict"):
        table.add_column(name, justify="right" if name in ("cosine", "interval") else "left")
    for pair in shown:
        table.add_row(*_cells(pair, found))
    return Group(Text(title, style="dim"), table)


def _cells(pair: Pair, found: Interference) -> list[Text]:
    words = STATES[pair.state]
    style = ""
    if pair.state == "conflict":
        words += fights.since(pair, found)
        style = "bold red"
    return [
        Text(f"{pair.first}, {pair.second}"),
        Text(fights.signed(pair.cosine.value)),
        Text(fights.interval(pair.cosine)),
        Text(words, style=style),
    ]
