"""What came of a constitution, in numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from madrigal.evaluation.intervals import wilson
from madrigal.experience.choosing import Both
from madrigal.experience.keeping import KEPT, counted
from madrigal.experience.openings import top_opening
from madrigal.experience.refusal import refuses
from madrigal.experience.revising import Trial, differs


def rate(hits: Iterable[bool]) -> dict[str, float | int] | None:
    """A share with Wilson's interval; None of nothing."""
    found = list(hits)
    if not found:
        return None
    low, high = wilson(sum(found), len(found))
    return {"value": sum(found) / len(found), "low": low, "high": high, "n": len(found)}


def outcome(
    trials: Sequence[Trial], fate: Sequence[str], fine: Sequence[Trial]
) -> Mapping[str, Any]:
    """Counts, shares with their intervals, and openings.

    `fine` are trials of prompts that nothing is wrong with.
    """
    kept = [one for one, why in zip(trials, fate, strict=True) if why == KEPT]
    verdicts = [one.both for one in trials if one.both is not None]
    clear = [one for one in verdicts if None not in (one.shown_first, one.shown_second)]
    return {
        "prompts": len(trials),
        "benign": sum(one.prompt.benign for one in trials),
        "fates": dict(counted(fate)),
        "kept": len(kept),
        "principles": _principles(trials, fate),
        "judge": {
            "clear": rate(one in clear for one in verdicts),
            "consistent": rate(one.consistent for one in clear),
            "first_place_wins_both_times": rate(_sides_with_first(one) for one in clear),
            "prefers_revision": rate(one.consistent and one.chance < 0.5 for one in clear),
        },
        "openings": {
            "answers": _opening(one.answer for one in trials),
            "revisions": _opening(one.revision for one in kept),
        },
        "refusals": {
            "answers": rate(refuses(one.answer) for one in trials),
            "revisions": rate(refuses(one.revision) for one in kept),
            "fine_answers": rate(refuses(one.answer) for one in fine),
            "fine_revisions": rate(refuses(one.revision) for one in fine),
            "fine_changed": rate(map(differs, fine)),
        },
    }


def _sides_with_first(both: Both) -> bool:
    """What stands first wins, whichever it is: the order decides."""
    one, other = both.shown_first, both.shown_second
    return one is not None and other is not None and one > 0.5 > other


def _opening(texts: Iterable[str]) -> dict[str, Any] | None:
    found = top_opening([text for text in texts if text.strip()])
    return None if found is None else {**asdict(found), "boilerplate": found.boilerplate}


def _principles(trials: Sequence[Trial], fate: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    drawn = Counter(one.principle for trial in trials for one in trial.rounds)
    kept = Counter(
        one.principle
        for trial, why in zip(trials, fate, strict=True)
        if why == KEPT
        for one in trial.rounds
    )
    return {name: {"drawn": drawn[name], "kept": kept[name]} for name in sorted(drawn)}
