"""Answers that end unlike the others of their task, told by how those end.

What ends an answer differs from task to task: a full stop, a number after `####`, a closing
bracket, or nothing that could be told from its middle. So each task teaches it by itself. Its own
answers, as they end, are set against the same answers cut at a word drawn from them; a logistic
regression on the last three words, their shapes and the marks among them learns to tell them apart,
over 2 folds. An answer is called cut where the regression, which never saw it, takes it for a cut
one so surely that it would be likelier than not if one answer in ten were cut: from 0.9 on.
Where endings cannot be told, no chance comes near.

Nothing is said of a task where more than one answer in ten would be called cut: that is how its
answers end, too. A cut that falls on the end of a sentence reads like an end, and is found only
where the task's answers end in something else.
"""

import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from madrigal.curation.checks.answers import cut_off
from madrigal.curation.finding import Finding, short
from madrigal.curation.marks import COMPARED
from madrigal.curation.table import Table

LEAST, MOST = 100, 20_000  # answers; of more, so many teach
_WORDS = 8  # of an answer that is looked at, and of these the last
_LOOKED_AT = 3
_CUT = 0.9
_USUAL = 0.1
_SMALL = 12  # characters of a word that stands for itself; longer ones only by their shape
_STRENGTH = 1.0  # inverse of L2
_BUCKETS = 1 << 16
_WRITTEN = 1  # kind
_DIGITS, _LETTERS = re.compile("[0-9]+"), re.compile(r"[^\W\d_]+")


def endings(table: Table) -> Iterator[Finding]:
    """`truncated_answer`, where the end of an answer is not how the task's answers end."""
    kind, length = table.column("kind"), table.column("answer_length")
    for task in table.sources.tasks:
        mine = np.flatnonzero(
            table.of_task(task) & (kind == _WRITTEN) & (length > 0) & (length < COMPARED)
        )
        if len(mine) < LEAST:
            continue
        said = table.answers(mine)
        mine = np.array([k for k in mine.tolist() if len(said[k].split()) >= _WORDS], np.int64)
        if len(mine) < LEAST:
            continue
        answers = [said[k] for k in mine.tolist()]
        chance = chance_of_cut(answers)
        cut = chance >= _CUT
        if cut.mean() > _USUAL:
            continue
        for place in np.flatnonzero(cut).tolist():
            if not cut_off(answers[place]):  # which is told of the record by itself
                evidence = f"unlike the other answers, ends: … {short(answers[place][-80:])}"
                score = float(chance[place])
                yield table.finding(
                    int(mine[place]), "truncated_answer", "warning", evidence, score=score
                )


def chance_of_cut(answers: Sequence[str]) -> Float[np.ndarray, " A"]:
    """The chance that each answer is cut, if half of all were, by a model of the other half."""
    from scipy.sparse import csr_matrix, vstack
    from sklearn.linear_model import LogisticRegression

    random = np.random.Generator(np.random.Philox(key=len(answers)))
    words = [answer.split() for answer in answers]
    at = [int(random.integers(len(some) // 3, len(some) - 1)) + 1 for some in words]

    def rows(kept: Sequence[int], ends: Sequence[Sequence[str]]) -> csr_matrix:
        told = [features(ends[k]) for k in kept]
        borders = np.cumsum([0, *map(len, told)])
        flat = np.array([one for some in told for one in some], dtype=np.int64)
        return csr_matrix((np.ones(len(flat)), flat, borders), shape=(len(kept), _BUCKETS))

    whole = [some[-_LOOKED_AT:] for some in words]
    part = [some[max(0, k - _LOOKED_AT) : k] for some, k in zip(words, at, strict=True)]
    chance = np.zeros(len(answers))
    fold = np.arange(len(answers)) % 2
    for held in (0, 1):
        train = np.flatnonzero(fold != held)
        train = train[:: 1 + (len(train) - 1) // MOST].tolist()
        model = LogisticRegression(C=_STRENGTH, max_iter=200)
        both = vstack([rows(train, whole), rows(train, part)], format="csr")
        model.fit(both, np.repeat([0, 1], len(train)))
        test = np.flatnonzero(fold == held)
        chance[test] = model.predict_proba(rows(test.tolist(), whole))[:, 1]
    return chance


def features(words: Sequence[str]) -> list[int]:
    """Numbers of what the last words are, nearest first: their text, shape and last mark."""
    told: list[str] = []
    for place, word in enumerate(reversed(words[-_LOOKED_AT:])):
        shape = _LETTERS.sub("a", _DIGITS.sub("0", word))[:8]
        told += [f"{place}:{shape}", f"{place}.{word[-1]}"]
        if len(word) <= _SMALL:
            told.append(f"{place}={_DIGITS.sub('0', word)}")
    shapes = [_LETTERS.sub("a", _DIGITS.sub("0", word))[:8] for word in words[-2:]]
    told.append(" ".join(shapes))
    return sorted({zlib.crc32(one.encode("utf-8", "surrogatepass")) % _BUCKETS for one in told})
