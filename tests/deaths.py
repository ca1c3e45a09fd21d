"""A run that dies at a place which its files name, with no clean-up of any kind."""

import os
import time
from pathlib import Path

from madrigal.pipeline import journal
from madrigal.training import loop

DEAD = 9


def arm(out: Path, when: str, path: str, line: int = 0) -> None:
    """Die at a place of the run in `out`.

    Places: `("before", path)` a file or folder of the run takes its name, `("after", path)` it
    took it, `("line", path, n)` line n of a stage's steps.jsonl has been written. At `("late",
    path, n)` nobody dies: all but the first process come n seconds late to each stage.
    """
    place = out / path
    if when == "late":
        _come_late(line)
        return
    if when == "line":
        append = journal.Journal._append

        def told(self, file, body):
            append(self, file, body)
            if self._folder / file == place and body["step"] == line:
                os._exit(DEAD)

        journal.Journal._append = told
        return
    for named in ("rename", "replace"):
        move = getattr(Path, named)

        def moved(self, target, move=move):
            if when == "before" and Path(target) == place:
                os._exit(DEAD)
            result = move(self, target)
            if Path(target) == place:
                os._exit(DEAD)
            return result

        setattr(Path, named, moved)


def _come_late(seconds: int) -> None:
    newest = loop.newest_checkpoint

    def late(folder):
        if os.environ.get("RANK", "0") != "0":
            time.sleep(seconds)
        return newest(folder)

    loop.newest_checkpoint = late
