"""Faults to plant in records, for curation_planted.py: what is done to a row, by kind."""

import csv
import json
import os
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("MADRIGAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
Row = dict[str, Any]
Change = Callable[[str, random.Random], str]


def read(path: Path) -> list[Row]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def edited(text: str, dice: random.Random) -> str:
    """One word in twenty-five left out or said twice, and another case of all in one of five."""
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


@cache
def posts(bad: bool) -> list[str]:
    """What people wrote, and most of those who judged it found hateful or offensive, or did not."""
    rows = read(DATA / "ratings" / "hate_offensive_votes" / "test.jsonl")
    return [*dict.fromkeys(r["text"] for r in rows if (r["majority"] != "neither") == bad)]


@cache
def translated() -> list[str]:
    """Sentences in German, Spanish and French, written by translators."""
    home = DATA / "natural_instructions" / "v2_early"
    names = ("task117_spl_translation_en_de", "task171_spl_translation_en_es",
             "task778_pawsx_english_french_translation")  # fmt: skip
    said = []
    for name in names:
        whole = json.loads((home / f"{name}.json").read_text("utf-8"))
        said += [one["output"][0] for one in whole["Instances"]]
    return [*dict.fromkeys(said)]


# In the prompts of classification sets.
CHANGES: dict[str, Change] = {
    "encoding": mojibake,
    "control_characters": lambda text, dice: (
        text[:3] + dice.choice("\x07\x0b\u200b\u202e") + text[3:]
    ),
    "personal_data": person,
    "secret": secret,
}
# In written answers.
ANSWERS: dict[str, Change] = {
    "empty_answer": lambda _, dice: dice.choice(["N/A", "<no output>", "none", "...", "", " "]),
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
}  # fmt: skip
# Real texts in the place of a prompt or answer, each once. Posts that people found harmless are no
# fault: what is named of them counts against the check.
TEXTS: dict[str, Callable[[], list[str]]] = {
    "offensive": lambda: posts(True), "": lambda: posts(False), "language": translated,
}  # fmt: skip


def unreadable(row: Row, field: str, dice: random.Random) -> bytes:
    """The row as a line that is not one of its format."""
    line = json.dumps(row, ensure_ascii=False)
    whole = line.encode()
    broken = [
        whole[: len(whole) * 2 // 3],
        whole.replace(b" ", b"\xe9 ", 1),
        whole.replace(b" ", b"\0", 1),
        whole + whole,
        json.dumps([row]).encode(),
        json.dumps({key: value for key, value in row.items() if key != field}).encode(),
        json.dumps(row | {field: {"said": row[field]}}).encode(),
        json.dumps(row | {field: [row[field]]}).encode(),
        f"{line[:-1]}, {line[1:]}".encode(),
        line.replace(": ", " = ", 1).encode(),
    ]
    return dice.choice(broken)


# Names of the hub's list (hub docs, "Licenses"), and those that forbid commercial use or changes.
CLOSED = (
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "fair-noncommercial-research-license", "deepfloyd-if-license",
)  # fmt: skip
OPEN = (
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0",
    "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0",
    "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-2.0",
    "etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl-3.0", "lgpl-3.0", "isc", "lppl-1.3c",
    "ms-pl", "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa",
    "unlicense", "zlib", "pddl",
)  # fmt: skip
