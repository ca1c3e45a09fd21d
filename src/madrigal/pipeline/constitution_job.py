"""Everything that `madrigal constitution` needs, read and found right before anything is asked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from madrigal.errors import DataError, UserMistake
from madrigal.experience.cached import FILE
from madrigal.experience.constitution import choosing, read_constitution, revising, tagged
from madrigal.experience.generator import Generator
from madrigal.experience.revising import Prompt
from madrigal.pipeline.generators import generator_of
from madrigal.pipeline.prompts import helpful_of, prompts_of
from madrigal.recipe.constitution import ConstitutionSettings
from madrigal.recipe.generator import GeneratorSettings, RulesGenerator
from madrigal.recipe.read import read_settings
from madrigal.recipe.revision import RevisionSettings
from madrigal.tasks.record import Record

REVISIONS, PREFERENCES, LEDGER = "revisions.jsonl", "preferences.jsonl", "ledger.jsonl"
SUMMARY, CARD = "summary.json", "card.html"
ROLES = ("generator", "critic", "judge")
_OWN = {REVISIONS, PREFERENCES, LEDGER, SUMMARY, CARD, FILE, ".lock"}


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of whom."""

    settings: RevisionSettings
    constitution: ConstitutionSettings
    prompts: Sequence[Prompt]
    helpful: Sequence[Record]
    roles: Mapping[str, GeneratorSettings]
    generators: Mapping[str, Generator]  # by role; one that has several stands there several times


def ready(path: Path, out: Path) -> Job:
    """Read all that a file of settings names.

    Raises:
        UserMistake: with every mistake of the settings, the constitution, the data and the
            generators, and where `out` holds something else.
    """
    settings = read_settings(path, RevisionSettings)
    root, mistakes = path.parent, [*_foreign(out)]
    prompts: dict[str, Prompt] = {}
    for number, one in enumerate(settings.prompts):
        with _collected(mistakes, path):
            found = prompts_of(one, root, f"prompts[{number}]", settings.seed)
            prompts = {prompt.key: prompt for prompt in found} | prompts
    helpful: list[Record] = []
    constitution = ConstitutionSettings.model_construct()
    with _collected(mistakes, path):
        if settings.helpful is not None:
            helpful = helpful_of(settings.helpful, root, "helpful")
    with _collected(mistakes, path):
        constitution = _constitution(settings, root)
    roles = roles_of(settings)
    generators: dict[str, Generator] = {}
    with _collected(mistakes, path):
        generators = _generators(roles, root)
    if mistakes:
        raise UserMistake(mistakes)
    return Job(settings, constitution, tuple(prompts.values()), helpful, roles, generators)


def roles_of(settings: RevisionSettings) -> dict[str, GeneratorSettings]:
    """Who does what: the judge is the critic, and the critic the generator, where no other is
    named."""
    critic = settings.critic or settings.generator
    judge = settings.judge or critic
    return dict(zip(ROLES, (settings.generator, critic, judge), strict=True))


def _generators(roles: Mapping[str, GeneratorSettings], root: Path) -> dict[str, Generator]:
    mistakes: list[str] = []
    if isinstance(roles["generator"], RulesGenerator):
        mistakes.append("generator: rules write no first answers; name a run, model or address")
    made: dict[str, Generator] = {}
    for role in roles:
        first = next(known for known in roles if roles[known] == roles[role])
        try:
            if first == role:
                made[role] = generator_of(roles[role], root, role)
            elif first in made:  # the same model is there once
                made[role] = made[first]
        except UserMistake as error:
            mistakes += error.mistakes
    if mistakes:
        raise UserMistake(mistakes)
    return made


def _constitution(settings: RevisionSettings, root: Path) -> ConstitutionSettings:
    found = tagged(read_constitution(settings.constitution, root), settings.tags)
    named = ", ".join(settings.constitution)
    if not revising(found):
        raise DataError(
            f"constitution: no principle of {named} has both `critique` and `revision` and a "
            "weight; write one, or name a second file"
        )
    if not choosing(found):
        raise DataError(
            f"constitution: no principle of {named} has a question in `choose`, which the judge "
            "needs; write one, or name a second file with questions"
        )
    return found


@contextmanager
def _collected(mistakes: list[str], path: Path) -> Iterator[None]:
    """Mistakes are gathered, each with the file whose settings led to it."""
    try:
        yield
    except UserMistake as error:
        mistakes += [f"{path}: {text}" for text in error.mistakes]


def _foreign(out: Path) -> Iterator[str]:
    if out.exists() and not out.is_dir():
        yield f"--out {out}: is a file; name a folder"
    elif out.is_dir():
        other = min((one.name for one in out.iterdir() if one.name not in _OWN), default=None)
        if other is not None:
            yield f"--out {out}: holds {other!r}, which is not of a constitution; name another"
