"""Lengths and languages that stand out from a task's others, and licences."""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from madrigal.curation.checks.language import codes
from madrigal.curation.finding import Finding
from madrigal.curation.marks import CODES
from madrigal.curation.table import Table, about_task

_LEAST = 30  # records that say what is usual
_DEVIATIONS = 6.0
_TIMES = 4.0
_WRITTEN, _RAW = 1, 0
_MOSTLY = 0.8  # of texts whose language is told
_AT_LIMIT, _LEAST_AT_LIMIT, _LONG = 0.02, 10, 100
_CLOSED = re.compile(r"non.?commercial|\bnc\b|no.?deriv|\bnd\b|proprietary|all rights", re.I)
_UNKNOWN = re.compile(r"^(?:|unknown|none|other|n/?a|-)$", re.I)


def lengths(table: Table) -> Iterator[Finding]:
    """`length`: prompts or written answers far longer or shorter than others of the task.

    By the median and the median absolute deviation of log length (times 1.4826, as for normal
    values): more than 6 deviations and 4 times off. And `truncated_answer`, where at least 2 % of
    the answers end at exactly the same length, which is the longest: somebody cut them.
    """
    kind = table.column("kind")
    for name, of in (("prompt", None), ("answer", _WRITTEN)):
        length = table.column(f"{name}_length").astype(np.int64)
        for task in table.sources.tasks:
            mine = table.of_task(task) & (length > 0)
            mine &= (kind != _RAW) if of is None else (kind == of)
            yield from _outliers(table, np.flatnonzero(mine), length, name)
            if name == "answer":
                yield from _at_limit(table, np.flatnonzero(mine), length)


def _outliers(
    table: Table, mine: Int[np.ndarray, " M"], length: Int[np.ndarray, " N"], name: str
) -> Iterator[Finding]:
    if len(mine) < _LEAST:
        return
    logs = np.log(length[mine])
    usual = float(np.median(logs))
    deviation = max(1.4826 * float(np.median(np.abs(logs - usual))), 0.1)
    off = np.abs(logs - usual)
    for place in np.flatnonzero((off > _DEVIATIONS * deviation) & (off > np.log(_TIMES))):
        sample = int(mine[place])
        said = f"{name} of {length[sample]:,} characters; half have fewer than {np.exp(usual):,.0f}"
        yield table.finding(sample, "length", "note", said, score=float(off[place] / deviation))


def _at_limit(
    table: Table, mine: Int[np.ndarray, " M"], length: Int[np.ndarray, " N"]
) -> Iterator[Finding]:
    if len(mine) < _LEAST:
        return
    longest = int(length[mine].max())
    there = mine[length[mine] == longest]
    if longest < _LONG or len(there) < max(_LEAST_AT_LIMIT, _AT_LIMIT * len(mine)):
        return
    for sample in there:
        said = (
            f"one of {len(there):,} answers of exactly {longest:,} characters, the most there are"
        )
        yield table.finding(int(sample), "truncated_answer", "warning", said)


def languages(table: Table) -> Iterator[Finding]:
    """`language`: texts in another language than the data declare, or than most others."""
    declared = _declared(table)
    for place, name in enumerate(("prompt", "answer")):
        told = table.column(f"{name}_language").astype(np.int64)
        for task in table.sources.tasks:
            mine = np.flatnonzero(table.of_task(task) & (told > 0))
            said = declared[task][place]
            expected = said or _usual(told[mine])
            if not expected:
                continue
            why = "declared" if said else "usual here"
            wanted = " or ".join(sorted(expected))
            for sample in mine:
                found = CODES[told[sample]]
                if found not in expected:
                    text = table.text(int(sample))[place]
                    evidence = f"{name} is in '{found}', {why}: '{wanted}': {text[:100]}"
                    yield table.finding(int(sample), "language", "warning", evidence)


def _declared(table: Table) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    found: dict[str, list[set[str]]] = {task: [set(), set()] for task in table.sources.tasks}
    for number, told in table.told():
        for both in told["declared"]:
            for known, one in zip(
                found[table.sources.files[number].task], both.split("|"), strict=True
            ):
                known |= codes(one)
    return {task: (frozenset(a), frozenset(b)) for task, (a, b) in found.items()}


def _usual(told: Int[np.ndarray, " M"]) -> frozenset[str]:
    counts = Counter(told.tolist())
    if len(told) < _LEAST:
        return frozenset()
    most, count = counts.most_common(1)[0]
    return frozenset({CODES[most]}) if count >= _MOSTLY * len(told) else frozenset()


def licences(table: Table) -> Iterator[Finding]:
    """`licence`: none stated, or one that forbids what training is for."""
    for task, said in table.licences().items():
        closed = sorted(one for one in said if _CLOSED.search(one))
        unknown = sum(count for one, count in said.items() if _UNKNOWN.match(one.strip()))
        if closed:
            listed = ", ".join(f"{one!r} ({said[one]:,})" for one in closed[:3])
            told = f"not for every use: {listed}"
            yield about_task(table.sources, task, "licence", "warning", told)
        elif unknown:
            told = f"{unknown:,} of {said.total():,} records state no licence"
            yield about_task(table.sources, task, "licence", "note", told)
