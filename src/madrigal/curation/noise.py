"""Labels that the texts speak against: confident learning.

Out-of-sample chances p(j | x) of every label come from a bag of words, and, where a model is at
hand, from its states of the texts, too: then from the mean of both (`chances`). With t_j the mean
of p(j | x) over the records labelled j, a record labelled i counts as another where the likeliest j
of those with p(j | x) >= t_j is not i, and the likeliest of all is not either: so many labels are
wrong at least (the confident joint of Northcutt, Jiang and Chuang, 2021, Confident Learning,
section 3.1). Suspicious are as many records as that, of those where another label is likelier, the
ones with the lowest p(i | x); they stand in that order.

Differs from the paper: a record that counts is evidence of how many, and not of which. Nearly all
wrong labels are among the lowest p(i | x), also those whose right label is said with less than its
t_j; so more wrong labels are among as many that are named. The number is not scaled up for the
records of which nothing is said so surely (its section 3.2), which names more and right ones more
often. None is called suspicious in a task where the chances tell too little: less than 0.15 of what
always saying the most frequent label leaves. Up to a quarter a finding is a note, since most of
what is suspicious there is right.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from madrigal.curation.chances import States, chances_by_states, chances_by_words
from madrigal.curation.finding import Finding, Severity, short
from madrigal.curation.table import Table
from madrigal.curation.texts import own_texts

LEAST = 50  # records, and 5 of a label
MOST, MOST_BY_MODEL = 50_000, 20_000  # of a larger task every k-th record is looked at
_FEWEST = 5
_CHOSEN = 2  # kind
_MOST_LABELS = 200
_TELLS, _TELLS_WELL = 0.15, 0.25


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What confident learning says of some labels."""

    suspicious: Bool[np.ndarray, " N"]
    instead: Int[np.ndarray, " N"]  # the likeliest label
    own: Float[np.ndarray, " N"]  # chance of the label that is given; the lowest are the worst
    right: float  # share of the labels that are said out of sample, too


def label_noise(table: Table, states: States | None = None) -> Iterator[Finding]:
    """`label_noise` of every task with labels, the most suspicious first.

    With a model's `states` its chances and those of the words are averaged, and both are told.
    DataError where the texts cannot be read again.
    """
    placed, names = table.labels()
    for task in table.sources.tasks:
        mine = np.flatnonzero(
            table.of_task(task) & (table.column("kind") == _CHOSEN) & (placed >= 0)
        )
        most = MOST if states is None else MOST_BY_MODEL
        mine = mine[:: 1 + (len(mine) - 1) // most] if len(mine) else mine
        counts = np.bincount(placed[mine], minlength=len(names))
        mine = mine[counts[placed[mine]] >= _FEWEST]
        labels, given = np.unique(placed[mine], return_inverse=True)
        if len(mine) < LEAST or not 2 <= len(labels) <= _MOST_LABELS:
            continue
        voices = {"words": chances_by_words(table, mine, given)}
        if states is not None:
            made = states(own_texts(table, mine))
            voices["the model"] = chances_by_states(made, given, table.column("prompt")[mine])
        yield from _Judged(table, mine, given, [names[k] for k in labels], voices).told()


@dataclass(frozen=True, slots=True)
class _Judged:
    """The labels of one task, and what was said of them."""

    table: Table
    mine: Int[np.ndarray, " N"]
    given: Int[np.ndarray, " N"]
    names: Sequence[str]
    voices: Mapping[str, np.ndarray]  # N x K chances by who says them

    def told(self) -> Iterator[Finding]:
        chances = np.mean([*self.voices.values()], axis=0)
        found = suspicions(chances, self.given)
        usual = float(np.bincount(self.given).max()) / len(self.given)
        tells = (found.right - usual) / max(1.0 - usual, 1e-9)
        if tells < _TELLS:
            return
        severity: Severity = "warning" if tells >= _TELLS_WELL else "note"
        ranks = self._ranks()
        for place in np.argsort(found.own, kind="stable").tolist():
            if not found.suspicious[place]:
                continue
            sample, instead = int(self.mine[place]), int(found.instead[place])
            score = 1.0 - float(found.own[place])
            said = self._said(place, instead, chances[place], ranks)
            one = self.table.finding(sample, "label_noise", severity, said, score=score)
            chance = round(float(chances[place, instead]), 4)
            label = self.names[int(self.given[place])]
            yield replace(one, given=label, instead=self.names[instead], chance=chance)

    def _ranks(self) -> dict[str, np.ndarray]:
        """The place of each label among all, the most suspicious first, by each voice."""
        found = {}
        for who, chances in self.voices.items():
            order = np.argsort(suspicions(chances, self.given).own, kind="stable")
            found[who] = np.argsort(order) + 1
        return found

    def _said(
        self, place: int, instead: int, chances: np.ndarray, ranks: Mapping[str, np.ndarray]
    ) -> str:
        given, who = int(self.given[place]), " and ".join(self.voices)
        each = "; ".join(
            f"{name} {told[place, given]:.2f} and {told[place, instead]:.2f}, "
            f"place {ranks[name][place]:,}"
            for name, told in self.voices.items()
        )
        alone = len(self.voices) == 1
        return (
            f"labelled {self.names[given]!r} ({chances[given]:.2f}), {who} say "
            f"{self.names[instead]!r} ({chances[instead]:.2f}{'' if alone else f': {each}'}): "
            f"{short(self.table.text(int(self.mine[place]))[0], 120)}"
        )


def suspicions(chances: Float[np.ndarray, "N K"], given: Int[np.ndarray, " N"]) -> Suspicions:
    """Confident learning on out-of-sample chances of K labels."""
    labels = chances.shape[1]
    own = chances[np.arange(len(given)), given]
    counts = np.bincount(given, minlength=labels)
    threshold = np.bincount(given, weights=own, minlength=labels) / np.maximum(counts, 1)
    confident = np.where(chances >= threshold, chances, -1.0)
    sure = confident.max(axis=1) >= 0
    likeliest = chances.argmax(axis=1)
    another = likeliest != given
    wrong = int((sure & (confident.argmax(axis=1) != given) & another).sum())
    places = np.flatnonzero(another)
    named = places[np.argsort(own[places], kind="stable")[:wrong]]
    suspicious: Bool[np.ndarray, " N"] = np.zeros(len(given), dtype=bool)
    suspicious[named] = True
    return Suspicions(suspicious, likeliest, own, float((~another).mean()))
