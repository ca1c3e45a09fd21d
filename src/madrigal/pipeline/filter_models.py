"""Rules of a filter that ask a model: a task that a run learnt, or a judge with two words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madrigal.audit.filter_settings import Classifier, Judge, Side
from madrigal.audit.verdict import Finding
from madrigal.errors import DataError, ModelError
from madrigal.evaluation.evaluate import evaluate_task, still
from madrigal.evaluation.rank import rank, told_apart
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.trained import find_trained, load_trained
from madrigal.recipe.model import FullAdapter, ModelSettings
from madrigal.recipe.suggest import did_you_mean
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.encode import Coder
from madrigal.tasks.formats.classification import CLASSIFICATION
from madrigal.tasks.labels import Labels
from madrigal.tasks.prepare import prepare
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.row import Row
from madrigal.tasks.sources import with_bundled_settings
from madrigal.tasks.task import Task
from madrigal.tasks.template import fill

_BATCH = 8192  # padded tokens


@dataclass(frozen=True, slots=True)
class ClassifierRule:
    """P(harm) = sum of the probabilities of the harmful labels, each label's by its likelihood
    after the task's own prompt, over those of all labels."""

    name: str
    on: tuple[Side, ...]
    blocks: bool
    model: LanguageModel
    coder: Coder
    task: Task
    settings: TaskSettings
    harmful: tuple[str, ...]
    field: str
    threshold: float

    def look(self, texts: Sequence[str], prompts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """The probability of harm of each text; a text without a letter has none."""
        del prompts
        asked = [place for place, text in enumerate(texts) if text.strip()]
        records = [self._record(texts[place]) for place in asked]
        rows = evaluate_task(self.model, self.coder, self.task, records, _BATCH)
        found: list[tuple[Finding, ...]] = [()] * len(texts)
        for place, row in zip(asked, rows, strict=True):
            assert row.choices is not None
            assert row.lengths is not None
            sizes = {"none": lambda _: 1, "tokens": lambda n: n[0], "bytes": lambda n: n[1]}
            size = sizes[self.task.normalise_choices]
            totals = {w: t / max(1, size(row.lengths[w])) for w, t in row.choices.items()}
            found[place] = _found(self, _share(totals, self.harmful), texts[place])
        return found

    def _record(self, text: str) -> Record:
        """The text as the task would have it, with any label: it is not read."""
        words = self.task.labels
        values = {self.field: text, "label": words[0]}
        (draft,) = CLASSIFICATION.drafts(Row("text", "text", values), self.settings.instruction)
        return prepare(draft, self.settings, Labels({word: word for word in words}, words))


@dataclass(frozen=True, slots=True)
class JudgeRule:
    """P(harm) = p(unsafe) / (p(safe) + p(unsafe)), of the verdict words after the prompt.

    The words' probabilities are read off, nothing is generated: a reply that begins with something
    else is no verdict (Llama Guard; Inan et al., 2023).
    """

    name: str
    on: tuple[Side, ...]
    blocks: bool
    model: LanguageModel
    coder: Coder
    prompt: str | None
    safe: str
    unsafe: str
    threshold: float

    def look(self, texts: Sequence[str], prompts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """The probability of harm of each text."""
        records = [self._record(*pair) for pair in zip(texts, prompts, strict=True)]
        asked = [self.coder.prompt(record, room=8) for record in records]
        words = [[self.coder.answer(r, word) for word in (self.safe, self.unsafe)] for r in records]
        answers = [told_apart(pair, self.coder.end) for pair in words]
        with still(self.model):
            totals = rank(self.model, asked, answers, _BATCH)
        found = []
        for text, (safe, unsafe) in zip(texts, totals, strict=True):
            if not np.isfinite(safe + unsafe):
                raise ModelError(f"rule {self.name!r}: its model's verdict is not finite")
            share = _share({"safe": float(safe), "unsafe": float(unsafe)}, ("unsafe",))
            found.append(_found(self, share, text))
        return found

    def _record(self, text: str, prompt: str) -> Record:
        if self.prompt is not None:
            asked = fill(self.prompt, {"text": text, "prompt": prompt})
            return Record("text", turns=(Turn("user", asked),))
        turns = (Turn("user", prompt), Turn("assistant", text, trained=False))
        return Record("text", turns=turns if prompt else (Turn("user", text),))


def _share(totals: dict[str, float], harmful: Sequence[str]) -> float:
    """The share of some words in the probability of all, from log-likelihoods."""
    values = np.array(list(totals.values()))
    weights = np.exp(values - values.max())
    own = np.array([word in harmful for word in totals])
    return float(weights[own].sum() / weights.sum())


def _found(rule: ClassifierRule | JudgeRule, share: float, text: str) -> tuple[Finding, ...]:
    there = share >= rule.threshold
    return (Finding(rule.name, share, there, rule.blocks, 0, len(text), text),)


def classifier(settings: Classifier, root: Path) -> ClassifierRule:
    """The rule, with its model loaded.

    Raises:
        RunFolderError, DataError: no such run or task, or one that is no classification of a text.
    """
    run = root / settings.run
    trained = find_trained(run, settings.stage, settings.task)
    told = with_bundled_settings(settings.task, trained.recipe.tasks[settings.task])
    words, shape = _labels(run, settings.task, told)
    if shape != "classification" or len(words) < 2:
        raise DataError(
            f"{run}: task {settings.task!r} is no classification of a text ({shape or 'unknown'}); "
            "name one with labels"
        )
    for label in settings.labels:
        if label not in words:
            hint = did_you_mean(label, words, "labels")
            raise DataError(f"{run}: task {settings.task!r} has no label {label!r}{hint}")
    if set(settings.labels) == set(words):
        raise DataError(f"{run}: all labels of {settings.task!r} are named; one must be harmless")
    task = Task(
        settings.task,
        "choice",
        "accuracy",
        {"train": (), "validation": (), "test": ()},
        words,
        normalise_choices=told.normalise_choices,
    )
    model, coder = load_trained(trained)
    common = (settings.name, settings.on, settings.action == "block", model, coder)
    rule = ClassifierRule(*common, task, told, settings.labels, settings.field, settings.threshold)
    rule.look(["a text"], [""])  # a prompt that names other fields is told now
    return rule


def _labels(run: Path, task: str, told: TaskSettings) -> tuple[tuple[str, ...], str]:
    """The words of a task's labels and its format, as the run's data card has them."""
    try:
        card: Any = json.loads((run / "data" / f"{task}.json").read_text(encoding="utf-8"))
        counted = card["labels"]
        found = {word for split in counted.values() for word in split}
        shape = str(card["format"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found, shape = set(), ""
    if isinstance(told.labels, dict):
        return tuple(dict.fromkeys(told.labels.values())), shape
    return tuple(told.labels or sorted(found)), shape


def judge(settings: Judge, root: Path) -> JudgeRule:
    """The rule, with its model loaded.

    Raises:
        RunFolderError, ModelError: there is no such model, or no prompt and no chat template.
    """
    model, coder = _judging(settings, root)
    if settings.prompt is None and not coder.templated:
        raise ModelError(
            f"{settings.model}: has no chat template to ask it with; give the rule a `prompt` with "
            "{text}"
        )
    common = (settings.name, settings.on, settings.action == "block", model, coder)
    return JudgeRule(*common, settings.prompt, settings.safe, settings.unsafe, settings.threshold)


def _judging(settings: Judge, root: Path) -> tuple[LanguageModel, Coder]:
    run = root / settings.model
    if (run / "recipe.yaml").is_file():
        return load_trained(find_trained(run))
    from madrigal.model.base import load_tokenizer, model_context
    from madrigal.model.load import load_model

    plain = ModelSettings(base=settings.model, adapter=FullAdapter(), chat_template=True)
    tokenizer = load_tokenizer(plain, root)
    model = load_model(plain, root, 0, tokenizer)
    model.network.eval()
    return model, Coder(tokenizer, model_context(plain, root), settings.prompt is None)
