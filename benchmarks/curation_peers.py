"""Near duplicates and wrong labels beside datasketch, rensa and cleanlab, and beside all pairs.

    python benchmarks/curation_peers.py

Near duplicates: 5,000 records of real sets of $MADRIGAL_DATA, one in five an edited copy. Equal
work for all: the same 5-character shingles of the same normalised texts, 64 permutations in 16
bands of 4, candidates verified by Jaccard similarity, 0.8. Recall is against the similarity of all
pairs, computed from sets of strings. Labels: the same chances of 20,000 records of 10 labels.
One process, sides in turn, median of laps.
"""

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from record import Line, save
from scipy.sparse import csr_matrix

from madrigal.curation import curate, of_files
from madrigal.curation.noise import suspicions
from madrigal.curation.pairs import candidates, similar_pairs
from madrigal.curation.shingles import bands, normalised, shingles, similarity
from madrigal.evaluation.intervals import wilson

DATA = Path(os.environ.get("MADRIGAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("sst2", "banking77", "snips", "hwu64", "goemotions_ekman", "rte", "mnli")
COUNT, COPIES, LAPS, LEAST = 5000, 1000, 5, 0.8
Pairs = set[tuple[int, int]]


def texts(seed: int = 0) -> list[str]:
    """Real texts, and copies of some with one to four words changed."""
    dice = random.Random(seed)
    real = [
        json.loads(line)["text"]
        for name in SETS
        for line in (DATA / f"classification/{name}/train.jsonl").read_text("utf-8").splitlines()
    ]
    real = dice.sample(sorted({normalised(one) for one in real}), COUNT - COPIES)
    copies = []
    while len(copies) < COPIES:
        words = dice.choice(real).split()
        for _ in range(dice.randint(1, 4)):
            words[dice.randrange(len(words))] = dice.choice(
                ["so", "very", "often", "blue", "seven"]
            )
        copies.append(" ".join(words))
    every = sorted({*real, *copies})
    return dice.sample(every, len(every))


def grams(text: str) -> set[str]:
    return {text[i : i + 5] for i in range(max(1, len(text) - 4))}


def all_pairs(some: list[str]) -> dict[tuple[int, int], float]:
    """Every pair of similarity 0.5 and more, by sets of strings."""
    names: dict[str, int] = {}
    rows = [[names.setdefault(gram, len(names)) for gram in sorted(grams(one))] for one in some]
    ends = np.cumsum([0, *map(len, rows)])
    there = csr_matrix((np.ones(ends[-1], "i4"), np.concatenate(rows), ends))
    sizes = np.diff(ends)
    found = {}
    for start in range(0, len(some), 250):
        common = (there[start : start + 250] @ there.T).toarray()
        share = common / (sizes[start : start + 250, None] + sizes[None] - common)
        for a, b in np.argwhere(share >= 0.5).tolist():
            if start + a < b:
                found[start + a, b] = float(share[a, b])
    return found


def ours(some: list[str]) -> Pairs:
    shingles.cache_clear()
    one, other = candidates((bands(some) >> np.uint64(32)).astype("u4"))
    return {
        (a, b)
        for a, b in zip(one.tolist(), other.tolist(), strict=True)
        if similarity(some[a], some[b]) >= LEAST
    }


def verified(found: Pairs, sets: list[set[str]]) -> Pairs:
    return {
        (a, b) for a, b in found
        if (common := len(sets[a] & sets[b])) >= LEAST * (len(sets[a]) + len(sets[b]) - common)
    }  # fmt: skip


def datasketchs(some: list[str]) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    sets = [grams(one) for one in some]
    index = MinHashLSH(num_perm=64, params=(16, 4))
    found: Pairs = set()
    for place, mine in enumerate(sets):
        sign = MinHash(num_perm=64, seed=1)
        sign.update_batch([gram.encode() for gram in mine])
        found |= {(other, place) for other in index.query(sign)}
        index.insert(place, sign)
    return verified(found, sets)


def rensas(some: list[str]) -> Pairs:
    from rensa import RMinHash, RMinHashLSH

    sets = [grams(one) for one in some]
    index = RMinHashLSH(threshold=LEAST, num_perm=64, num_bands=16)
    found: Pairs = set()
    for place, mine in enumerate(sets):
        sign = RMinHash(num_perm=64, seed=1)
        sign.update([*mine])
        found |= {(other, place) for other in index.query(sign) if other != place}
        index.insert(place, sign)
    return verified(found, sets)


def timed(sides: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of processor time of each side, lap by lap; the first lap warms up."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for lap in range(LAPS + 1):
        for name, side in sides.items():
            began = time.process_time()
            side()
            if lap:
                found[name].append(time.process_time() - began)
    return found


def through_the_files(some: list[str]) -> Pairs:
    """The pairs that `curate` compares its records by."""
    with tempfile.TemporaryDirectory() as folder:
        lines = "".join(json.dumps({"text": one, "label": "a"}) + "\n" for one in some)
        (Path(folder) / "a.jsonl").write_text(lines, "utf-8")
        table = curate(of_files(["a.jsonl"], Path(folder)), Path(folder) / "out").table
        one, other, _ = similar_pairs(table, np.arange(len(table)), LEAST)
    return {*zip(one.tolist(), other.tolist(), strict=True)}


def near_duplicates() -> list[Line]:
    some = texts()
    truth = all_pairs(some)
    near = {pair for pair, share in truth.items() if share >= LEAST}
    lines = []
    found = {
        "madrigal curate": through_the_files(some), "madrigal": ours(some),
        "datasketch": datasketchs(some), "rensa": rensas(some),
    }  # fmt: skip
    for name, pairs in found.items():
        low, high = wilson(len(pairs & near), len(near), 0.95)
        said = f"near pairs of {len(some):,} records, {name}: recall, {low:.4f} to {high:.4f}"
        lines.append(Line(f"{said}, {len(near)} pairs", len(pairs & near) / len(near), ""))
        lines.append(Line(f"near pairs, {name}: not near", len(pairs - near), "pairs"))
    close = sorted(truth.values())
    for low, high in pairwise((0.8, 0.85, 0.9, 0.95, 1.01)):
        mine = {pair for pair, share in truth.items() if low <= share < high}
        hit = len(mine & found["madrigal"]) / max(1, len(mine))
        lines.append(Line(f"recall at {low} to {min(high, 1.0)}, {len(mine)} pairs", hit, ""))
    lines.append(Line("pairs of similarity 0.5 and more", len(close), "pairs"))
    laps = timed(
        {"madrigal": lambda: ours(some), "datasketch": lambda: datasketchs(some),
         "rensa": lambda: rensas(some)}
    )  # fmt: skip
    return lines + ratios("near duplicates", laps)


def ratios(what: str, laps: dict[str, list[float]]) -> list[Line]:
    lines = [
        Line(f"{what}, {name}", statistics.median(some), "s of processor time")
        for name, some in laps.items()
    ]
    for name, some in laps.items():
        if name != "madrigal":
            each = [theirs / mine for theirs, mine in zip(some, laps["madrigal"], strict=True)]
            said = f"{what}: {name} takes so many times as long, {min(each):.2f} to {max(each):.2f}"
            lines.append(Line(said, statistics.median(each), "times"))
    return lines


def labels() -> list[Line]:
    from cleanlab.filter import find_label_issues

    random_ = np.random.default_rng(0)
    truth = random_.integers(0, 10, 20_000)
    logits = random_.normal(0, 1, (20_000, 10))
    logits[np.arange(20_000), truth] += 3
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = truth.copy()
    wrong = random_.random(20_000) < 0.05
    given[wrong] = (given[wrong] + random_.integers(1, 10, int(wrong.sum()))) % 10

    def cleanlabs() -> np.ndarray:
        return find_label_issues(given, chances, filter_by="low_self_confidence", n_jobs=1)

    mine, theirs = suspicions(chances, given).suspicious, cleanlabs()
    both = int((mine & theirs).sum())
    lines = [
        Line("labels: named by both, of what either names", both / int((mine | theirs).sum()), "")
    ]
    for name, named in (("madrigal", mine), ("cleanlab", theirs)):
        hit = int((named & wrong).sum())
        lines.append(Line(f"labels, {name}: recall, {wrong.sum()} wrong", hit / wrong.sum(), ""))
        lines.append(Line(f"labels, {name}: precision, {named.sum()} named", hit / named.sum(), ""))
    laps = timed({"madrigal": lambda: suspicions(chances, given), "cleanlab": cleanlabs})
    return lines + ratios("labels", laps)


if __name__ == "__main__":
    save("curation_peers", [*near_duplicates(), *labels()])
