"""Any bytes at all as a record file: python benchmarks/fuzz_records.py [SECONDS] [SEED]

atheris (libFuzzer, guided by the coverage of the curation and task rooms) writes files of every
kind that is read; `curate` reads them, looks at all, and cleans, half of the times with every
remedy. What it may raise is a UserMistake of one line a mistake. Stops at the first that raises
anything else, and keeps the bytes; SECONDS are of processor time. Needs `pip install atheris`; in
continuous integration tests/law/test_curation.py tries the same with Hypothesis.
"""

import gzip
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["madrigal.curation", "madrigal.tasks"]):
    from madrigal.curation import curate, of_files
    from madrigal.curation.balance import Balance
    from madrigal.curation.clean import clean
    from madrigal.curation.normal import WAYS
    from madrigal.curation.remedies import Orders
from record import Line, save

from madrigal.errors import UserMistake

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 600
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
KINDS = ("jsonl", "json", "csv", "tsv", "txt", "md", "jsonl.gz", "csv.gz", "parquet")
SEEDS = (
    b'{"text": "a b", "label": "c"}\n{"text": "d", "label": "e"}\n',
    b'{"question": "a?", "answer": "b"}\n',
    b'{"instruction": "a", "input": "", "output": "b"}\n',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
    b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n',
    b'{"prompt": "a", "answers": ["b", "c"], "ratings": [1, 2.5]}\n',
    b'{"Definition": ["a"], "Instances": [{"input": "b", "output": ["c"]}]}',
    b"text,label\na,b\n\"c,\nd\",e\n", b"text\tlabel\na\tb\n", b"a text\n\nand more\n",
)  # fmt: skip
EVERYTHING = Orders(normalise=WAYS, balance=Balance("up"))
logging.disable(logging.CRITICAL)
told = {"files": 0, "read": 0, "refused": 0, "slowest": 0.0}
home = Path(tempfile.mkdtemp())


def one_file(data: bytes) -> None:
    """The first byte says the kind and what is done with it, the rest is the file."""
    if not data:
        return
    kind = KINDS[data[0] % len(KINDS)]
    content = gzip.compress(data[1:]) if kind.endswith("gz") and data[0] < 128 else data[1:]
    folder = home / "a"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / f"train.{kind}").write_bytes(content)
    began = time.perf_counter()
    told["files"] += 1
    try:
        found = curate(of_files(["a"], home), home / "out", home / "work", deep=["contamination"])
        clean(found, home / "out", EVERYTHING if data[0] & 64 else None)
        told["read"] += 1
    except UserMistake as error:
        if any("\n" in line for line in error.mistakes):
            raise RuntimeError("a mistake of several lines") from error
        told["refused"] += 1
    finally:
        told["slowest"] = max(told["slowest"], time.perf_counter() - began)
        shutil.rmtree(home / "work", ignore_errors=True)
        shutil.rmtree(home / "out", ignore_errors=True)
        # libFuzzer ends the process by itself and would leave nothing to save.
        if time.process_time() > SECONDS:
            finish()


def finish() -> None:
    shutil.rmtree(home, ignore_errors=True)
    save(
        "fuzz_records",
        [
            Line("files written by atheris", told["files"], "files"),
            Line("of these read", told["read"], "files"),
            Line("of these refused with one line", told["refused"], "files"),
            Line("slowest", told["slowest"], "s"),
            Line("anything else raised", 0, "files", "0", True),
        ],
        seconds=SECONDS,
        seed=SEED,
    )
    os._exit(0)


def main() -> None:
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(SEEDS):
        for kind in range(len(KINDS)):
            (corpus / f"{number}-{kind}").write_bytes(bytes([kind]) + seed)
    assert json.loads(SEEDS[1])
    atheris.Setup(
        [sys.argv[0], f"-seed={SEED}", "-max_len=2000", "-timeout=60", "-rss_limit_mb=4096",
         f"-artifact_prefix={tempfile.gettempdir()}/fuzz-records-", "-verbosity=0", str(corpus)],
        one_file,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
