"""Speed and memory of curation: python benchmarks/curation_scale.py [COUNT...]

Short classification records, one in twenty an exact and one in twenty a near copy, all cheap checks
and near duplicates, on as many processes as cores. Memory is the most that was resident in all
processes together, looked at five times a second; pages that they share count in each.
"""

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from record import Line, save

COUNTS = (10_000, 100_000, 1_000_000)


def write(path: Path, count: int) -> None:
    dice = random.Random(0)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9)))
             for _ in range(20_000)]  # fmt: skip
    last, label = ["a", "b"], "a"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            kind = dice.random()
            if kind < 0.9:
                last = dice.choices(words, k=dice.randint(8, 25))
            elif kind < 0.95:
                last = [*last[:-1], dice.choice(words)]
            label = (
                "ab"[number % 2] if kind < 0.9 else label
            )  # a copy has the label of its original
            row = {"text": " ".join(last), "label": label}
            file.write(json.dumps(row) + "\n")


def measured(path: Path) -> None:
    from madrigal.curation import curate, of_files

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sources = of_files([path.name], path.parent)
        done = curate(sources, Path(folder), processes=len(os.sched_getaffinity(0)))
        found = {name: one["records"] for name, one in done.cards["a"]["found"].items()}
    seconds = time.perf_counter() - began
    cpu = sum(
        resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"seconds": seconds, "cpu": cpu, "found": found}))


def resident(ran: subprocess.Popen) -> int:
    """The most bytes that a process and its helpers held at a time, when it has ended."""
    most = 0
    while ran.poll() is None:
        time.sleep(0.2)
        held = 0
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(ran.pid)
            for one in (first, *first.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += one.memory_info().rss
        most = max(most, held)
    return most


def main() -> None:
    counts = [int(one) for one in sys.argv[1:]] or COUNTS
    lines: list[Line] = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.jsonl"
            write(path, count)
            command = [sys.executable, __file__, "--measure", str(path)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ran:
                peak = resident(ran)
                told = json.loads(ran.stdout.read())
        name = f"{count:,} records"
        lines += [
            Line(f"{name}: records a second", count / told["seconds"], "1/s"),
            Line(f"{name}: processor time", 1e3 * told["cpu"] / count, "ms a record"),
            Line(f"{name}: peak memory of all processes", peak / 2**20, "MiB"),
        ]
        print(name, told, flush=True)
    save("curation_scale", lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measured(Path(sys.argv[2]))
    else:
        main()
