"""How far apart two sets of records are: the training records of a task from its held-out ones, and
of two tasks from each other.

A classifier is to tell the records of both sets apart by their words (ridge regression on tf-idf of
words and pairs of words, five folds in which no prompt stands twice). Its area under the ROC curve,
mean over the folds, is 0.5 for sets that are alike and 1 for sets without anything in common. How
large it would be by chance is told by the same with the two names dealt out anew, 199 times; p is
the share of these that reach it (Lopez-Paz and Oquab, 2017, with the permutation null of Golland
and Fischl, 2003). All permutations are right-hand sides of one linear system, so that they cost
little more than one.

Beside it stand the Jensen-Shannon divergence of the words (bits; 0 to 1), the largest distance of
the cumulated lengths (Kolmogorov and Smirnov; 0 to 1), and what each is by chance, since both are
above 0 for two samples of the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from madrigal.curation.bag import Bag, bag_of
from madrigal.curation.finding import Finding, Severity, short
from madrigal.curation.marks import SPLITS, word_hash, words_of
from madrigal.curation.table import Table, about_task

MOST = 1000  # records of a set; of a larger one every k-th
LEAST = 50
PERMUTATIONS = 199
SURE = 0.01  # the p from which on sets differ
NOTABLE = 0.6  # the AUC from which on a difference between training and test is a warning
FURTHEST = 3
_WORDS = 6
_FOLDS = 5
_STRENGTH = 1  # of L2; rows have length 1


@dataclass(frozen=True, slots=True)
class Shift:
    """Two sets of samples, and how far apart they are. `task` is where it is told."""

    task: str
    names: tuple[str, str]
    sizes: tuple[int, int]
    auc: float
    p: float
    words: tuple[float, float]  # bits, and what they are by chance
    lengths: tuple[float, float]
    medians: tuple[int, int]  # characters
    telling: tuple[tuple[str, ...], tuple[str, ...]]  # words of the first set, and of the second
    furthest: tuple[tuple[int, float], ...] = ()  # samples of the second set least like the first
    held: bool = False  # the second set is held out from the first; else two tasks

    def concerns(self, task: str) -> bool:
        """Whether it belongs on the card of a task."""
        return task == self.task if self.held else task in self.names

    @property
    def sure(self) -> bool:
        """Whether chance alone does not explain it."""
        return self.p <= SURE

    def line(self) -> str:
        """In one line."""
        how = "apart" if self.sure else "not surely apart"
        said = (
            f"{self.names[0]} and {self.names[1]} are {how}: AUC {self.auc:.2f} "
            f"(p = {self.p:.3f}), "
            f"words {self.words[0]:.2f} bits (by chance {self.words[1]:.2f}), "
            f"lengths {self.lengths[0]:.2f} ({self.lengths[1]:.2f}), "
            f"half of them below {self.medians[0]:,} and {self.medians[1]:,} characters"
        )
        if not self.sure or not all(self.telling):
            return said
        one, other = (", ".join(words) for words in self.telling)
        return f"{said}; telling words: {one} against {other}"

    def as_json(self, table: Table) -> dict[str, Any]:
        """For the card."""
        return {
            "between": list(self.names),
            "records": list(self.sizes),
            "auc": round(self.auc, 4),
            "p": round(self.p, 4),
            "words_bits": [round(one, 4) for one in self.words],
            "lengths": [round(one, 4) for one in self.lengths],
            "median_characters": list(self.medians),
            "telling": [list(words) for words in self.telling],
            "furthest": [
                {"where": table.where(sample), "score": round(score, 4)}
                for sample, score in self.furthest
            ],
            "line": self.line(),
        }

    def findings(self, table: Table) -> Iterator[Finding]:
        """What is worth a look: held-out records unlike the training records, and the furthest."""
        if not self.sure:
            return
        severity: Severity = "warning" if self.held and self.auc >= NOTABLE else "note"
        yield about_task(table.sources, self.task, "shift", severity, self.line())
        if not self.held:
            return
        for sample, score in self.furthest:
            said = f"least like {self.names[0]}: {short(table.text(sample)[0], 120)}"
            yield table.finding(sample, "shift", "note", said, score=score)


def shifts(table: Table) -> list[Shift]:
    """Training against held-out records of each task, then each two tasks by training records."""
    found: list[Shift] = []
    for task in table.sources.tasks:
        first = table.of_task(task, "train")
        for split in SPLITS[1:]:
            one = _between(table, task, ("train", split), first, table.of_task(task, split), True)
            found += [one] if one is not None else []
    for pair in combinations(table.sources.tasks, 2):
        first, second = (table.of_task(task, "train") for task in pair)
        one = _between(table, pair[0], pair, first, second, False)
        found += [one] if one is not None else []
    return found


def _between(
    table: Table,
    task: str,
    names: tuple[str, str],
    first: Bool[np.ndarray, " N"],
    second: Bool[np.ndarray, " N"],
    held: bool,
) -> Shift | None:
    content = table.column("content")
    sides = [_sampled(content, np.flatnonzero(side)) for side in (first, second)]
    if min(map(len, sides)) < LEAST:
        return None
    # In the order of the table, as `bag_of` gives its rows.
    mine = np.concatenate(sides)
    order = np.argsort(mine, kind="stable")
    mine, label = mine[order], np.repeat([0, 1], [len(side) for side in sides])[order]
    bag = bag_of(table, mine)
    names_of = _dealt(label)
    fold = (content[mine] % np.uint64(1_000_003) % np.uint64(_FOLDS)).astype(np.int64)
    scores = out_of_fold(bag.weighted, names_of, fold)
    areas = np.mean([aucs(scores[fold == k], names_of[fold == k]) for k in range(_FOLDS)], axis=0)
    words = divergences(bag.counts[:, bag.single], names_of)
    length = table.column("prompt_length")[mine].astype(np.int64)
    apart = distances(length, names_of)
    second_scores = np.where(label == 1, scores[:, 0], -np.inf)
    furthest = np.argsort(-second_scores, kind="stable")[:FURTHEST]
    return Shift(
        task=task,
        names=names,
        sizes=(len(sides[0]), len(sides[1])),
        auc=float(areas[0]),
        p=float((areas >= areas[0]).mean()),
        words=(float(words[0]), float(words[1:].mean())),
        lengths=(float(apart[0]), float(apart[1:].mean())),
        medians=tuple(int(np.median(length[label == k])) for k in (0, 1)),  # pyright: ignore[reportArgumentType]
        telling=_telling(table, mine, bag, label),
        furthest=tuple((int(mine[k]), float(scores[k, 0])) for k in furthest),
        held=held,
    )


def _sampled(content: np.ndarray, side: Int[np.ndarray, " S"]) -> Int[np.ndarray, " M"]:
    """Each text of a side once, and of many every k-th."""
    once = np.sort(side[np.unique(content[side], return_index=True)[1]])
    return once[:: 1 + (len(once) - 1) // MOST] if len(once) else once


def _dealt(label: Int[np.ndarray, " N"]) -> Bool[np.ndarray, "N C"]:
    """The names as they are, and in the other columns dealt out anew; always the same way."""
    chance = np.random.default_rng(len(label))
    columns = [label, *(chance.permutation(label) for _ in range(PERMUTATIONS))]
    return np.stack(columns, axis=1).astype(bool)


def out_of_fold(
    rows: csr_matrix, names: Bool[np.ndarray, "N C"], fold: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N C"]:
    """For each column of names, what ridge regressions without the record's fold say of it."""
    from sklearn.kernel_ridge import KernelRidge

    kernel = (rows @ rows.T).toarray()
    found = np.zeros(names.shape)
    for held in np.unique(fold):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        wanted = 2.0 * names[train] - 1.0
        mean = wanted.mean(axis=0)
        model = KernelRidge(alpha=_STRENGTH, kernel="precomputed")
        model.fit(kernel[np.ix_(train, train)], wanted - mean)
        found[test] = model.predict(kernel[np.ix_(test, train)]) + mean
    return found


def aucs(scores: Float[np.ndarray, "N C"], names: Bool[np.ndarray, "N C"]) -> np.ndarray:
    """The chance that a record of the second set scores higher, for each column; ties are halves.

    Where a fold holds one set alone it is 0.5.
    """
    from scipy.stats import rankdata

    second = names.sum(axis=0).astype(np.float64)
    first = len(names) - second
    ranks = (rankdata(scores, axis=0) * names).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (ranks - second * (second + 1) / 2) / (first * second)
    return np.where((first > 0) & (second > 0), area, 0.5)


def divergences(counts: csr_matrix, names: Bool[np.ndarray, "N C"]) -> np.ndarray:
    """The Jensen-Shannon divergence of the word frequencies of both sets, in bits, by column."""
    second = counts.T @ names.astype(np.float64)
    whole = np.asarray(counts.sum(axis=0), dtype=np.float64).reshape(-1, 1)
    shares = [part / np.maximum(part.sum(axis=0), 1.0) for part in (whole - second, second)]
    middle = (shares[0] + shares[1]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(p > 0, p * np.log2(p / middle), 0.0).sum(axis=0) for p in shares]
    return (parts[0] + parts[1]) / 2


def distances(values: Int[np.ndarray, " N"], names: Bool[np.ndarray, "N C"]) -> np.ndarray:
    """The largest distance of the cumulated shares of both sets, by column."""
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)  # of equal values
    mine = names[order].astype(np.float64)
    cumulated = [np.cumsum(one, axis=0) / one.sum(axis=0) for one in (1 - mine, mine)]
    return np.abs(cumulated[0] - cumulated[1])[last].max(axis=0)


def _telling(
    table: Table, mine: np.ndarray, bag: Bag, label: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words that say most of which set a record is, by their weights in one regression."""
    from sklearn.linear_model import Ridge

    single = bag.weighted[:, bag.single]
    weight = Ridge(alpha=_STRENGTH, solver="lsqr").fit(single, 2.0 * label - 1.0).coef_
    order = np.argsort(weight, kind="stable")
    places = [order[:_WORDS], order[::-1][:_WORDS]]
    places = [
        [int(k) for k in some if sign * weight[k] > 0]
        for some, sign in zip(places, (-1, 1), strict=True)
    ]
    names = _spelt(table, mine, {int(bag.words[k]) for some in places for k in some})
    one, other = (tuple(names[int(bag.words[k])] for k in some) for some in places)
    return one, other


def _spelt(table: Table, mine: np.ndarray, wanted: set[int]) -> dict[int, str]:
    """Words by their hashes."""
    found: dict[int, str] = {}
    for sample in mine.tolist():
        if len(found) == len(wanted):
            break
        for word in words_of(table.text(sample)[0]):
            if word_hash(word) in wanted:
                found.setdefault(word_hash(word), word)
    return {number: found.get(number, "?") for number in wanted}
