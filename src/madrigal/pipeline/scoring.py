"""Evaluate models on tasks, and keep every prediction."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.filtered import through
from madrigal.evaluation.metrics import value
from madrigal.evaluation.prediction import Prediction, write_predictions
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.watch import Screen
from madrigal.training.lockstep import by_first
from madrigal.training.processes import Processes


@dataclass(frozen=True, slots=True)
class Scorer:
    """Evaluates on test records and writes predictions, each file whole and only once."""

    built: Built
    folder: RunFolder
    screen: Screen
    processes: Processes

    def missing(self, label: str, tasks: Sequence[str]) -> list[str]:
        """Tasks that have no predictions under this label yet."""
        return [task for task in tasks if not self.folder.predictions(label, task).exists()]

    def score(self, label: str, title: str, model: LanguageModel, tasks: Sequence[str]) -> None:
        """Evaluate what is missing of `tasks`; the first process works and the others wait."""
        by_first(self.processes, model, lambda: self._score_missing(label, title, model, tasks))
        self.processes.wait()

    def _score_missing(
        self, label: str, title: str, model: LanguageModel, tasks: Sequence[str]
    ) -> None:
        todo = self.missing(label, tasks)
        if todo:
            self._score(label, title, model, todo)

    def _score(self, label: str, title: str, model: LanguageModel, tasks: Sequence[str]) -> None:
        built = self.built
        sizes = {name: len(built.tasks[name].splits["test"]) for name in tasks}
        shots = built.recipe.evaluate.few_shot if label == "few-shot" else 0
        before = 0
        with self.screen.bar(title, sum(sizes.values())) as (moved, remark):
            for name in tasks:
                remark(name)
                done_before = before
                rows = evaluate_task(
                    model,
                    built.coder,
                    built.tasks[name],
                    built.tasks[name].splits["test"],
                    batch_tokens=built.recipe.evaluate.batch_tokens,
                    on_progress=lambda done, _, base=done_before: moved(
                        base + done, sum(sizes.values())
                    ),
                    few_shot=shots,
                    seed=built.recipe.seed,
                )
                rows = self.seen(rows, built.tasks[name].metric)
                self._write(self.folder.predictions(label, name), rows)
                before += sizes[name]
                moved(before, sum(sizes.values()))

    def seen(self, rows: list[Prediction], metric: str) -> list[Prediction]:
        """The rows as people get them, where the recipe has a filter."""
        guard = self.built.guard
        return rows if guard is None else through(guard, rows, metric)

    def _write(self, path: Path, rows: Sequence[Prediction]) -> None:
        write_predictions(path, rows)


def validation_rows(
    built: Built, model: LanguageModel, tasks: Sequence[str]
) -> dict[str, list[Prediction]]:
    """What the model makes of the validation records of each task."""
    tokens = built.recipe.evaluate.batch_tokens
    held = {name: built.tasks[name] for name in tasks}
    return {
        name: evaluate_task(
            model, built.coder, task, task.splits["validation"], batch_tokens=tokens
        )
        for name, task in held.items()
    }


def validation_scores(
    built: Built,
    model: LanguageModel,
    tasks: Sequence[str],
    note: Callable[[Mapping[str, Sequence[Prediction]]], None] | None = None,
) -> Mapping[str, float]:
    """Score of each task on its validation records, in [0, 1], higher is better.

    A metric where lower is better (perplexity) enters as its inverse, which is in [0, 1] too.
    `note` is told what the scores were made from.
    """
    found = validation_rows(built, model, tasks)
    if note is not None:
        note(found)
    scores = {}
    for name, rows in found.items():
        metric = built.tasks[name].metric
        score = value(rows, metric)
        scores[name] = 1 / score if metric == "perplexity" and score > 0 else score
    assert all(math.isfinite(score) for score in scores.values())
    return scores
