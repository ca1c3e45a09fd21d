"""Faults planted, and what curation finds: python benchmarks/curation_planted.py [SEEDS] [FIRST]

A fault of each kind (`curation_faults.py`) goes into records drawn by seed, in the training part of
real sets of $MADRIGAL_DATA, each record or held-out record used once. Recall: planted records that
the check names. Precision: records with a fault that the check is there for among those that it
names and did not name before planting, so what the sets contain by themselves counts neither for it
nor against it. A fault may be there for several checks: a held-out record in training is a leak and
a contamination (`ALSO`). False alarms: records that nobody touched, but that are named since others
were. Wilson intervals, all seeds together. Licences and uneven labels are faults of a whole task,
and are counted by task. Wrong labels: `curation_labels.py`; shift: `domains.py`.
"""

import json
import random
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from curation_faults import (
    ANSWERS,
    CHANGES,
    CLOSED,
    DATA,
    OPEN,
    TEXTS,
    Row,
    edited,
    read,
    unreadable,
)
from record import Line, save

from madrigal.curation import curate, of_files
from madrigal.evaluation.intervals import wilson

CHOSEN = {"sst2": "text", "rte": "text", "dbpedia14": "text"}
WRITTEN = {"gsm8k": ("question", "answer")}
FIRST = int(sys.argv[2]) if len(sys.argv) > 2 else 11
SEEDS = tuple(range(FIRST, FIRST + (int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
COUNT = 40
EVEN, UNEVEN = (1, 3, 6), (12, 20)  # times as frequent as the rarest label
Rows = list[Row | bytes]
Found = dict[str, set[str]]
Counts = dict[str, tuple[set, ...]]

# What one fault is there for besides its own check.
ALSO = {
    "contamination": {"leak", "near_leak"}, "near_leak": {"contamination"},
    "repetition": {"length"}, "exact_duplicate": {"contradiction"},
}  # fmt: skip


def found(folder: Path, **tasks: tuple[Rows, Rows]) -> Found:
    """Places by check, as `task/train.jsonl:7`; English is declared for all."""
    for name, parts in tasks.items():
        home = folder / name
        home.mkdir(parents=True)
        for part, rows in zip(("train", "test"), parts, strict=True):
            if not rows:
                continue
            lines = [one if isinstance(one, bytes)
                     else json.dumps(one, ensure_ascii=False).encode() for one in rows]  # fmt: skip
            (home / f"{part}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    sources = of_files([*tasks], folder, languages=("en", "en"))
    told: Found = defaultdict(set)
    for one in curate(sources, folder / "out", deep=["contamination"]).read():
        told[one.check].add(one.where)
    return told


def one_set(name: str, seed: int) -> Counts:
    """For each check: where a fault was planted, those found, right finds, all new ones, records
    that nobody touched, and those of them that are named."""
    written = name in WRITTEN
    home = DATA / ("instructions" if written else "classification") / name
    train, test = (read(home / f"{part}.jsonl") for part in ("train", "test"))
    prompt, answer = WRITTEN[name] if written else (CHOSEN[name], "label")
    dice = random.Random(seed)
    places = dice.sample(range(len(train)), len(train))
    tests = dice.sample([row for row in test if len(row[prompt].split()) > 12], 3 * COUNT)
    planted: dict[str, set[str]] = defaultdict(set)
    rows: Rows = [dict(row) for row in train]

    def plant(check: str, place: int) -> None:
        planted[check].add(f"task/train.jsonl:{place + 1}")

    for check, change in (ANSWERS if written else CHANGES).items():
        field = answer if written else prompt
        for place in [places.pop() for _ in range(COUNT)]:
            rows[place] = train[place] | {field: change(train[place][field], dice)}
            plant(check, place)
    for place in [places.pop() for _ in range(COUNT)]:
        rows[place] = unreadable(train[place], prompt, dice)
        plant("unreadable", place)
    for place in [places.pop() for _ in range(COUNT)] if written else ():
        rows[place] = train[place] | {answer: f"{train[place][prompt]} {train[place][answer]}"}
        plant("prompt_in_answer", place)
    for check in ("language",) if written else TEXTS:
        for text in dice.sample(TEXTS[check](), COUNT):
            place = places.pop()
            rows[place] = train[place] | {answer if written else prompt: text}
            if check:
                plant(check, place)
    used = added(
        rows, train, [train[place] for place in places], tests, (prompt, answer), dice, plant
    )
    clean = {f"task/train.jsonl:{place + 1}" for place in places if id(train[place]) not in used}
    with tempfile.TemporaryDirectory() as folder:
        before = found(Path(folder) / "before", task=(train, test))
        after = found(Path(folder) / "after", task=(rows, test))
    told = {}
    for check, there in planted.items():
        new = {where for where in after[check] - before[check] if "train" in where}
        also = set().union(*(planted.get(one, set()) for one in ALSO.get(check, ())))
        # Either side of a contradiction is named, and of the two copies of a held-out record.
        if check == "contradiction":
            also |= {where for where in new if alike(rows, where, there, prompt)}
        told[check] = (there, new & there, new & (also | there), new, clean, new & clean)
    return told


def added(rows, train, left, tests, fields, dice, plant) -> set[int]:
    """Appends copies, edited ones, contradictions and held-out text; the records they are of."""
    prompt, answer = fields
    long = [row for row in left if len(row[prompt].split()) > 12]
    short = [row for row in left if len(row[prompt].split()) <= 12]
    if len(short) < COUNT:
        short, long = long[:COUNT], long[COUNT:]
    labels = sorted({row[answer] for row in train})
    used: set[int] = set()
    for _ in range(COUNT):
        for check, like in (
            ("exact_duplicate", short.pop()), ("near_duplicate", long.pop()),
            ("contradiction", long.pop()), ("leak", tests.pop()),
            ("near_leak", tests.pop()), ("contamination", tests.pop()),
        ):  # fmt: skip
            used.add(id(like))
            if check == "contradiction" and answer == "answer":
                continue
            more = {}
            if check in ("near_duplicate", "near_leak"):
                more = {prompt: edited(like[prompt], dice)}
            elif check == "contradiction":
                other = [one for one in labels if one != like[answer]]
                more = {answer: dice.choice(other)}
            elif check == "contamination":
                more = {prompt: f"As was said: {like[prompt]} And so on."}
            rows.append(like | more)
            plant(check, len(rows) - 1)
    return used


def alike(rows: Rows, where: str, planted: set[str], prompt: str) -> bool:
    """Whether a planted record has the same prompt."""
    mine, *others = (rows[int(one.split(":")[1]) - 1] for one in (where, *planted))
    return any(one[prompt] == mine[prompt] for one in others)  # pyright: ignore


def between(seed: int) -> Counts:
    """Records of one task in the training part of the next: of its training part, and held out."""
    dice = random.Random(seed)
    home = DATA / "classification"
    parts = {name: [read(home / name / f"{part}.jsonl") for part in ("train", "test")]
             for name in CHOSEN}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        before = found(Path(folder), **{name: (a, b) for name, (a, b) in parts.items()})
    names = [*CHOSEN]
    # By the copy: the places of which one is to be named.
    pairs: dict[str, dict[str, set[str]]] = {"shared_with_task": {}, "leak": {}}
    rows = {name: [*train] for name, (train, _) in parts.items()}
    for name, into in zip(names, [*names[1:], names[0]], strict=True):
        for check, k in (("shared_with_task", 0), ("leak", 1)):
            for place in dice.sample(range(len(parts[name][k])), COUNT):
                rows[into].append(parts[name][k][place])
                copy = f"{into}/train.jsonl:{len(rows[into])}"
                # Of two tasks that share a record the later one has it named.
                either = {copy, f"{name}/train.jsonl:{place + 1}"}
                pairs[check][copy] = either if check == "shared_with_task" else {copy}
    with tempfile.TemporaryDirectory() as folder:
        after = found(Path(folder), **{name: (rows[name], parts[name][1]) for name in names})
    told = {}
    for check, some in pairs.items():
        new = after[check] - before[check]
        hit = {copy for copy, either in some.items() if either & new}
        right = new & set().union(*some.values())
        told[f"{check}, between tasks"] = ({*some}, hit, right, new, set(), set())
    return told


def uneven(name: str, seed: int) -> Counts:
    """Tasks of which one label is so many times rarer than the most frequent one."""
    dice = random.Random(seed)
    train = read(DATA / f"classification/{name}/train.jsonl")
    by: dict[str, list[Row]] = defaultdict(list)
    for row in dice.sample(train, len(train)):
        by[row["label"]].append(row)
    most = min(map(len, by.values()))
    rare = dice.choice(sorted(by))
    named, there = set(), {f"{times}" for times in UNEVEN}
    for times in (*EVEN, *UNEVEN):
        rows = [row for label, some in by.items()
                for row in some[: max(5, most // times) if label == rare else most]]  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            if found(Path(folder), task=(rows, []))["imbalance"]:
                named.add(f"{times}")
    everyone = {f"{times}" for times in EVEN}
    return {"imbalance": (there, named & there, named & there, named, everyone, named & everyone)}


def licences() -> Counts:
    """Tasks of which one record has such a licence, the others that of MIT."""
    rows = read(DATA / "classification/sst2/train.jsonl")[:60]
    named = set()
    for name in (*CLOSED, *OPEN):
        some = [row | {"license": name if k == 7 else "mit"} for k, row in enumerate(rows)]
        with tempfile.TemporaryDirectory() as folder:
            if found(Path(folder), task=(some, []))["licence"]:
                named.add(name)
    closed, others = set(CLOSED), set(OPEN)
    return {"licence": (closed, named & closed, named & closed, named, others, named & others)}


def templates(seed: int) -> tuple[int, int]:
    """Held-out records with the same instruction as training: how many are called contaminated."""
    dice = random.Random(seed)
    rule = (
        "Read the sentence below with care, and say in one word whether its mood is good or bad: "
    )
    train, test = (
        [row | {"text": rule + row["text"]} for row in dice.sample(read(DATA / path), count)]
        for path, count in (("classification/sst2/train.jsonl", 1000),
                            ("classification/sst2/test.jsonl", 300))
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        told = found(Path(folder), task=(train, test))
    return sum("test" in where for where in told["contamination"]), len(test)


def lines_of(what: str, there: set, hit: set, right: set, new: set, clean: set, alarms: set):
    shares = [("recall", hit, there), ("precision", right, new)]
    shares += [("false alarms", alarms, clean)] if clean else []
    for kind, good, of in shares:
        low, high = wilson(len(good), len(of), 0.95) if of else (0.0, 1.0)
        value = len(good) / len(of) if of else 0.0
        each = "tasks" if what in ("licence", "imbalance") else "records"
        yield Line(f"{what}: {kind}, {low:.3f} to {high:.3f}, {len(of):,} {each}", value, "")


def main() -> None:
    totals: dict[str, tuple[set, ...]] = defaultdict(lambda: tuple(set() for _ in range(6)))

    def count(counts: Counts, *key: object) -> None:
        for check, some in counts.items():
            for total, places in zip(totals[check], some, strict=True):
                total.update((*key, one) for one in places)

    for seed in SEEDS:
        for name in (*CHOSEN, *WRITTEN):
            count(one_set(name, seed), name, seed)
            if name in CHOSEN:
                count(uneven(name, seed), name, seed)
            print(seed, name, flush=True)
        count(between(seed), seed)
    count(licences())
    lines = [line for check, some in totals.items() for line in lines_of(check, *some)]
    wrong, of = (sum(some) for some in zip(*(templates(seed) for seed in SEEDS), strict=True))
    low, high = wilson(wrong, of, 0.95)
    said = f"template text called contamination, {low:.3f} to {high:.3f}, {of} held-out records"
    lines.append(Line(said, wrong / of, "", "0", wrong == 0))
    save("curation_planted", lines, seeds=SEEDS)


if __name__ == "__main__":
    main()
