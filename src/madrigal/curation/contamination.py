"""Held-out records whose words stand in training text, template text apart.

Texts are compared by runs of 8 words (letters and digits, without case), without the words that
every tenth record of a task has (`template_words`). A run is template text, too, and counts for
nothing, if it stands in more than 3 held-out records of different words of the task (1 % of them,
where that is more), or in more than 50 training records of different words (1 %).
The overlap of a held-out record is the share of its own words that lie in a run which also stands
in training. It is contaminated from one half on, if that is 13 words or all that it has: short
records of one kind share runs by chance. From 13 words in a row on it is told. Records of 4 to 7
words are contaminated where a training record has just the same words.

Runs of 8 and the limit of one half are those of Lambert et al. (2024, Tulu 3), 13 words in a row
those of Brown et al. (2020, GPT-3, appendix C).

Differs from the papers: template text is left out by how many records have it, since instructions
that are shared on purpose are most of what would be found otherwise; runs of all training texts
together make the overlap, and the record that has most of them is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from jaxtyping import Bool, Int, UInt64

from madrigal.curation.duplicates import copies_of, marked
from madrigal.curation.finding import Finding, short
from madrigal.curation.marks import words_of
from madrigal.curation.table import Table
from madrigal.curation.template_words import (
    HELD_TEMPLATE,
    TRAIN_TEMPLATE,
    TemplateWords,
    cover,
    runs_of,
)

RUN = 8  # words
CONTAMINATED = 0.5
TOLD = 13  # words in a row
_SHORTEST = 4  # words of a record that is compared as a whole
_HELD_SHARE = _TRAIN_SHARE = 0.01
_SOURCES = 50  # training records kept for a run; of fewer than 5,000 in all none has more
_TRAIN = 0  # place in SPLITS


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of the held-out records, once each, and who holds them."""

    known: UInt64[np.ndarray, " R"]  # sorted
    template: Bool[np.ndarray, " R"]


def contamination(table: Table) -> Iterator[Finding]:
    """`contamination`, on the held-out record and on the training records it is found in."""
    side, templates = table.column("side"), TemplateWords.of(table)
    held = [*_sequences(table, templates, side != _TRAIN, whole=False)]
    if not held or not (side == _TRAIN).any():
        return
    runs = _runs(table, held)
    if not len(runs.known):  # all of them too short to be compared
        return
    counts = _train_counts(table, templates, side, runs)
    limit = max(TRAIN_TEMPLATE, _TRAIN_SHARE * int((side == _TRAIN).sum()))
    kept = (counts > 0) & (counts <= limit) & ~runs.template
    made = copies_of(table)
    unmarked = (side == _TRAIN) & ~marked(table, made)
    sources = _sources(table, templates, unmarked, runs, kept)
    told: set[int] = set()
    for sample, words, places in held:
        for one, source in _judged(table, sample, words, places, runs, kept, sources, told):
            yield one
            for copy in made.get(source, ()):
                yield table.finding(copy, one.check, one.severity, one.evidence, sample, one.score)


def _judged(
    table: Table,
    sample: int,
    words: np.ndarray,
    places: np.ndarray,
    runs: _Runs,
    kept: Bool[np.ndarray, " R"],
    sources: dict[int, list[int]],
    told: set[int],
) -> Iterator[tuple[Finding, int]]:
    """What is to be said of one held-out record with these words of its own at these places, and of
    which record it is said."""
    place = np.searchsorted(runs.known, hashed(words))
    hits = kept[np.minimum(place, len(kept) - 1)]
    covered = cover(hits, len(words))
    share = float(covered.mean()) if len(words) else 0.0
    first, end = longest(covered)
    grave = share >= CONTAMINATED and covered.sum() >= min(TOLD, len(words))
    if not grave and end - first < TOLD:
        return
    by: dict[int, int] = {}
    for run in place[hits]:
        for source in sources.get(int(run), ()):
            by[source] = by.get(source, 0) + 1
    best = sorted(by, key=lambda one: (-by[one], one))
    every = words_of(table.text(sample)[0])
    matched = short(" ".join(every[int(place)] for place in places[first:end]), 240)
    said = f"{share:.0%} of its words in training: {matched}"
    severity = "error" if grave else "note"
    yield table.finding(sample, "contamination", severity, said, best[0], share), sample
    if not grave:
        return
    for source in best:
        # One that holds much less than the best is not what gives the record away.
        if source not in told and by[source] >= CONTAMINATED * by[best[0]]:
            told.add(source)
            said = f"holds {share:.0%} of a held-out record: {matched}"
            yield table.finding(source, "contamination", "error", said, sample, share), source


def hashed(words: np.ndarray) -> UInt64[np.ndarray, " R"]:
    """A number for each run of 8 words; of 4 to 7 words one for all of them."""
    if len(words) < _SHORTEST:
        return np.zeros(0, dtype=np.uint64)
    if len(words) >= RUN:
        return runs_of(words, RUN)
    # Else a short record would be found in each longer one that begins as it does.
    return runs_of(words, len(words)) ^ np.uint64(len(words))


def longest(covered: Bool[np.ndarray, " W"]) -> tuple[int, int]:
    """Start and end of the longest stretch; (0, 0) for none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], covered.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    best = int(np.argmax(ends - starts))
    return int(starts[best]), int(ends[best])


def _sequences(
    table: Table, templates: TemplateWords, wanted: Bool[np.ndarray, " N"], whole: bool
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Samples with their own words and the places of these, and again with the words of their
    answers where `whole`."""
    task = table.tasks()
    for block in range(len(table.paths)):
        start, end = int(table.starts[block]), int(table.starts[block + 1])
        if not wanted[start:end].any():
            continue
        own = table.ragged("words", block)
        said = table.ragged("answer_words", block) if whole else own
        for place in np.flatnonzero(wanted[start:end]).tolist():
            places = templates.own(int(task[start + place]), own[place])
            words = own[place][places]
            yield start + place, words, places
            if whole and len(said[place]):
                yield start + place, np.concatenate([words, said[place]]), places


def _runs(table: Table, held: list[tuple[int, np.ndarray, np.ndarray]]) -> _Runs:
    """Every run of the held-out records; template text by how many different records have it."""
    content, task = table.column("content"), table.tasks()
    mine = [np.unique(hashed(words)) for _, words, _ in held]
    known = np.unique(np.concatenate(mine))
    template = np.zeros(len(known), dtype=bool)
    for number in range(len(table.sources.tasks)):
        counts = np.zeros(len(known), dtype=np.int64)
        seen: set[int] = set()
        for (sample, _, _), found in zip(held, mine, strict=True):
            if task[sample] == number and int(content[sample]) not in seen:
                seen.add(int(content[sample]))
                counts[np.searchsorted(known, found)] += 1
        template |= counts > max(HELD_TEMPLATE, _HELD_SHARE * len(seen))
    return _Runs(known, template)


def _found(runs: _Runs, words: np.ndarray) -> Int[np.ndarray, " H"]:
    """Places of the held-out runs that a training text has; a short text is one run as a whole."""
    found = np.unique(hashed(words))
    place = np.minimum(np.searchsorted(runs.known, found), len(runs.known) - 1)
    return place[runs.known[place] == found]


def _train_counts(
    table: Table, templates: TemplateWords, side: np.ndarray, runs: _Runs
) -> Int[np.ndarray, " R"]:
    """How many training records of different words have each run."""
    content = table.column("content")
    counts = np.zeros(len(runs.known), dtype=np.int64)
    seen: set[int] = set()
    for sample, place in _train_runs(table, templates, side == _TRAIN, runs):
        if int(content[sample]) not in seen:
            seen.add(int(content[sample]))
            counts[place] += 1
    return counts


def _sources(
    table: Table,
    templates: TemplateWords,
    among: Bool[np.ndarray, " N"],
    runs: _Runs,
    kept: Bool[np.ndarray, " R"],
) -> dict[int, list[int]]:
    """The first few training records among these with each run."""
    found: dict[int, list[int]] = {}
    for sample, place in _train_runs(table, templates, among, runs):
        for run in place[kept[place]].tolist():
            mine = found.setdefault(run, [])
            if len(mine) < _SOURCES:
                mine.append(sample)
    return found


def _train_runs(
    table: Table, templates: TemplateWords, among: Bool[np.ndarray, " N"], runs: _Runs
) -> Iterator[tuple[int, Int[np.ndarray, " H"]]]:
    """Those records that have any of the runs, and which."""
    every = _sequences(table, templates, among, whole=True)
    for sample, both in groupby(every, itemgetter(0)):
        place = np.unique(np.concatenate([_found(runs, words) for _, words, _ in both]))
        if len(place):
            yield sample, place
