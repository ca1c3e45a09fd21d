"""Measure the alignment tax of a finished stage, at points on the way through it."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.row_files import write_rows
from madrigal.evaluation.tax import Seen, tax
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built, build
from madrigal.pipeline.folder import RunFolder, locked, recipe_of, stage_labels
from madrigal.pipeline.own_words import Judge, as_rows, judges, prompts_of, read_said, said, worth
from madrigal.pipeline.scoring import Scorer
from madrigal.pipeline.taxed import FOUND, TAX, own_tasks, taxed
from madrigal.pipeline.trained import Trained, load_trained
from madrigal.pipeline.watch import Screen
from madrigal.pipeline.way import Way, find_way, point
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean
from madrigal.training.processes import Processes

POINTS = (0.0, 0.25, 0.5, 0.75, 1.0)
VERSION = 1


@dataclass(frozen=True, slots=True)
class Asking:
    """What is to be measured: points between 0 and 1, and reward models of other runs by task."""

    stage: str | None = None
    points: tuple[float, ...] = POINTS
    judges: tuple[tuple[str, Path], ...] = ()
    prompts: int = 200


@dataclass(frozen=True, slots=True)
class _Work:
    built: Built
    run: Path
    label: str
    stage: StageSettings
    folder: RunFolder  # of the stage's tax
    scorer: Scorer
    judges: Mapping[str, Mapping[str, Judge]]
    prompts: int
    before: dict[tuple[Path | None, Path], LanguageModel] = field(default_factory=dict)

    @property
    def watched(self) -> list[str]:
        """Tasks that are scored, and have what they can be scored on."""
        tasks = self.built.tasks
        return [task for task in self.built.recipe.watched() if tasks[task].splits["test"]]


def measure_tax(run: Path, asking: Asking, screen: Screen) -> Path:
    """Measure what is missing and write tax.json; answers the folder that it is in.

    Each file is written whole and made once, so an interrupted measuring goes on.

    Raises:
        UserMistake: there is no such stage, or a reward is not there.
    """
    label, stage = taxed(run, asking.stage)
    loaded = recipe_of(run)
    unknown = [task for task, _ in asking.judges if task not in loaded.recipe.tasks]
    if unknown:
        hint = did_you_mean(unknown[0], loaded.recipe.tasks, "tasks")
        raise RunFolderError(f"--judge {unknown[0]}: the run has no such task{hint}")
    find_way(run, label, own_tasks(stage)[0])  # an end that is not there is told at once
    built = build(loaded)
    folder = RunFolder(run / TAX / label)
    scorer = Scorer(built, folder, screen, Processes())
    given = judges(built, stage, asking.judges, folder.path / "judged")
    work = _Work(built, run, label, stage, folder, scorer, given, asking.prompts)
    with locked(folder.path):
        shares = sorted({0.0, 1.0, *asking.points})
        for share in shares:
            _measure(work, share)
        body = _body(work, {share: _read(work, share) for share in shares})
        folder.write_json(folder.path / FOUND, body)
    return folder.path


def place(share: float) -> str:
    """The name of a point in files: at-0.25."""
    return f"at-{share:g}"


@contextmanager
def point_of(run: Path, label: str, share: float, task: str | None = None) -> Iterator[Trained]:
    """The model at a point of a stage's way, which stands only as long as the context does."""
    with tempfile.TemporaryDirectory(dir=run, prefix=".point-") as aside:
        yield point(find_way(run, label, task), share, Path(aside) / "model")


def _measure(work: _Work, share: float) -> None:
    label, tasks = place(share), work.watched
    _take_over(work, share)
    by_way: dict[tuple[Path | None, Path], list[str]] = {}
    ways: dict[tuple[Path | None, Path], Way] = {}
    for task in dict.fromkeys((*tasks, *work.judges)):
        missing = task in tasks and work.scorer.missing(label, [task])
        if missing or (task in work.judges and not _spoke(work, share, task)):
            way = find_way(work.run, work.label, task)
            ways[way.places] = way
            by_way.setdefault(way.places, []).append(task)
    for places, some in by_way.items():
        with tempfile.TemporaryDirectory(dir=work.folder.path, prefix=".point-") as aside:
            model, _ = load_trained(point(ways[places], share, Path(aside) / "model"))
            titled = f"{share:g} of the way"
            work.scorer.score(label, titled, model, [task for task in some if task in tasks])
            for task in some:
                if task in work.judges and not _spoke(work, share, task):
                    _let_speak(work, ways[places], share, task, model)
    _judge(work, share)


def _take_over(work: _Work, share: float) -> None:
    """The run has scored both ends itself, where it scored its beginning."""
    if share not in (0.0, 1.0):
        return
    number = stage_labels(work.built.recipe).index(work.label)
    rows = ["base", *stage_labels(work.built.recipe)]
    label = rows[number + 1] if share else rows[number]
    for task in work.scorer.missing(place(share), work.watched):
        own = RunFolder(work.run).predictions(label, task)
        if own.exists():
            there = work.folder.predictions(place(share), task)
            there.parent.mkdir(parents=True, exist_ok=True)
            aside = there.with_name(f"{there.name}.partial")
            shutil.copyfile(own, aside)
            aside.replace(there)


def _let_speak(work: _Work, way: Way, share: float, task: str, model: LanguageModel) -> None:
    if way.places not in work.before:
        with tempfile.TemporaryDirectory(dir=work.folder.path, prefix=".point-") as aside:
            work.before[way.places] = load_trained(point(way, 0.0, Path(aside) / "model"))[0]
    records = prompts_of(work.built, task, work.prompts)
    rows = said(work.built, model, work.before[way.places], task, records)
    write_rows(_said(work, share, task), as_rows(rows))


def _judge(work: _Work, share: float) -> None:
    for task, rewards in work.judges.items():
        rows = read_said(_said(work, share, task))
        records = prompts_of(work.built, task, len(rows))
        for judge in rewards.values():
            path = _worth(work, share, task, judge)
            if not path.exists() or len(_listed(path)) < len(rows):
                found = worth(work.built, task, records, rows, judge.given)
                work.folder.write_json(path, found)


def _spoke(work: _Work, share: float, task: str) -> bool:
    """Whether as many prompts were answered as are asked about now."""
    path = _said(work, share, task)
    asked = len(prompts_of(work.built, task, work.prompts))
    return path.exists() and len(read_said(path)) >= asked


def _listed(path: Path) -> list[float | None]:
    return json.loads(path.read_text(encoding="utf-8"))


def _said(work: _Work, share: float, task: str) -> Path:
    return work.folder.path / "answers" / place(share) / f"{task}.jsonl"


def _worth(work: _Work, share: float, task: str, judge: Judge) -> Path:
    return work.folder.path / "worth" / place(share) / task / f"{judge.file}.json"


def _read(work: _Work, share: float) -> Seen:
    files = {task: work.folder.predictions(place(share), task) for task in work.watched}
    return Seen(
        predictions={task: read_predictions(path) for task, path in files.items()},
        answers={task: read_said(_said(work, share, task)) for task in work.judges},
        worth={
            task: {
                name: _listed(_worth(work, share, task, judge)) for name, judge in rewards.items()
            }
            for task, rewards in work.judges.items()
        },
    )


def _body(work: _Work, seen: Mapping[float, Seen]) -> dict[str, Any]:
    """What the report reads."""
    recipe, built = work.built.recipe, work.built
    metrics = {task: built.tasks[task].metric for task in work.watched}
    own = [task for task in own_tasks(work.stage) if task in metrics]
    resampling = Resampling(recipe.seed, recipe.evaluate.draws, recipe.evaluate.confidence)
    found = tax(seen, metrics, own, resampling)
    return {
        "version": VERSION,
        "stage": work.label,
        "own": own,
        "prompts": max(
            (len(rows) for one in seen.values() for rows in one.answers.values()), default=0
        ),
        "free": found.free(),
        "shares": list(found.shares),
        "gains": [_told(one) for one in found.gains],
        "paid": [_told(one) for one in found.paid],
        "mean": [{"share": share, **asdict(one)} for share, one in found.mean.items()],
        "away": {
            task: [{"share": share, **asdict(one)} for share, one in each.items()]
            for task, each in found.away.items()
        },
    }


def _told(one: Any) -> dict[str, Any]:
    body = asdict(one)
    points = body.pop("points")
    return body | {"points": [{"share": share, **found} for share, found in points.items()]}
