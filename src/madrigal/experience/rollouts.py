"""Rollouts: prompts are answered by the model itself, and what it learns from that."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.experience.answer import Answer, Prompt
from madrigal.experience.failing import counted, remark, unrewarded
from madrigal.experience.held import Held, aged, held_tensors, read_held
from madrigal.experience.lessons import Lessons, Written, chosen, lessons
from madrigal.experience.looking import due, look, looked, looks
from madrigal.experience.means import (
    gold_means,
    means,
    sampled,
    scored_tokens,
    tokens_of,
    watched_means,
)
from madrigal.experience.paid import Found, drawn_from, paid, row_of
from madrigal.experience.plan import Plan, Standing, care_of, dealt_with, gone_back, last_look
from madrigal.experience.writing import Writer
from madrigal.recipe import policy
from madrigal.retention import Teacher
from madrigal.tasks.encoded import Encoded, Example
from madrigal.training.acting import Care, Look, Sign
from madrigal.training.record import Rollout, StepRecord, Watched
from madrigal.training.reference import Asked, token_logps, token_nuclei, token_values

# How far the ratio of two passes over the same tokens is from 1 by rounding, with room.
_ROUNDING = {torch.float32: 1e-3, torch.float64: 1e-6}
# The same on the mean, of a pass and of writing, whose sums have another order.
_APART = {torch.float32: 1e-2, torch.float64: 1e-5}
_COARSE = 0.3


class Rollouts:
    """Writes answers to the prompts of some tasks, asks for rewards, and makes lessons of both;
    implements `Acting`.

    The first process writes and asks; all score what was written. Log-probabilities that are
    trained with come from passes laid out as those of training are, never from writing.
    """

    def __init__(
        self,
        plans: Mapping[str, Plan],
        asked: Asked,
        teacher: Teacher,
        end: int,
        chance: tuple[int, str],
        batch_tokens: int,
    ) -> None:
        self._plans = plans
        self._asked, self._teacher = asked, teacher
        self._writer, self._chance = Writer(asked, end, chance, batch_tokens), chance
        self._states = {task: Standing(plan.penalty()) for task, plan in plans.items()}
        self._held: dict[str, Held] = {}
        self._told: list[Rollout] = []
        self._signs: list[Sign] = []

    @property
    def tasks(self) -> Collection[str]:
        return self._plans.keys()

    def answered(
        self, step: int, prompts: Mapping[str, Sequence[int]]
    ) -> Mapping[str, Sequence[Example | None]]:
        """See `Acting`."""
        held, states, told = dict(self._held), dict(self._states), []
        found: dict[str, Sequence[Example | None]] = {}
        for task, indices in prompts.items():
            first = step - step % self._plans[task].epochs
            before = held.get(task)
            if before is None or before.first != first or len(before.examples) != len(indices):
                rollout, states[task], found[task] = self._roll(task, step, indices)
                held[task] = Held(first, [aged(example) for example in found[task]])
                told.append(rollout)
            else:
                found[task] = before.examples
        self._signs = []
        for one in told:
            states[one.task], signs = dealt_with(one.task, self._plans[one.task], states[one.task])
            self._signs += signs
        self._held, self._states, self._told = held, states, told
        return found

    def told(self) -> Sequence[Rollout]:
        """See `Acting`."""
        return self._told

    def signs(self) -> Sequence[Sign]:
        """See `Acting`."""
        return self._signs

    @property
    def window(self) -> int:
        """See `Acting`."""
        guards = (plan.settings.guard for plan in self._plans.values())
        return max((guard.window for guard in guards if guard is not None), default=1)

    def last_look(self) -> Sequence[Sign]:
        """See `Acting`."""
        each = (last_look(task, plan, self._states[task]) for task, plan in self._plans.items())
        return [sign for signs in each for sign in signs]

    def look(self, step: int, last: bool) -> Look | None:
        """See `Acting`. Where one task is looked at, all are."""
        seen = {task: plan for task, plan in self._plans.items() if looks(plan)}
        if not seen:
            return Look((), (), sound=True)
        if step and not last and not any(due(p, self._states[task]) for task, p in seen.items()):
            return None
        told, signs, sound = [], [], True
        for task, plan in seen.items():
            rewards, one = look(self._writer, task, plan, step)
            self._states[task], found, well = looked(task, plan, self._states[task], rewards, last)
            told.append(one)
            signs += found
            sound = sound and well
        return Look(told, signs, sound)

    def watch(self, seen: Watched) -> None:
        """See `Acting`. Gradients that are far too steep are a sign, too."""
        if isinstance(seen, StepRecord) and math.isfinite(seen.grad_norm):
            for task, state in self._states.items():
                self._states[task] = replace(state, norms=(*state.norms, seen.grad_norm))

    def care(self) -> Mapping[str, Care]:
        """See `Acting`."""
        return {task: care_of(state) for task, state in self._states.items()}

    def went_back(self, care: Mapping[str, Care], task: str) -> None:
        """See `Acting`."""
        for name, state in self._states.items():
            self._states[name] = gone_back(state, care[name], name == task)
        self._held, self._told, self._signs = {}, [], []

    def _roll(
        self, task: str, step: int, indices: Sequence[int]
    ) -> tuple[Rollout, Standing, list[Example | None]]:
        plan, state, clock = self._plans[task], self._states[task], _Clock()
        settings = plan.settings
        prompts = [plan.prompts(index) for index in indices]
        repeated = [prompt for prompt in prompts for _ in range(settings.samples)]
        first = self._writer.by_first(lambda: self._written(task, step, repeated, clock))
        answers, raw = self._writer.read(repeated, first.said), np.array(first.rewards)
        bad = unrewarded(answers, raw, first.why)
        before, state = state, counted(task, settings, state, len(raw), bad)
        state, rewards = paid(settings, state, answers, raw)
        rows = [row_of(one) for one in answers]
        group = np.repeat(np.arange(len(prompts)), settings.samples)
        since = time.perf_counter()
        written = self._scored(task, plan, rows, group, rewards, first.theirs)
        clock.spent["passes"] = time.perf_counter() - since
        gap = {} if plan.server is None else plan.server.compared(task, first.theirs, written.old)
        beta = 0.0 if state.penalty is None else state.penalty.beta
        known = chosen(written, lambda number: bool(np.isfinite(rewards[number])))
        found: Lessons = lessons(settings, known, beta)
        away = written.by_answer(written.away)
        told = Rollout(
            step=step + 1,
            task=task,
            means=means(answers, raw, written, beta)
            | gold_means(first.gold)
            | watched_means(first.apart, state.norms)
            | gap,
            samples=sampled(answers, raw, away),
            seconds=clock.spent,
            tokens=tokens_of(answers) | {"scored": self._scored_tokens(settings, answers)},
            unrewarded=bad,
            remark=remark(before, state, bad),
        )
        penalty = state.penalty
        if penalty is not None and len(away):
            penalty = penalty.updated(float(away.mean()), len(away))
        caution = state.caution.with_more(settings.guard, told.means)
        waited = replace(state.looks, waited=state.looks.waited + 1)
        state = replace(state, penalty=penalty, caution=caution, norms=(), looks=waited)
        return told, state, [found.get(number) for number in range(len(prompts))]

    def _written(self, task: str, step: int, prompts: Sequence[Prompt], clock: "_Clock") -> Found:
        """Tokens of an answer to each of the prompts, equal ones adjacent, and their rewards: those
        in training, and the gold ones, if any."""
        plan, count = self._plans[task], self._plans[task].settings.samples
        since = time.perf_counter()
        theirs: list[list[float]] = []
        if plan.server is not None:
            chance = (*self._chance, task, step)
            found = plan.server(task, prompts[::count], count, chance)
            said, theirs = [one.tokens for one in found], [one.logps for one in found]
        else:
            said, theirs = self._writer.drawn(task, step, prompts, plan.settings)
        answers = self._writer.read(prompts, said)
        clock.spent["writing"] = time.perf_counter() - since
        since = time.perf_counter()
        worth = plan.reward(answers)
        rewards = np.where(np.isfinite(worth.rewards), worth.rewards, np.nan)
        gold = [] if plan.gold is None else plan.gold(answers).rewards.tolist()
        clock.spent["rewards"] = time.perf_counter() - since
        apart = [] if worth.apart is None else worth.apart.tolist()
        return Found(said, rewards.tolist(), apart, gold, theirs, dict(worth.why))

    def _scored(
        self,
        task: str,
        plan: Plan,
        rows: Sequence[Encoded],
        group: Int[np.ndarray, " R"],
        rewards: Float[np.ndarray, " R"],
        theirs: Sequence[Sequence[float]],
    ) -> Written:
        """The rows with what the model, its reference and the critic say of each token.

        Where a step takes the ratio to itself, what was said of tokens as they were drawn is
        enough: it is only watched and compared.
        """
        count = plan.settings.samples
        examples = [tuple(rows[n : n + count]) for n in range(0, len(rows), count)]
        same = isinstance(plan.settings, policy.Rloo | policy.Grpo | policy.Ppo)
        asked, kept, drawn = self._asked, None, examples
        if same:  # what is trained is the distribution that was drawn from
            asked = replace(asked, temperature=plan.settings.temperature)
        if same and plan.settings.top_p < 1:
            kept = token_nuclei(asked, task, examples, plan.settings.top_p)
            rows_ = [drawn_from(*one) for one in zip(rows, kept, strict=True)]
            drawn = [tuple(rows_[n : n + count]) for n in range(0, len(rows_), count)]
        once = policy.learnt_once(plan.settings) and plan.server is None
        old = [np.array(one) for one in theirs] if once else token_logps(asked, task, drawn, _quiet)
        with self._teacher.speaking():
            reference = token_logps(asked, task, examples, _quiet)
        critic = isinstance(plan.settings, policy.Ppo)
        values = token_values(asked, task, examples) if critic else None
        return Written(
            rows=rows,
            group=group,
            rewards=rewards,
            old=_flat(old),
            reference=_flat(reference),
            values=None if values is None else _flat(values),
            fresh=(_APART if once else _ROUNDING).get(asked.model.precision, _COARSE),
            kept=kept,
        )

    def _scored_tokens(self, settings: policy.Acting, answers: Sequence[Answer]) -> int:
        """Tokens of the passes over answers: of the model, its reference, and maybe its critic and
        what was likeliest."""
        return scored_tokens(answers, self._asked.share_prompts, policy.passes_of(settings))

    def state_dict(self) -> dict[str, Any]:
        """What is carried along, by task."""
        return {task: state.state_dict() for task, state in self._states.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The answers of tasks whose later steps learn from them again."""
        again = {t: h for t, h in self._held.items() if self._plans[t].epochs > 1}
        return held_tensors(again)

    def load(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go back to where `state_dict` and `tensors` were told."""
        self._states = {task: self._plans[task].standing(body) for task, body in state.items()}
        self._held = read_held(tensors)
        self._told = []


class _Clock:
    def __init__(self) -> None:
        self.spent: dict[str, float] = {}


def _flat(rows: Sequence[Float[np.ndarray, " _"]]) -> Float[np.ndarray, " N"]:
    return np.concatenate([np.zeros(0), *rows])


def _quiet(done: int, total: int) -> None:
    del done, total
