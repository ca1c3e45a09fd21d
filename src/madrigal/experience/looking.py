"""How the likeliest answers to some prompts are written, judged and told."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from madrigal.experience.answer import Answer
from madrigal.experience.looks import FEWEST, Seen, fall
from madrigal.experience.means import SHOWN, tokens_of
from madrigal.experience.plan import Plan, Standing, struck
from madrigal.experience.writing import Writer
from madrigal.training.acting import Sign
from madrigal.training.record import Looked, Sampled


def looks(plan: Plan) -> bool:
    """Whether anybody looks at the task's likeliest answers: a guard with a gold reward that can
    judge them, and enough prompts."""
    return (
        plan.settings.guard is not None and plan.gold is not None and len(plan.looked_at) >= FEWEST
    )


def due(plan: Plan, state: Standing) -> bool:
    """Whether as many rollouts went by as the guard waits for."""
    guard = plan.settings.guard
    return looks(plan) and guard is not None and state.looks.waited >= guard.every


def look(writer: Writer, task: str, plan: Plan, step: int) -> tuple[Seen, Looked]:
    """Write and judge the likeliest answers with the model as it is after `step` steps.

    Raises:
        RunStopped: rewards cannot be had now.
    """
    since = time.perf_counter()
    prompts = plan.looked_at

    def work() -> tuple[list[list[int]], list[float], list[float]]:
        assert plan.gold is not None
        said = writer.likeliest(task, prompts)
        answers = writer.read(prompts, said)
        return said, plan.gold(answers).rewards.tolist(), plan.reward(answers).rewards.tolist()

    said, gold, reward = writer.by_first(work)
    seen = Seen(tuple(gold), tuple(reward))
    answers = writer.read(prompts, said)
    told = Looked(
        step=step,
        task=task,
        prompts=len(prompts),
        means=_means(answers, seen),
        samples=_samples(answers, seen),
        seconds=time.perf_counter() - since,
        tokens=tokens_of(answers),
    )
    return seen, told


def looked(
    task: str, plan: Plan, state: Standing, seen: Seen, last: bool
) -> tuple[Standing, list[Sign], bool]:
    """The state after a look, what it is a sign of, and whether the weights are fit to be gone back
    to. At the `last` look they are to be the result, so nothing is waited for."""
    guard = plan.settings.guard
    found = fall(state.looks, seen)
    after = replace(state, looks=state.looks.with_more(seen))
    if guard is None or found is None:
        return after, [], True
    if last:
        then = "stop" if guard.act else "say"
        if found.together:
            text = f"At the end: {found.text} Both fell: what was learnt since is not kept."
            return after, [Sign(task, text, then, "lost")], False
        return after, [Sign(task, f"At the end: {found.text}", then)], False
    if not found.exploited:  # it may find its way again, and is not gone back to before
        return after, [], False
    if not guard.act:
        return after, [Sign(task, found.text, "say")], False
    if state.caution.strikes >= guard.strikes:
        return after, [Sign(task, f"{found.text} It is the last of several signs.", "stop")], False
    return struck(after), [Sign(task, found.text, "roll_back")], False


def _means(answers: Sequence[Answer], seen: Seen) -> dict[str, float]:
    each = {"gold": seen.gold, "reward": seen.reward}
    found = {name: float(np.nanmean(v)) for name, v in each.items() if np.isfinite(v).any()}
    found["tokens"] = float(np.mean([len(one.tokens) for one in answers]))
    return found | {"cut": float(np.mean([not one.ended for one in answers]))}


def _samples(answers: Sequence[Answer], seen: Seen) -> tuple[Sampled, ...]:
    """Those that the gold reward likes least, to be read."""
    order = np.argsort(np.nan_to_num(np.array(seen.gold), nan=-np.inf), kind="stable")
    return tuple(
        Sampled(
            prompt=answers[n].prompt.record.prompt,
            answer=answers[n].text,
            reward=seen.reward[n],
            divergence=float("nan"),
            tokens=len(answers[n].tokens),
            ended=answers[n].ended,
        )
        for n in order[:SHOWN].tolist()
    )
