"""Critique, revision, verdict: what becomes of each prompt under a constitution."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from madrigal.experience.choosing import Both
from madrigal.experience.constitution import choosing, principle_for, revising
from madrigal.experience.dialogue import critique_turns, first_turns, revision_turns
from madrigal.experience.generator import Asked, Sampling
from madrigal.experience.verdicts import Ask, Pair, judged
from madrigal.mixture.chance import bits
from madrigal.recipe.constitution import ConstitutionSettings, PrincipleSettings
from madrigal.tasks.record import Turn


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with what the user says; `where` is for messages.

    To a `benign` prompt a refusal is no good answer.
    """

    turns: tuple[Turn, ...]
    benign: bool = False
    where: str = ""

    @property
    def key(self) -> str:
        """Sixteen hex digits of what is said."""
        said = json.dumps([[turn.role, turn.text] for turn in self.turns], ensure_ascii=False)
        return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Round:
    """One critique and the revision that followed it."""

    principle: str
    critique: str
    revision: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What was said to a prompt and made of it.

    `both` is the verdict on first answer and last revision, by the question of `judged_by`; None
    where they are the same. `sampled` is a second answer of the generator, where one was asked for,
    and `sampled_both` the verdict on the first answer and it.
    """

    prompt: Prompt
    answer: str
    rounds: tuple[Round, ...] = ()
    judged_by: str = ""
    both: Both | None = None
    sampled: str | None = None
    sampled_both: Both | None = None

    @property
    def revision(self) -> str:
        """The last one."""
        return self.rounds[-1].revision if self.rounds else self.answer


@dataclass(frozen=True, slots=True)
class Roles:
    """Who writes, who criticises and revises, who judges, and how their texts are drawn."""

    generator: Ask
    critic: Ask
    judge: Ask
    first: Sampling = field(default_factory=Sampling)
    revised: Sampling = field(default_factory=Sampling)
    listed: bool = True  # the judge is asked for log-probabilities


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done: how many rounds, how the judge is asked, and all chance."""

    rounds: int = 1
    votes: int = 1
    revisions: bool = True  # first answer and revision are judged
    samples: bool = False  # two drawn answers are judged
    seed: int = 0


def tried(
    prompts: Sequence[Prompt],
    constitution: ConstitutionSettings,
    roles: Roles,
    plan: Plan,
) -> list[Trial]:
    """Every prompt answered, criticised, revised and judged.

    Constitutional AI (Bai et al., 2022, arXiv 2212.08073): the generator answers, then in each
    round a principle is drawn, the critic says what is wrong by it, and revises. The judge compares
    first answer and last revision by a drawn principle's question, in both orders.

    All chance follows from the plan's seed and the prompt, so neither order nor number of the
    prompts changes what becomes of one.

    Differs from the paper: revisions are judged before they are trained on, since small critics
    often make things worse; principles are drawn without repeats; a verdict is asked for in both
    orders, and one that turns with the order is a half.
    """
    said = roles.generator([_first(one, constitution, roles, plan, 0) for one in prompts])
    trials = [Trial(p, one.text) for p, one in zip(prompts, said, strict=True)]
    drawn = [principle_for(revising(constitution), plan.rounds, plan.seed, p.key) for p in prompts]
    for number in range(plan.rounds):
        rules = [some[number] for some in drawn]
        trials = _round(trials, rules, constitution, roles, plan)
    if plan.samples:
        said = roles.generator([_first(one, constitution, roles, plan, 1) for one in prompts])
        trials = [replace(t, sampled=one.text) for t, one in zip(trials, said, strict=True)]
    return _judged(trials, constitution, roles, plan)


def _first(
    prompt: Prompt, constitution: ConstitutionSettings, roles: Roles, plan: Plan, number: int
) -> Asked:
    turns = first_turns(prompt.turns, constitution.system)
    return Asked(turns, roles.first, _chance(plan, prompt, "answer", number))


def _chance(plan: Plan, prompt: Prompt, what: str, number: int) -> int:
    return int(bits(1, what, plan.seed, prompt.key, number)[0] >> 33)


def _round(
    trials: Sequence[Trial],
    rules: Sequence[PrincipleSettings],
    constitution: ConstitutionSettings,
    roles: Roles,
    plan: Plan,
) -> list[Trial]:
    number = len(trials[0].rounds) if trials else 0
    asked = [
        Asked(
            critique_turns(one.prompt.turns, one.revision, rule, constitution),
            roles.revised,
            _chance(plan, one.prompt, "critique", number),
            purpose="critique",
        )
        for one, rule in zip(trials, rules, strict=True)
    ]
    critiques = [said.text for said in roles.critic(asked)]
    again = [
        Asked(
            revision_turns(one.turns, critique, rule),
            roles.revised,
            _chance(plan, trial.prompt, "revise", number),
            purpose="revise",
        )
        for one, critique, rule, trial in zip(asked, critiques, rules, trials, strict=True)
    ]
    said = roles.critic(again)
    return [
        replace(trial, rounds=(*trial.rounds, Round(rule.id, critique, one.text)))
        for trial, rule, critique, one in zip(trials, rules, critiques, said, strict=True)
    ]


def _judged(
    trials: Sequence[Trial], constitution: ConstitutionSettings, roles: Roles, plan: Plan
) -> list[Trial]:
    rules = choosing(constitution)
    drawn = [principle_for(rules, 1, plan.seed, "verdict", one.prompt.key)[0] for one in trials]
    found = [replace(one, judged_by=rule.id) for one, rule in zip(trials, drawn, strict=True)]
    questions = {rule.id: rule.choose for rule in rules}

    def ask(places: list[int], others: list[str]) -> dict[int, Both]:
        pairs = [
            Pair(one.prompt.turns, one.answer, other, questions[one.judged_by])
            for one, other in zip((found[place] for place in places), others, strict=True)
        ]
        told = judged(roles.judge, pairs, plan.votes, roles.listed, plan.seed)
        return dict(zip(places, told, strict=True))

    places = [n for n, one in enumerate(found) if plan.revisions and differs(one)]
    for place, both in ask(places, [found[n].revision for n in places]).items():
        found[place] = replace(found[place], both=both)
    places = [n for n, one in enumerate(found) if one.sampled not in (None, one.answer)]
    for place, both in ask(places, [found[n].sampled or "" for n in places]).items():
        found[place] = replace(found[place], sampled_both=both)
    return found


def differs(trial: Trial) -> bool:
    """Whether both say anything, and the revision something else than the first answer."""
    one, other = _plain(trial.answer), _plain(trial.revision)
    return bool(one and other) and one != other


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
