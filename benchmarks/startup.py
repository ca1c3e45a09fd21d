"""How long the command line takes to answer: medians of five fresh processes."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from record import Line, save

ROOT = Path(__file__).parents[1]
RUNS = 5
MADRIGAL = Path(sys.executable).parent / "madrigal"

COMMANDS = (
    (("--help",), 0.3),
    (("check", "recipes/quickstart.yaml"), 5.0),
)


def seconds(arguments: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run([MADRIGAL, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    lines, samples = [], {}
    for arguments, limit in COMMANDS:
        seconds(arguments)  # files into the page cache, byte code written
        times = [seconds(arguments) for _ in range(RUNS)]
        median = statistics.median(times)
        what = " ".join(("madrigal", *arguments))
        samples[what] = times
        lines.append(Line(what, round(median, 3), "s", f"< {limit} s", median < limit))
    save("startup", lines, seconds=samples)


if __name__ == "__main__":
    main()
