"""From prompts and principles to data: answer, criticise, revise, judge, keep, write."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from madrigal.experience.cached import Cached, Kept
from madrigal.experience.generator import Asked, Generator, Heard, Said, unheard
from madrigal.experience.keeping import Rules, fates
from madrigal.experience.made import HELPFUL, ledger_row, mixed, preferences, revisions, unchanged
from madrigal.experience.outcome import outcome
from madrigal.experience.revising import Plan, Roles, Trial, tried
from madrigal.experience.usage import Counted
from madrigal.pipeline.constitution_job import LEDGER, PREFERENCES, REVISIONS, SUMMARY, Job
from madrigal.pipeline.folder import locked
from madrigal.pipeline.generators import lists, price_of, sampling_of, title_of
from madrigal.pipeline.prompts import fine
from madrigal.pipeline.watch import Screen
from madrigal.tasks.canonical import canonical
from madrigal.tasks.convert import write_jsonl
from madrigal.tasks.record import Record
from madrigal.training.files import write_whole


class Shown:
    """A generator that is watched on the screen while it answers."""

    def __init__(self, generator: Generator, role: str, screen: Screen) -> None:
        self._generator, self._role, self._screen = generator, role, screen

    @property
    def name(self) -> str:
        return self._generator.name

    @property
    def block(self) -> int:
        return self._generator.block

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request."""
        if not asked:
            return []
        done = 0
        with self._screen.bar(f"{self._role}: {asked[0].purpose}", len(asked)) as (moved, _):

            def told(place: int, said: Said) -> None:
                nonlocal done
                done += 1
                moved(done, len(asked))
                heard(place, said)

            return self._generator.answer(asked, told)


def work(job: Job, out: Path, screen: Screen) -> Mapping[str, Any]:
    """Ask whatever is not kept yet, decide, and write all files; returns the summary.

    Nothing in the files depends on when or in how many goes the answers came.

    Raises:
        RunStopped: a generator cannot go on; what was answered is kept.
    """
    with locked(out):
        kept = Kept(out)
        asking = {
            role: Counted(Shown(Cached(one, kept), role, screen), price_of(job.roles[role]))
            for role, one in job.generators.items()
        }
        trials, harmless = _tried(job, asking)
        return _written(job, out, trials, harmless, asking)


def _tried(job: Job, asking: Mapping[str, Counted]) -> tuple[list[Trial], list[Trial]]:
    """What became of the prompts, and of the bundled ones that nothing is wrong with."""
    settings = job.settings
    roles = Roles(
        generator=asking["generator"],
        critic=asking["critic"],
        judge=asking["judge"],
        first=sampling_of(job.roles["generator"]),
        revised=sampling_of(job.roles["critic"]),
        listed=lists(job.roles["judge"]),
    )
    plan = Plan(
        rounds=settings.rounds,
        votes=settings.votes,
        revisions=settings.keep.judge or settings.pairs != "sampled",
        samples=settings.pairs != "revision",
        seed=settings.seed,
    )
    own = {prompt.key for prompt in job.prompts}
    more = [one for one in fine() if one.key not in own] if settings.over_refusal else []
    whole = tried([*job.prompts, *more], job.constitution, roles, plan)
    return whole[: len(job.prompts)], whole[len(job.prompts) :]


def _written(
    job: Job,
    out: Path,
    trials: Sequence[Trial],
    harmless: Sequence[Trial],
    asking: Mapping[str, Counted],
) -> Mapping[str, Any]:
    settings = job.settings
    keep = settings.keep
    fate = fates(trials, Rules(keep.judge, keep.on_topic, keep.refusals, settings.seed))
    share = settings.helpful.share if settings.helpful is not None else 0.0
    revised = revisions(trials, fate)
    fine_already = unchanged(trials, fate, round(keep.unchanged * len(revised)), settings.seed)
    supervised = mixed([*revised, *fine_already], job.helpful, share, settings.seed)
    judged = preferences(trials, title_of(job.roles["judge"]))
    write_jsonl(map(canonical, supervised), out / REVISIONS)
    write_jsonl(map(canonical, judged), out / PREFERENCES)
    rows = (ledger_row(*one) for one in zip(trials, fate, strict=True))
    write_jsonl(rows, out / LEDGER)
    helpful = sum(one.fields.get("source") == HELPFUL for one in supervised)
    summary = {
        "version": 1,
        "name": settings.name,
        "seed": settings.seed,
        "rounds": settings.rounds,
        "constitution": {
            "name": job.constitution.name,
            "version": job.constitution.version,
            "principles": len(job.constitution.principles),
        },
        "roles": {role: title_of(one) for role, one in job.roles.items()},
        **outcome(trials, fate, harmless),
        "files": {
            REVISIONS: {
                "rows": len(supervised),
                "unchanged": len(fine_already),
                "helpful": helpful,
                "asked_share": share,
            },
            PREFERENCES: {"rows": len(judged), **_soft(judged)},
        },
        "usage": {
            role: {purpose: asdict(usage) for purpose, usage in sorted(one.usage.items())}
            for role, one in asking.items()
        },
    }
    write_whole(out / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary


def _soft(judged: Sequence[Record]) -> dict[str, int]:
    """How many labels are a half because the verdict turned with the order."""
    said = [one.feedback.judgements for one in judged if one.feedback is not None]
    return {"half": sum(any(j.chance is None for j in some) for some in said)}
