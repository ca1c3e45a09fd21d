"""What the labels of a task say against each other, and how often each is said."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from madrigal.curation.duplicates import groups
from madrigal.curation.finding import Finding, short
from madrigal.curation.table import Table, about_task

_CHOSEN = 2  # kind
_UNEVEN = 10.0  # the most frequent label so many times as frequent as the rarest
_FEW = 5  # records of a label that teach nothing
_MOST_LABELS = 200


def contradictions(table: Table) -> Iterator[Finding]:
    """`contradiction`: the same prompt in the same task with different labels."""
    chosen = table.column("kind") == _CHOSEN
    prompt, answer, task = table.column("prompt"), table.column("answer"), table.tasks()
    for number in range(len(table.sources.tasks)):
        mine = np.flatnonzero(chosen & (task == number))
        for group in groups(prompt[mine]):
            members = mine[group]
            if len(set(answer[members].tolist())) == 1:
                continue
            said = Counter(table.label(int(one)) for one in members)
            told = ", ".join(f"{label!r} {count}×" for label, count in said.most_common(4))
            first = int(members[0])
            differs = int(members[np.argmax(answer[members] != answer[first])])
            for one in members:
                sample = int(one)
                other = differs if answer[one] == answer[first] else first
                text = short(table.text(sample)[0], 100)
                # The rarer label is the more suspicious.
                share = said[table.label(sample)] / len(members)
                yield table.finding(
                    sample, "contradiction", "error", f"{told}: {text}", other, 1 - share
                )


def imbalance(table: Table) -> Iterator[Finding]:
    """`imbalance`: labels of a training set that are seen far more or less often than others."""
    placed, names = table.labels()
    for task in table.sources.tasks:
        mine = placed[table.of_task(task, "train") & (table.column("kind") == _CHOSEN)]
        counts = Counter(mine[mine >= 0].tolist())
        if not 2 <= len(counts) <= _MOST_LABELS:
            continue
        ranked = counts.most_common()
        (most, often), (least, seldom) = ranked[0], ranked[-1]
        few = [names[label] for label, count in ranked if count < _FEW]
        said = f"{names[most]!r} {often:,} times, {names[least]!r} {seldom:,} times"
        if often >= _UNEVEN * seldom:
            yield about_task(table.sources, task, "imbalance", "warning", said)
        elif few:
            listed = ", ".join(map(repr, few[:5]))
            told = f"fewer than {_FEW} records: {listed}"
            yield about_task(table.sources, task, "imbalance", "note", told)
