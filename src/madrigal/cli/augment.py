"""`madrigal augment FILE --out DIR`: training records in a generator's words."""

import os
from pathlib import Path

from rich.console import Console

from madrigal.experience.rewriting import KEPT
from madrigal.pipeline.augment import LEDGER, WRITTEN, ready, work
from madrigal.pipeline.watch import Screen


def augment(path: Path, out: Path | None) -> None:
    """Asks, says what is kept and what not, and how a recipe learns from it.

    Raises:
        UserMistake: with every mistake that can be told before anything is asked.
        RunStopped: the generator cannot go on; the same command does.
    """
    home = out or Path("runs") / f"{path.stem}.augment"
    job = ready(path, home)
    console = Console(highlight=False)
    summary = work(job, home, Screen(console))
    kept = summary["fates"].get(KEPT, 0)
    lines = [
        f"{kept:,} of {summary['asked']:,} kept, beside {summary['records']:,} training records",
        *(
            f"  left out, {why}: {count:,}"
            for why, count in summary["fates"].items()
            if why != KEPT
        ),
        f"every text with its reason: {home / LEDGER}",
    ]
    if kept:
        told = os.path.relpath(home / WRITTEN, job.root)
        lines.append(f"to learn from them: tasks.{summary['task']}.augment.written: {told}")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
