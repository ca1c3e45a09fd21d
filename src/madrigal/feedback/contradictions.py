"""The same thing judged twice with opposite verdicts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.near import groups, normalised
from madrigal.feedback.votes import Votes

_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Duplicates among the judged things, and those of them that were judged in opposite ways.

    `exact` and `near` are the share of groups of duplicates with opposite verdicts, and n counts
    the groups: records with equal prompts and answers, and with similar ones (those with equal ones
    among them). None where there are no such groups. `examples` are places with opposite verdicts;
    `alike` counts pairs whose two answers are nearly the same text.
    """

    exact: Measure | None
    near: Measure | None
    examples: tuple[tuple[str, str], ...]
    alike: int


def contradictions(
    votes: Votes, span: float = 0.0, resampling: Resampling = DRAWS
) -> Contradictions:
    """Opposite verdicts of different records on the same thing.

    A record's verdict is the sign of the sum of its votes about a pair of answers. Ratings are
    opposite when a record's mean differs from another's by at least half of `span`, the width of
    the scale.
    """
    exact = _Duplicates.of(votes, _same(votes.prompts), _same(votes.texts))
    near = _Duplicates.of(votes, groups(votes.prompts), groups(votes.texts))
    pairs = votes.answers.shape[1] == 2
    found = near.opposite(votes, span)
    shown = [example for _, example in found if example is not None]
    return Contradictions(
        _share(exact.opposite(votes, span), resampling),
        _share(found, resampling),
        tuple(shown[:_EXAMPLES]),
        near.alike if pairs else 0,
    )


@dataclass(frozen=True, slots=True)
class _Duplicates:
    """The votes on things that are the same: (vote, 1 or -1 where its order is turned round)."""

    things: tuple[tuple[tuple[int, int], ...], ...]
    alike: int

    @staticmethod
    def of(votes: Votes, prompts: Sequence[int], texts: Sequence[int]) -> "_Duplicates":
        found: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
        items = [
            (prompts[prompt], *(texts[answer] for answer in answers))
            for prompt, answers in zip(votes.prompt.tolist(), votes.answers.tolist(), strict=True)
        ]
        alike = {item for item, key in enumerate(items) if len(key) == 3 and key[1] == key[2]}
        for vote, item in enumerate(votes.item.tolist()):
            if item not in alike:
                prompt, *answers = items[item]
                ordered = tuple(sorted(answers))
                turned = 1 if ordered == tuple(answers) else -1
                found[prompt, *ordered].append((vote, turned))
        return _Duplicates(tuple(map(tuple, found.values())), len(alike))

    def opposite(self, votes: Votes, span: float) -> list[tuple[bool, tuple[str, str] | None]]:
        """For each thing that several records judged: whether in opposite ways, and where."""
        told = []
        for thing in self.things:
            said: dict[int, list[float]] = defaultdict(list)
            for vote, turned in thing:
                said[int(votes.record[vote])].append(turned * float(votes.value[vote]))
            if len(said) < 2:
                continue
            if votes.answers.shape[1] == 2:
                verdicts = {record: float(np.sign(sum(some))) for record, some in said.items()}
                gap = 2.0
            else:
                verdicts = {record: float(np.mean(some)) for record, some in said.items()}
                gap = span / 2
            least, most = min(verdicts, key=verdicts.__getitem__), max(verdicts, key=verdicts.get)  # type: ignore[arg-type]
            apart = verdicts[most] - verdicts[least] >= gap > 0
            where = sorted((least, most))
            told.append((apart, (votes.where[where[0]], votes.where[where[1]]) if apart else None))
        return told


def _same(texts: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    return [seen.setdefault(normalised(text), i) for i, text in enumerate(texts)]


def _share(
    found: Sequence[tuple[bool, tuple[str, str] | None]], resampling: Resampling
) -> Measure | None:
    hits = np.array([apart for apart, _ in found], dtype=np.float64)
    return share(hits, np.ones(len(hits)), np.arange(len(hits)), resampling)
