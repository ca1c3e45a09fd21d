"""Is chosen text nearer to a task, and which real sets are shifted? python benchmarks/domains.py

Raw text: the first 200,000 characters of each of seven corpora, one pool. For three tasks one
seventh of it is chosen by half of the task's training records (`data.select`); told are the share
that comes from the corpus of the same kind (chance: 14 %), and how many bits the choice is nearer
to the words of the other half than as much text chosen at random, over three draws.

Shift: `madrigal curate --deep` on training against test records of four sets, as published.

Needs MADRIGAL_DATA, the folder of public data sets. No model is trained: whether reading the chosen
text lowers a task's loss is not measured here.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from record import Line, save

from madrigal.curation import curate, of_files
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.load import load_task
from madrigal.tasks.near import counted, divergence, grams, nearest
from madrigal.tasks.record import Record
from madrigal.tasks.select import own_words
from madrigal.tasks.split import passages

DATA = Path(os.environ.get("MADRIGAL_DATA", "."))
POOL = {
    "medicine": "medicine/pubmed_abstracts.txt",
    "law": "law/the_common_law_holmes_1881.txt",
    "essays": "law/federalist_papers.txt",
    "plays": "shakespeare/tiny_shakespeare.txt",
    "tales": "fairy_tales/grimms_fairy_tales.txt",
    "stories": "tiny_stories/tiny_stories_sample.txt",
    "encyclopedia": "wikipedia/wikitext2_valid.txt",
}
NEAR = {
    "pubmedqa": ("instructions/pubmedqa/all.jsonl", "medicine"),
    "dbpedia14": ("classification/dbpedia14/train.jsonl", "encyclopedia"),
    "poem_sentiment": ("classification/poem_sentiment/train.jsonl", "plays"),
}
COLUMNS = {"instructions/pubmedqa/all.jsonl": {"prompt": "question", "completion": "long_answer"}}
SETS = ("sst2", "rte", "snips", "poem_sentiment")
CHARACTERS = 200_000  # of each corpus
SEEDS = (0, 1, 2)


def pool() -> list[tuple[str, str]]:
    """Corpus and text of every passage."""
    found = []
    for name, path in POOL.items():
        text = (DATA / "raw_text" / path).read_text(encoding="utf-8")[:CHARACTERS]
        found += [(name, piece.text) for piece in passages(Record(name, text=text), 1000)]
    return found


def nearness(pieces: list[tuple[str, str]], path: str, kind: str) -> dict[str, list[float]]:
    """By draw: share from the corpus of the same kind, and bits nearer than a random choice."""
    columns = COLUMNS.get(path, {})
    data = {"train": str(DATA / path), "columns": columns}
    settings = TaskSettings.model_validate({"data": data})
    texts = [own_words(one) for one in load_task("t", settings, DATA, 0).splits["train"]]
    wanted, other = texts[::2], counted([grams(text) for text in texts[1::2]])
    told: dict[str, list[float]] = {"share": [], "bits": []}
    for seed in SEEDS:
        found = nearest([text for _, text in pieces], wanted, CHARACTERS, seed)
        chosen = [pieces[k] for k in found.places]
        held = sum(len(text) for _, text in chosen)
        told["share"].append(sum(len(text) for name, text in chosen if name == kind) / held)
        order = np.random.default_rng(seed).permutation(len(pieces)).tolist()
        random = [pieces[k][1] for k in order[: len(chosen)]]
        far, near = (
            divergence(other, counted([grams(text) for text in some]))
            for some in (random, [text for _, text in chosen])
        )
        told["bits"].append(far - near)
    return told


def shifted(name: str) -> dict:
    """What the card says of training against test."""
    with tempfile.TemporaryDirectory() as folder:
        sources = of_files([f"classification/{name}"], DATA)
        found = curate(sources, Path(folder), deep=["shift"])
    return next(iter(found.cards.values()))["shift"][0]


def main() -> None:
    pieces = pool()
    near = {name: nearness(pieces, *which) for name, which in NEAR.items()}
    lines = []
    for name, told in near.items():
        what = f"{name}: of the chosen text, from {NEAR[name][1]} (chance 14 %)"
        share, bits = np.mean(told["share"]), min(told["bits"])
        lines.append(
            Line(what, 100 * float(share), "%", "> 14 %", bool(min(told["share"]) > 1 / 7))
        )
        what = f"{name}: nearer to its other half than random text, the least of three draws"
        lines.append(Line(what, bits, "bits", "> 0", bits > 0))
    shift = {name: shifted(name) for name in SETS}
    for name, told in shift.items():
        lines.append(Line(f"{name}: training told from test, AUC (p = {told['p']:.3f})",
                          told["auc"], ""))  # fmt: skip
        print(f"{name}: {told['line']}")
    save("domains", lines, near=near, shift={n: one["line"] for n, one in shift.items()})


if __name__ == "__main__":
    main()
