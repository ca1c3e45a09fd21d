"""Answers without a reward: which they are, why, and when there are too many."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from madrigal.errors import RunStopped
from madrigal.experience.answer import Answer
from madrigal.experience.plan import Standing
from madrigal.recipe import policy
from madrigal.training.record import Unrewarded

# Answers that are looked at before a stage may end for want of some rewards; and so many without
# any, one after another, end it, however many had one before: whoever gave them is gone.
_ENOUGH = 32
_NAMED = 3  # prompts of a sentence
_UNSAID = "no number"


def unrewarded(
    answers: Sequence[Answer], rewards: Float[np.ndarray, " R"], why: Mapping[int, str]
) -> tuple[Unrewarded, ...]:
    """Those of the answers whose reward is not a number. `why` is what is known of that, by the
    answer's number."""
    return tuple(
        Unrewarded(answers[n].prompt.record.where, why.get(n, _UNSAID))
        for n in np.flatnonzero(np.isnan(rewards)).tolist()
    )


def counted(
    task: str, settings: policy.Acting, state: Standing, count: int, bad: Sequence[Unrewarded]
) -> Standing:
    """With `count` answers of a rollout counted, and those of them without a reward.

    Raises:
        RunStopped: too many of the answers so far have no reward, or none of the last ones has.
    """
    failed, written = state.failed + len(bad), state.written + count
    lately = state.lately + len(bad) if len(bad) == count else 0
    share = failed / max(1, written)
    enough = written >= _ENOUGH or len(bad) == count
    if bad and share > settings.failures and enough:
        raise RunStopped(
            f"{task}: {failed} of {written} answers so far got no reward (the last: "
            f"{_named(bad)}), more than the {settings.failures:.0%} that `failures` allows; mend "
            "the reward, or raise `failures`, and go on with --resume"
        )
    if lately >= _ENOUGH:
        raise RunStopped(
            f"{task}: none of the last {lately} answers got a reward (the last: {_named(bad)}); "
            "mend the reward, and go on with --resume"
        )
    return replace(state, written=written, failed=failed, lately=lately)


def remark(before: Standing, now: Standing, bad: Sequence[Unrewarded]) -> str:
    """A sentence about answers without a reward: at the first, and whenever they are twice as many
    as when it was last told; else nothing."""
    if now.failed.bit_length() == before.failed.bit_length():
        return ""
    return (
        f"{now.failed} of {now.written} answers so far got no reward and are left out (the last: "
        f"{_named(bad)}); rollouts.jsonl names each."
    )


def _named(bad: Sequence[Unrewarded]) -> str:
    """Some of the prompts and why, each once."""
    each = list(dict.fromkeys(f"{one.where}: {one.why}" for one in bad))
    rest = len(each) - _NAMED
    return "; ".join(each[:_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
