"""Training records in a generator's words: whose, asked how, and what is kept of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from madrigal.errors import DataError, RecipeError, UserMistake
from madrigal.experience.cached import FILE, Cached, Kept
from madrigal.experience.generator import Generator
from madrigal.experience.rewriting import (
    KEPT,
    PARAPHRASE,
    TRANSLATE,
    Bounds,
    Written,
    fate,
    rewritten,
    same,
)
from madrigal.experience.usage import Counted
from madrigal.pipeline.constitution import Shown
from madrigal.pipeline.folder import locked
from madrigal.pipeline.generators import generator_of, price_of, sampling_of, title_of
from madrigal.pipeline.watch import Screen
from madrigal.recipe.generator import RulesGenerator
from madrigal.recipe.load import load_recipe
from madrigal.recipe.read import read_settings
from madrigal.recipe.rewriting import RewritingSettings
from madrigal.tasks.augment import own_texts
from madrigal.tasks.convert import write_jsonl
from madrigal.tasks.load import load_tasks
from madrigal.tasks.record import Record
from madrigal.tasks.rewritten import row_of
from madrigal.tasks.split import position
from madrigal.tasks.task import Task
from madrigal.training.files import write_whole

WRITTEN, LEDGER, SUMMARY = "written.jsonl", "ledger.jsonl", "summary.json"
_OWN = {WRITTEN, LEDGER, SUMMARY, FILE, ".lock"}
_FEWEST = 3  # words of a text that is said otherwise


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of whom: records, drawn by the seed, and the texts of each."""

    settings: RewritingSettings
    root: Path  # the recipe's folder
    task: Task
    texts: Sequence[tuple[Record, Sequence[str]]]
    generator: Generator


def ready(path: Path, out: Path) -> Job:
    """Read all that a file of settings names.

    Raises:
        UserMistake: with every mistake of the settings, the recipe's data and the generator, and
            where `out` holds something else.
    """
    settings = read_settings(path, RewritingSettings)
    mistakes = [*_asked_wrongly(settings), *_foreign(out)]
    if isinstance(settings.generator, RulesGenerator):
        mistakes.append("generator: rules write no texts; name a run, model or address")
    generator = None
    try:
        generator = generator_of(settings.generator, path.parent, "generator")
    except UserMistake as error:
        mistakes += error.mistakes
    if mistakes or generator is None:
        raise RecipeError(f"{path}: {one}" for one in mistakes)
    recipe = path.parent / settings.recipe
    task = _task(settings, path, recipe)
    return Job(settings, recipe.parent, task, _drawn(settings, task, path), generator)


def _asked_wrongly(settings: RewritingSettings) -> list[str]:
    if settings.ask is None:
        return []
    needed = ["{text}", *(["{language}"] if settings.through else [])]
    missing = [name for name in needed if name not in settings.ask]
    return (
        [f"ask: has no {missing[0]} in it, so it says nothing of it; write it"] if missing else []
    )


def _foreign(out: Path) -> list[str]:
    if out.exists() and not out.is_dir():
        return [f"--out {out}: is a file; name a folder"]
    other = min((one.name for one in out.glob("*") if one.name not in _OWN), default=None)
    return (
        [f"--out {out}: holds {other!r}, which is not of `augment`; name another"] if other else []
    )


def _task(settings: RewritingSettings, path: Path, recipe: Path) -> Task:
    """The task as its recipe trains it, without what is made from its records."""
    loaded = load_recipe(recipe)
    tasks = {
        name: one.model_copy(update={"augment": None}) for name, one in loaded.recipe.tasks.items()
    }
    found = load_tasks(loaded.recipe.model_copy(update={"tasks": tasks}), loaded.root)
    task = found.get(settings.task)
    if task is None:
        named = ", ".join(found)
        raise RecipeError(f"{path}: task: no task is called {settings.task!r}; there are {named}")
    if not task.answered:
        raise DataError(
            f"{path}: task: {settings.task!r} has no prompts with answers of its own, which alone "
            "can be said in other words"
        )
    return task


def _drawn(
    settings: RewritingSettings, task: Task, path: Path
) -> list[tuple[Record, Sequence[str]]]:
    """A share of the training records, of those with texts of their own."""
    records = task.splits["train"]
    order = sorted(
        records, key=lambda one: (position(settings.seed, "rewrite", one.key), one.where)
    )
    wanted = max(1, round(settings.share * len(records)))
    found: list[tuple[Record, Sequence[str]]] = []
    for record in order:
        texts = [one for one in own_texts(record) if len(one.split()) >= _FEWEST]
        if texts:
            found.append((record, texts))
        if len(found) == wanted:
            return found
    if not found:
        raise DataError(
            f"{path}: task: no training record of {task.name!r} has a text of {_FEWEST} words and "
            "more of its own in its prompt"
        )
    return found


def work(job: Job, out: Path, screen: Screen) -> Mapping[str, Any]:
    """Ask whatever is not kept yet, and write all files; returns the summary.

    Nothing in the files depends on when or in how many goes the answers came.

    Raises:
        RunStopped: the generator cannot go on; what was answered is kept.
    """
    settings = job.settings
    with locked(out):
        asking = Counted(
            Shown(Cached(job.generator, Kept(out)), "generator", screen),
            price_of(settings.generator),
        )
        ways = [_way(settings, record) for record, _ in job.texts]
        flat = [(k, text) for k, (_, texts) in enumerate(job.texts) for text in texts]
        said = rewritten(
            [text for _, text in flat],
            [ways[k][1] for k, _ in flat],
            asking,
            sampling_of(settings.generator),
            settings.seed,
        )
        by_record: dict[int, list[Written]] = {}
        for (k, _), one in zip(flat, said, strict=True):
            by_record.setdefault(k, []).append(one)
        ledger = _ledger(job, [name for name, _ in ways], by_record)
        kept = [row["row"] for row in ledger if row["why"] == KEPT]
        write_jsonl(kept, out / WRITTEN)
        write_jsonl(({k: v for k, v in row.items() if k != "row"} for row in ledger), out / LEDGER)
        summary = {
            "version": 1,
            "task": job.task.name,
            "seed": settings.seed,
            "generator": title_of(settings.generator),
            "records": len(job.task.splits["train"]),
            "asked": len(job.texts),
            "fates": dict(Counter(row["why"] for row in ledger).most_common()),
            "usage": {purpose: asdict(usage) for purpose, usage in asking.usage.items()},
        }
        write_whole(out / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        return summary


def _way(settings: RewritingSettings, record: Record) -> tuple[str, list[str]]:
    """How a record is said otherwise, and what is asked one after another."""
    if not settings.through:
        return "paraphrase", [settings.ask or PARAPHRASE]
    place = position(settings.seed, "language", record.key)
    through = settings.through[int(place * len(settings.through))]
    ask = settings.ask or TRANSLATE
    return f"way of {through}", [
        ask.replace("{language}", one) for one in (through, settings.language)
    ]


def _ledger(
    job: Job, names: Sequence[str], said: Mapping[int, Sequence[Written]]
) -> list[dict[str, Any]]:
    """What became of each record: kept only where each of its texts is."""
    keep = job.settings.keep
    bounds = Bounds(keep.shortest, keep.longest, keep.numbers)
    known = {
        same(text)
        for records in job.task.splits.values()
        for record in records
        if record.turns
        for text in own_texts(record)
    }
    rows = []
    for k, (record, texts) in enumerate(job.texts):
        labels = record.choices or (record.answers if len(job.task.labels) else ())
        fates = [
            fate(text, one, bounds, labels, known) for text, one in zip(texts, said[k], strict=True)
        ]
        why = next((one for one in fates if one != KEPT), KEPT)
        if why == KEPT:
            known |= {same(one.text) for one in said[k]}
        pairs = [(text, one.text) for text, one in zip(texts, said[k], strict=True)]
        row = row_of(record, names[k], pairs)
        rows.append({**row, "why": why, "row": row})
    return rows
