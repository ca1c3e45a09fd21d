"""How good a filter is: its verdicts against what people said, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from madrigal.audit.verdict import Verdict

# Successes and trials to the ends of an interval.
Interval = Callable[[int, int], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `n`, with the ends of the interval; no value where n is 0."""

    right: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.right / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Quality:
    """Precision: harmful of those blocked. Recall: blocked of the harmful. False alarms: blocked of
    the harmless. Each a share of independent texts, so the intervals are those of a share."""

    precision: Share
    recall: Share
    false_alarms: Share


def quality(verdicts: Sequence[Verdict], harmful: Sequence[bool], interval: Interval) -> Quality:
    """Precision, recall and false alarms of the verdicts."""
    pairs = [(verdict.blocked, bad) for verdict, bad in zip(verdicts, harmful, strict=True)]
    blocked, bad = sum(b for b, _ in pairs), sum(h for _, h in pairs)
    both = sum(b and h for b, h in pairs)
    return Quality(
        _share(both, blocked, interval),
        _share(both, bad, interval),
        _share(blocked - both, len(pairs) - bad, interval),
    )


def by_rule(
    verdicts: Sequence[Verdict], harmful: Sequence[bool], interval: Interval
) -> dict[str, Share]:
    """The precision of every rule that found something: which one to mend first."""
    found: dict[str, list[bool]] = {}
    for verdict, bad in zip(verdicts, harmful, strict=True):
        for rule in verdict.rules:
            found.setdefault(rule, []).append(bad)
    return {rule: _share(sum(bads), len(bads), interval) for rule, bads in sorted(found.items())}


def _share(right: int, n: int, interval: Interval) -> Share:
    return Share(right, n, *(interval(right, n) if n else (0.0, 1.0)))
