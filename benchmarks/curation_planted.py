"""What curation finds of faults that were planted: python benchmarks/curation_planted.py [SEEDS]

A fault of each kind goes into records drawn by seed, in the training part of real sets of
$MADRIGAL_DATA, each record or held-out record used once. Recall: planted records that the check
names. Precision: records with a fault that the check is there for among those that it names and
did not name before planting, so what the sets contain by themselves counts neither for it nor
against it. A fault may be there for several checks: a held-out record in training is a leak and a
contamination (`ALSO`). Wilson intervals, all seeds together. Wrong labels: `curation_labels.py`.
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
    # Worded as assistants word it; not all of them are among the phrases that are looked for.
    "refusal": lambda _, dice: dice.choice(
        ["As an AI language model, I cannot do that.", "I'm sorry, but I can't help with this.",
         "I apologize, but I must decline this request.", "Sorry, I am not able to answer that.",
         "I cannot provide an answer to this question.", "Unfortunately I can't assist with that.",
         "I'm just an AI, so I have no way of knowing.", "It would not be appropriate to answer."]
    ),
    "boilerplate": lambda text, dice: (
        f"{text} " + dice.choice(
            ["I hope this helps!", "Let me know if you have any other questions.",
             "Feel free to reach out if anything is unclear.", "Is there anything else you need?",
             "Click here to subscribe.", "Copyright 2021 by the author. All rights reserved.",
             "Thanks for asking, happy to explain more.", "Here is the answer you asked for."]
        )
    ),
    "length": lambda text, _: " ".join([text] * 2 + ["and then we add up all of it again"] * 60),
    "repetition": lambda text, _: f"{text} " + " ".join(text.split()[:4] * 5),
    "language": lambda _, dice: dice.choice(
        ["Das ist nicht so einfach, wie man sich das vorstellt, und es dauert auch lange.",
         "Ce n'est pas aussi simple que vous le pensez, et cela prend beaucoup de temps."]
    ),
}  # fmt: skip


# What one fault is there for besides its own check.
ALSO = {
    "contamination": {"leak", "near_leak"}, "near_leak": {"contamination"},
    "repetition": {"length"}, "exact_duplicate": {"contradiction"},
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


def one_set(name: str, seed: int) -> dict[str, tuple[set[str], ...]]:
    """For each check: where a fault was planted, those found, right finds, and all new ones."""
    written = name in WRITTEN
    home = DATA / ("instructions" if written else "classification") / name
    train, test = (read(home / f"{part}.jsonl") for part in ("train", "test"))
    prompt, answer = WRITTEN[name] if written else (CHOSEN[name], "label")
    dice = random.Random(seed)
    places = dice.sample(range(len(train)), len(train))
    tests = dice.sample([row for row in test if len(row[prompt].split()) > 12], 3 * COUNT)
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
    for place in [places.pop() for _ in range(COUNT)] if written else ():
        rows[place][answer] = f"{rows[place][prompt]} {rows[place][answer]}"
        plant("prompt_in_answer", place)
    long = [place for place in places if len(rows[place][prompt].split()) > 12]
    short = [place for place in places if len(rows[place][prompt].split()) <= 12]
    if len(short) < COUNT:
        short, long = long[:COUNT], long[COUNT:]
    labels = sorted({row[answer] for row in train})
    for _ in range(COUNT):
        for check, like in (
            ("exact_duplicate", rows[short.pop()]), ("near_duplicate", rows[long.pop()]),
            ("contradiction", rows[long.pop()]), ("leak", tests.pop()),
            ("near_leak", tests.pop()), ("contamination", tests.pop()),
        ):  # fmt: skip
            if check == "contradiction" and written:
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
    with tempfile.TemporaryDirectory() as folder:
        before = found(Path(folder) / "before", train, test)
        after = found(Path(folder) / "after", rows, test)
    told = {}
    for check, there in planted.items():
        new = {where for where in after[check] - before[check] if where.startswith("train")}
        also = set().union(*(planted.get(one, set()) for one in ALSO.get(check, ())))
        # Either side of a contradiction is named, and of the two copies of a held-out record.
        if check == "contradiction":
            also |= {where for where in new if rows_alike(rows, where, there, prompt)}
        told[check] = (there, new & there, {*(new & also)} | (new & there), new)
    return told


def rows_alike(rows: list[Row], where: str, planted: set[str], prompt: str) -> bool:
    """Whether a planted record has the same prompt."""
    mine = rows[int(where.split(":")[1]) - 1][prompt]
    return any(rows[int(one.split(":")[1]) - 1][prompt] == mine for one in planted)


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


def lines_of(what: str, there: set, hit: set, right: set, new: set) -> list[Line]:
    told = []
    for kind, good, of in (("recall", hit, there), ("precision", right, new)):
        low, high = wilson(len(good), len(of), 0.95) if of else (0.0, 1.0)
        value = len(good) / len(of) if of else 0.0
        told.append(Line(f"{what}: {kind}, {low:.2f} to {high:.2f}, {len(of)} records", value, ""))
    return told


def main() -> None:
    totals: dict[str, tuple[set, ...]] = defaultdict(lambda: (set(), set(), set(), set()))
    for seed in SEEDS:
        for name in (*CHOSEN, *WRITTEN):
            for check, some in one_set(name, seed).items():
                for total, places in zip(totals[check], some, strict=True):
                    total.update((name, seed, one) for one in places)
            print(seed, name, flush=True)
    lines = [line for check, some in totals.items() for line in lines_of(check, *some)]
    wrong, of = (sum(some) for some in zip(*(templates(seed) for seed in SEEDS), strict=True))
    low, high = wilson(wrong, of, 0.95)
    said = f"template text called contamination, {low:.3f} to {high:.3f}, {of} held-out records"
    lines.append(Line(said, wrong / of, "", "0", wrong == 0))
    save("curation_planted", lines, seeds=SEEDS)


if __name__ == "__main__":
    main()
