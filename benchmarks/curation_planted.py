"""What curation finds of faults that were planted: python benchmarks/curation_planted.py [SEEDS]

A fault of each kind goes into records drawn by seed, in the training part of real sets of
$MADRIGAL_DATA. Recall: planted records that the check names. Precision: planted records among
those that it names and did not name before planting, so what the sets contain by themselves counts
neither for it nor against it. Wilson intervals, all seeds together.
"""

import json
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from record import Line, save

from madrigal.curation import curate, of_files
from madrigal.evaluation.intervals import wilson

DATA = Path(os.environ.get("MADRIGAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
CHOSEN = {"sst2": "text", "rte": "text", "dbpedia14": "text"}
WRITTEN = {"gsm8k": ("question", "answer")}
SEEDS = tuple(range(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
COUNT = 40
Row = dict[str, str]
Found = dict[str, set[str]]


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def edited(text: str, dice: random.Random) -> str:
    """One word in twelve left out or said twice, and another case of the first letter."""
    words = text.split()
    for _ in range(max(1, len(words) // 25)):
        place = dice.randrange(len(words))
        words[place] = dice.choice(["", f"{words[place]} {words[place]}"])
    return " ".join(words).swapcase() if dice.random() < 0.2 else " ".join(words)


def mojibake(text: str, dice: random.Random) -> str:
    """A word with letters beyond ASCII, its UTF-8 read as Windows-1252."""
    word = dice.choice(["café", "naïve", "Zürich", "señor", "façade", "it’s", "déjà vu", "“so”"])
    broken = word.encode().decode("cp1252", "replace")
    words = text.split()
    words.insert(dice.randrange(len(words) + 1), broken)
    return " ".join(words)


def person(text: str, dice: random.Random) -> str:
    number = "".join(str(dice.randrange(10)) for _ in range(7))
    data = [
        f"jo{number}@mail-{dice.randrange(99)}.org",
        f"+1 415 {number[:3]} {number[3:]}",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        f"{dice.randrange(1, 999)} Maple Street",
    ]
    return f"{text} Reach me at {dice.choice(data)} please."


def secret(text: str, dice: random.Random) -> str:
    letters = "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=36))
    return f"{text} key {dice.choice(['AKIA' + letters[:16], 'ghp_' + letters, 'hf_' + letters])}"


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "encoding": mojibake,
    "control_characters": lambda text, dice: (
        text[:3] + dice.choice("\x07\x0b\u200b\u202e") + text[3:]
    ),
    "personal_data": person,
    "secret": secret,
}
ANSWERS: dict[str, Callable[[str, random.Random], str]] = {
    "empty_answer": lambda _, dice: dice.choice(["N/A", "<no output>", "none", "..."]),
    "truncated_answer": lambda text, _: " ".join(text.split()[: max(8, len(text.split()) // 2)]),
    "refusal": lambda _, dice: dice.choice(
        ["As an AI language model, I cannot do that.", "I'm sorry, but I can't help with this."]
    ),
    "repetition": lambda text, _: f"{text} " + " ".join(text.split()[:4] * 5),
    "language": lambda _, dice: dice.choice(
        ["Das ist nicht so einfach, wie man sich das vorstellt, und es dauert auch lange.",
         "Ce n'est pas aussi simple que vous le pensez, et cela prend beaucoup de temps."]
    ),
}  # fmt: skip


def found(folder: Path, train: list[Row], test: list[Row]) -> Found:
    home = folder / "task"
    home.mkdir(parents=True)
    for name, rows in (("train", train), ("test", test)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (home / f"{name}.jsonl").write_text(text, "utf-8")
    told: Found = defaultdict(set)
    for one in curate(of_files(["task"], folder), folder / "out", deep=["contamination"]).read():
        told[one.check].add(one.where.removeprefix("task/"))
    return told


def one_set(name: str, seed: int) -> dict[str, tuple[set[str], set[str]]]:
    """For each check: places where a fault was planted, and places that are new among its finds."""
    written = name in WRITTEN
    home = DATA / ("instructions" if written else "classification") / name
    train, test = (read(home / f"{part}.jsonl") for part in ("train", "test"))
    prompt, answer = WRITTEN[name] if written else (CHOSEN[name], "label")
    dice = random.Random(seed)
    places = dice.sample(range(len(train)), COUNT * 9)
    planted: dict[str, set[str]] = defaultdict(set)
    rows = [dict(row) for row in train]

    def plant(check: str, place: int) -> None:
        planted[check].add(f"train.jsonl:{place + 1}")

    for check, change in (ANSWERS if written else CHANGES).items():
        field = answer if written else prompt
        for _ in range(COUNT):
            place = places.pop()
            rows[place][field] = change(rows[place][field], dice)
            plant(check, place)
    sources = [i for i in range(len(train)) if i in set(places)]
    for check in ("exact_duplicate", "near_duplicate", "leak", "contamination"):
        for _ in range(COUNT):
            at = len(rows)
            if check == "exact_duplicate":
                rows.append(dict(rows[dice.choice(sources)]))
            elif check == "near_duplicate":
                like = rows[dice.choice([i for i in sources if len(rows[i][prompt].split()) > 12])]
                rows.append(like | {prompt: edited(like[prompt], dice)})
            else:
                like = dice.choice([row for row in test if len(row[prompt].split()) > 12])
                more = (
                    {} if check == "leak" else {prompt: f"As was said: {like[prompt]} And so on."}
                )
                rows.append(like | more)
            plant(check, at)
    with tempfile.TemporaryDirectory() as folder:
        before = found(Path(folder) / "before", train, test)
        after = found(Path(folder) / "after", rows, test)
    return {
        check: (there, {w for w in after[check] - before[check] if w.startswith("train")})
        for check, there in planted.items()
    }


def templates(seed: int) -> tuple[int, int]:
    """Held-out records with the same instruction as training: how many are called contaminated."""
    dice = random.Random(seed)
    rule = (
        "Read the sentence below with care, and say in one word whether its mood is good or bad: "
    )
    train = [
        row | {"text": rule + row["text"]} for row in read(DATA / "classification/sst2/train.jsonl")
    ]
    test = [
        row | {"text": rule + row["text"]} for row in read(DATA / "classification/sst2/test.jsonl")
    ]
    train, test = dice.sample(train, 1000), dice.sample(test, 300)
    with tempfile.TemporaryDirectory() as folder:
        told = found(Path(folder) / "a", train, test)
    return sum(where.startswith("test") for where in told["contamination"]), len(test)


def flipped(name: str, rate: float, seed: int) -> tuple[set[str], set[str], set[str]]:
    """Wrong labels planted, those found, and as many as were planted of the most suspicious."""
    dice = random.Random(seed)
    rows = read(DATA / f"classification/{name}/train.jsonl")
    labels = sorted({row["label"] for row in rows})
    there = dice.sample(range(len(rows)), round(rate * len(rows)))
    for place in there:
        rows[place]["label"] = dice.choice([one for one in labels if one != rows[place]["label"]])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = curate(
            of_files(["a.jsonl"], Path(folder)), Path(folder) / "out", deep=["label_noise"]
        )
        ranked = [one.where for one in done.read() if one.check == "label_noise"]
    planted = {f"a.jsonl:{place + 1}" for place in there}
    return planted, set(ranked), set(ranked[: len(planted)])


def lines_of(what: str, planted: set, new: set) -> list[Line]:
    hit = len(planted & new)
    told = []
    for kind, of in (("recall", len(planted)), ("precision", len(new))):
        low, high = wilson(hit, of, 0.95) if of else (0.0, 1.0)
        value = hit / of if of else 0.0
        told.append(Line(f"{what}: {kind}, {low:.2f} to {high:.2f}, {of} records", value, ""))
    return told


def main() -> None:
    totals: dict[str, tuple[set, set]] = defaultdict(lambda: (set(), set()))
    for seed in SEEDS:
        for name in (*CHOSEN, *WRITTEN):
            for check, (there, new) in one_set(name, seed).items():
                totals[check][0].update((name, seed, one) for one in there)
                totals[check][1].update((name, seed, one) for one in new)
            print(seed, name, flush=True)
    lines = [line for check, (there, new) in totals.items() for line in lines_of(check, there, new)]
    wrong, of = (sum(some) for some in zip(*(templates(seed) for seed in SEEDS), strict=True))
    low, high = wilson(wrong, of, 0.95)
    said = f"template text called contamination, {low:.3f} to {high:.3f}, {of} held-out records"
    lines.append(Line(said, wrong / of, "", "0", wrong == 0))
    for name in ("sst2", "dbpedia14"):
        for rate in (0.05, 0.1, 0.2):
            sets = [flipped(name, rate, seed) for seed in SEEDS]
            there, new, top = (
                {(seed, one) for seed, some in zip(SEEDS, column, strict=True) for one in some}
                for column in zip(*sets, strict=True)
            )
            lines += lines_of(f"{rate:.0%} flipped labels of {name}", there, new)
            lines += lines_of(
                f"{rate:.0%} flipped labels of {name}, as many as planted", there, top
            )[:1]
            print(name, rate, flush=True)
    save("curation_planted", lines, seeds=SEEDS)


if __name__ == "__main__":
    main()
