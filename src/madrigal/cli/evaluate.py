"""`madrigal evaluate RUN`: scores again from what was predicted, or a run's model on other data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from madrigal.cli.ceiling import ceiling_in
from madrigal.errors import RunFolderError, UserMistake
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.intervals import Resampling, Score, score
from madrigal.evaluation.prediction import write_predictions
from madrigal.evaluation.scores_file import recompute, score_run, write_scores
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import build
from madrigal.pipeline.folder import recipe_of
from madrigal.pipeline.scores import scoring_plan
from madrigal.pipeline.trained import Trained, find_trained, load_trained
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.recipe.task import DataSettings
from madrigal.report import closing_table, numbers, write_report
from madrigal.tasks.encode import Coder
from madrigal.tasks.fit import fitting
from madrigal.tasks.load import load_task
from madrigal.tasks.sources import with_bundled_settings
from madrigal.tasks.task import Task


def score_again(run: Path) -> None:
    """Makes scores.json and the report anew from the predictions in a run folder."""
    loaded = recipe_of(run)
    try:
        matrix = recompute(run)
    except RunFolderError:
        # No scores.json to say what was judged how: the recipe and its data say it.
        matrix = score_run(run, scoring_plan(build(loaded)))
    write_scores(run, matrix)
    write_report(run)
    Console().print(closing_table(run))


def score_files(run: Path, given: Sequence[str], stage: str | None, out: Path | None) -> None:
    """Scores a run's model on `TASK=FILE`s and prints a table; predictions go to `out` if given."""
    loaded = recipe_of(run)
    files = _files(given, loaded)
    tasks = {name: _task(name, path, loaded) for name, path in files.items()}
    if out is not None and out.exists() and any(out.iterdir()):
        raise RunFolderError(f"{out}: is there already; remove it or choose another --out")
    trained = {name: find_trained(run, stage, name) for name in tasks}
    settings = loaded.recipe.evaluate
    resampling = Resampling(loaded.recipe.seed, settings.draws, settings.confidence)
    scores: dict[str, Score] = {}
    console = Console(highlight=False)
    held: tuple[Trained, LanguageModel, Coder] | None = None
    for name, task in tasks.items():
        # Tasks with private parts have models of their own.
        if held is None or held[0].folder != trained[name].folder:
            held = (trained[name], *load_trained(trained[name], rewards=True))
        _, model, coder = held
        if loaded.recipe.tasks[name].data.on_bad == "drop":
            tasks[name] = task = fitting(task, coder)
        if task.counts.get("bad"):
            console.print(f"{name}: {task.notes[-1]}", markup=False)
        rows = evaluate_task(model, coder, task, task.splits["test"], settings.batch_tokens)
        scores[name] = score(rows, task.metric, resampling)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            write_predictions(out / f"{name}.jsonl", rows)
    assert held is not None
    console.print(_table(tasks, scores, f"{run}, stage {held[0].label}"))


def _files(given: Sequence[str], loaded: LoadedRecipe) -> dict[str, str]:
    files: dict[str, str] = {}
    mistakes: list[str] = []
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not path:
            mistakes.append(f"--task {text}: no 'TASK=FILE'; write --task reviews=new.jsonl")
        elif name not in loaded.recipe.tasks:
            hint = did_you_mean(name, loaded.recipe.tasks, "tasks")
            mistakes.append(f"--task {text}: the run has no task {name!r}{hint}")
        files[name] = str(Path(path).expanduser().absolute())
    if mistakes:
        raise UserMistake(mistakes)
    return files


def _task(name: str, path: str, loaded: LoadedRecipe) -> Task:
    """The run's task with the records of another file, all of them in its test split."""
    recipe = loaded.recipe
    settings = with_bundled_settings(name, recipe.tasks[name])
    known = load_task(name, recipe.tasks[name], loaded.root, recipe.seed)
    kept = {key: getattr(settings.data, key) for key in ("format", "columns", "on_bad")}
    data = DataSettings(test=path, **kept)
    changes: dict[str, object] = {"data": data, "metric": known.metric}
    if settings.labels is None and known.labels:
        # A file may lack a label that the model must still be able to choose.
        changes["labels"] = known.labels
    return load_task(name, settings.model_copy(update=changes), loaded.root, recipe.seed)


def _table(tasks: Mapping[str, Task], scores: Mapping[str, Score], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    ceilings = {name: ceiling_in(task) for name, task in tasks.items() if task.kind == "feedback"}
    head = ("task", "metric", "score", *(("ceiling",) if ceilings else ()), "n")
    for column in head:
        table.add_column(column, justify="left" if column in ("task", "metric") else "right")
    for name, found in scores.items():
        metric = tasks[name].metric
        value = numbers.score(numbers.Interval(found.value, found.low, found.high), metric)
        cells = [name, numbers.metric_name(metric), value, numbers.count(found.n)]
        if ceilings:
            cells.insert(3, ceilings.get(name, ""))
        table.add_row(*cells)
    return table
