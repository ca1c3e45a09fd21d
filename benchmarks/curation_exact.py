"""Killed at random moments, and in shards: python benchmarks/curation_exact.py [COUNT] [SEED]

`madrigal curate a.jsonl --out DIR --clean` over the records of curation_scale.py: once to its end;
once killed (SIGKILL, with all its processes) when a number of blocks drawn by seed is there, three
times, and once while records are compared, and then to its end; and in three shards in another
order, then joined. Everything under DIR but the stored blocks has to have the same bytes. What was
looked at before a kill is not looked at again: the blocks that are there keep their times.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from curation_scale import write
from record import Line, save

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
KILLS, SHARDS = 3, 3


def called(home: Path, out: str, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "madrigal", "curate", "a.jsonl", "--out", out, *more]
    return subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, start_new_session=True)


def ended(home: Path, out: str, *more: str) -> None:
    if called(home, out, *more).wait():
        raise SystemExit(f"{out} {more}: failed")


def stored(home: Path, out: str) -> dict[str, int]:
    """The blocks that are there, and when each was written."""
    return {path.name: path.stat().st_mtime_ns
            for path in (home / out).glob("work/*/[0-9]*.json")}  # fmt: skip


def killed_at(home: Path, out: str, blocks: int, later: float = 0.0) -> int:
    """Kills when so many blocks are there, or so many seconds later; how many were."""
    ran = called(home, out, "--clean", "--processes", "2")
    while len(stored(home, out)) < blocks:
        if ran.poll() is not None:
            raise SystemExit("ended before it could be killed")
        time.sleep(0.01)
    time.sleep(later)
    os.killpg(ran.pid, signal.SIGKILL)
    if ran.wait() != -signal.SIGKILL:
        raise SystemExit("ended before it could be killed")
    return len(stored(home, out))


def everything(home: Path, out: str) -> dict[str, str]:
    """Digests of all files but the stored blocks; call.json names the folder's own place."""
    folder = home / out
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "work" not in path.relative_to(folder).parts
    }


def unlike(one: dict[str, str], other: dict[str, str]) -> int:
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())


def main() -> None:
    dice = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home / "a.jsonl", COUNT)
        ended(home, "never", "--clean", "--processes", "2")
        whole, all_blocks = everything(home, "never"), len(stored(home, "never"))
        print(f"{all_blocks} blocks, {len(whole)} files", flush=True)
        moments = sorted(dice.sample(range(1, all_blocks), KILLS))
        seen: dict[str, int] = {}
        anew = 0
        for moment in (*moments, all_blocks):
            there = killed_at(home, "killed", moment, dice.random() * (moment == all_blocks))
            now = stored(home, "killed")
            anew += sum(now[name] != when for name, when in seen.items())
            seen = now
            print(f"killed with {there} of {all_blocks} blocks", flush=True)
        ended(home, "killed", "--clean", "--processes", "2")
        for number in dice.sample(range(1, SHARDS + 1), SHARDS):
            ended(home, "shards", "--processes", "1", "--shard", f"{number}/{SHARDS}")
        before = stored(home, "shards")
        ended(home, "shards", "--clean")
        anew += sum(before[name] != when for name, when in stored(home, "shards").items())
        different = [unlike(whole, everything(home, out)) for out in ("killed", "shards")]
    name = f"{COUNT:,} records"
    lines = [
        Line(f"{name}: files of a cleaned copy, cards and findings", len(whole), "files"),
        Line(f"{name}: killed {KILLS + 1} times: files of other bytes", different[0], "files",
             "0", different[0] == 0),
        Line(f"{name}: in {SHARDS} shards: files of other bytes", different[1], "files",
             "0", different[1] == 0),
        Line(f"{name}: blocks looked at again", anew, "blocks", "0", anew == 0),
    ]  # fmt: skip
    save("curation_exact", lines, killed_at=moments, blocks=all_blocks, seed=SEED)


if __name__ == "__main__":
    main()
