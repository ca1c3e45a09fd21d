"""Which revisions are trained on, and why the others are not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.experience.refusal import refuses
from madrigal.experience.revising import Trial, differs
from madrigal.experience.topic import on_topic

KEPT = "kept"
# In this order: the first that holds is the one that is told.
NO_ANSWER, EMPTY = "the first answer is empty", "the revision is empty"
SAME = "the revision changes nothing"
REFUSED_BENIGN = "it refuses a benign prompt"
REFUSED = "it is a refusal"
OFF_TOPIC = "it is off the topic"
UNCLEAR = "the judge gave no verdict"
TURNED = "the verdict turns with the order"
WORSE = "the judge prefers the first answer"
ALIKE = "the judge finds both alike"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a revision must pass."""

    judge: bool = True
    on_topic: bool = True
    refusals: bool = True  # of prompts that are not benign are kept
    seed: int = 0


def fates(trials: Sequence[Trial], rules: Rules) -> list[str]:
    """`kept`, or the reason why the revision is dropped, for each trial.

    A refusal is not asked to be on the topic: it has none.
    """
    asked = [trial.prompt.turns[-1].text for trial in trials]
    subjects = [f"{one}\n{trial.answer}" for one, trial in zip(asked, trials, strict=True)]
    topical = (
        on_topic([trial.revision for trial in trials], subjects, asked, rules.seed)
        if rules.on_topic
        else [True] * len(trials)
    )
    return [_fate(*one, rules) for one in zip(trials, map(bool, topical), strict=True)]


def _fate(trial: Trial, topical: bool, rules: Rules) -> str:
    if not trial.answer.strip():
        return NO_ANSWER
    if not trial.revision.strip():
        return EMPTY
    if not differs(trial):
        return SAME
    refusal = refuses(trial.revision)
    if refusal and trial.prompt.benign:
        return REFUSED_BENIGN
    if refusal and not rules.refusals:
        return REFUSED
    if not refusal and not topical:
        return OFF_TOPIC
    return _verdict(trial) if rules.judge else KEPT


def _verdict(trial: Trial) -> str:
    both = trial.both
    if both is None or None in (both.shown_first, both.shown_second):
        return UNCLEAR
    if not both.consistent:
        return TURNED
    if both.chance == 0.5:
        return ALIKE
    return WORSE if both.chance > 0.5 else KEPT


def counted(fate: Sequence[str]) -> list[tuple[str, int]]:
    """How many met each fate, the kept first, then the most common."""
    found = Counter(fate)
    return sorted(found.items(), key=lambda one: (one[0] != KEPT, -one[1], one[0]))
