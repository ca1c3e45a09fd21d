"""A whole run: data, base scores, stages, single-task baselines, scores, report."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from madrigal.errors import RunFolderError, RunStopped, UserMistake
from madrigal.model.host import (
    choose_device,
    keep_freed_memory,
    only_our_progress_bars,
    set_determinism,
)
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.asked import measured_by_kl, measured_by_reference
from madrigal.pipeline.baselines import Baselines, rides
from madrigal.pipeline.before import begin, keep_before
from madrigal.pipeline.build import Built, build
from madrigal.pipeline.cards import write_cards
from madrigal.pipeline.folder import RunFolder, locked, stage_label, stage_labels
from madrigal.pipeline.former import objectives
from madrigal.pipeline.kl import measure_kl, measure_kl_to_reference
from madrigal.pipeline.manifest import Manifest, refuse_changed_data
from madrigal.pipeline.parts import fresh_model, refuse_unsplit
from madrigal.pipeline.past import Tensors, past_of, start_of
from madrigal.pipeline.routed import has_router, score_routed
from madrigal.pipeline.scores import write_run_scores
from madrigal.pipeline.scoring import Scorer
from madrigal.pipeline.stage import Where, train_stage
from madrigal.pipeline.watch import Screen
from madrigal.pipeline.written import write_answers
from madrigal.recipe.dump import dump_resolved
from madrigal.recipe.load import LoadedRecipe
from madrigal.training.files import disk_full_stops, write_whole
from madrigal.training.processes import Processes, join_processes


@dataclass(frozen=True, slots=True)
class _Run:
    loaded: LoadedRecipe
    built: Built
    folder: RunFolder
    screen: Screen
    processes: Processes
    manifest: Manifest
    scorer: Scorer

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.manifest.timed(name, began)

    def where(self, folder: Path, title: str) -> Where:
        return Where(folder, title, self.screen, self.processes)


def run(loaded: LoadedRecipe, out: Path, resume: bool = False) -> Path:
    """Do everything that a recipe says; returns the run folder.

    With `resume` an interrupted run goes on; what it then writes is what it would have written.

    Raises:
        UserMistake: before anything is written, with every mistake.
        RunStopped: a stage stopped itself; its last good checkpoint is kept.
    """
    keep_freed_memory()
    only_our_progress_bars()
    processes = join_processes()
    screen = Screen(silent=not processes.first)
    folder = RunFolder(out)
    if processes.first:  # the others may come late and find what the first has written
        _check_folder(folder, loaded, resume)
    set_determinism(loaded.recipe.determinism, loaded.recipe.seed)
    screen.say(f"[bold]{loaded.recipe.name}[/bold]: loading data and model")
    built = build(loaded, folder if resume else None)
    for stage in loaded.recipe.stages:
        built.source(stage)  # a mixture that cannot be filled is refused before anything is written
    model = fresh_model(built)
    start = start_of(built.recipe, model)
    begin(built, model)
    if loaded.recipe.model.shard and model.shards is None:
        screen.say("model.shard: one process holds the whole base; torchrun starts several")
    refuse_unsplit(built, model)
    rides(loaded.recipe, model)  # refuses what cannot be done together
    if not processes.first:
        return _work(_prepared(built, folder, screen, processes, loaded), model, start)
    with disk_full_stops(str(out)), locked(out):
        _check_folder(folder, loaded, resume)  # another run may have come meanwhile
        return _work(_prepared(built, folder, screen, processes, loaded), model, start)


def _check_folder(folder: RunFolder, loaded: LoadedRecipe, resume: bool) -> None:
    start = loaded.recipe.start_from
    if start is not None:
        old, new = (loaded.root / start.run).resolve(), folder.path.resolve()
        if old == new or old in new.parents:
            where = "is" if old == new else "is within"
            raise RunFolderError(
                f"{folder.path}: {where} the run to go on from; choose another --out"
            )
    if not folder.recipe.exists():
        foreign = folder.foreign()
        if foreign is not None:
            raise RunFolderError(
                f"{folder.path}: not a run folder, it holds '{foreign}'; choose another --out"
            )
        return
    if not resume:
        raise RunFolderError(
            f"{folder.path}: holds a run already; go on with --resume, or choose another --out"
        )
    if folder.recipe.read_text(encoding="utf-8") != dump_resolved(loaded):
        raise RunFolderError(
            f"{folder.path}: was made by another recipe than the one given; "
            "give the same recipe and --set, or choose another --out"
        )


def _prepared(
    built: Built, folder: RunFolder, screen: Screen, processes: Processes, loaded: LoadedRecipe
) -> _Run:
    if processes.first:
        refuse_changed_data(folder, built)
        write_whole(folder.recipe, dump_resolved(loaded))  # from here on it is a run folder
        if built.recipe.model.base == "new" and not folder.tokenizer.is_dir():
            aside = folder.path / ".aside-tokenizer"
            shutil.rmtree(aside, ignore_errors=True)
            built.tokenizer.save_pretrained(aside)
            aside.rename(folder.tokenizer)
    processes.wait()
    if processes.any_(not folder.recipe.exists(), choose_device()):
        raise RunFolderError(
            f"{folder.path}: not every process sees it; with several machines --out must be on a "
            "disk that they share"
        )
    manifest = Manifest(folder, built, processes)
    if processes.first:
        began = time.perf_counter()
        for line in write_cards(built, folder, screen):
            screen.console.print(escape(line), highlight=False, soft_wrap=True)
        manifest.timed("look at the data", began)
    scorer = Scorer(built, folder, screen, processes)
    return _Run(loaded, built, folder, screen, processes, manifest, scorer)


def _work(run: _Run, model: LanguageModel, start: Tensors | None) -> Path:
    run.manifest.note_model(model)
    try:
        with disk_full_stops(str(run.folder.path)):
            with run.phase("base scores"):
                _score_base(run, model)
            _train_and_score(run, model, start)
            if run.built.recipe.evaluate.baselines:
                _baselines(run, model)
            with run.phase("scores and report"):
                _finish(run)
    except KeyboardInterrupt:
        run.manifest.close("interrupted", model)
        raise
    except (RunStopped, UserMistake) as stop:
        with suppress(RunStopped):  # on a full disk there is no room for this either
            run.manifest.close(f"stopped: {stop}", model)
        raise
    run.manifest.close("finished", model)
    if run.processes.first:
        _report(run)
    return run.folder.path


def _score_base(run: _Run, model: LanguageModel) -> None:
    evaluate, watched = run.built.recipe.evaluate, run.built.recipe.watched()
    if evaluate.base:
        run.scorer.score("base", "base model", model, watched)
        write_answers(run.scorer, "base", model)
    if evaluate.few_shot:
        tasks = run.built.tasks
        answering = [t for t in watched if tasks[t].answered and tasks[t].splits["train"]]
        run.scorer.score("few-shot", f"base, {evaluate.few_shot} shots", model, answering)


def _train_and_score(run: _Run, model: LanguageModel, start: Tensors | None) -> None:
    keep_before(run.loaded, run.built, model, run.folder, run.processes, run.screen, start)
    before = objectives(run.built.taught)
    for number, stage in enumerate(run.built.recipe.stages, 1):
        label = stage_label(number, stage.name)
        with run.phase(f"train {label}"):
            where = run.where(run.folder.stage(number, stage.name), f"train {stage.name}")
            past = past_of(run.built.recipe, run.folder, number, start, before)
            train_stage(run.built, stage, model, stage.learn, where, past)
        with run.phase(f"score {label}"):
            run.scorer.score(label, f"after {stage.name}", model, run.built.recipe.watched())
        if has_router(run.built.recipe):
            with run.phase(f"score {label}"):
                score_routed(run.scorer, number, model)
        with run.phase(f"score {label}"):
            write_answers(run.scorer, label, model)
        measured = measured_by_kl(run.built, stage)
        if measured:
            with run.phase(f"KL {label}"):
                measure_kl(run.scorer, label, model, measured)
        preferred = measured_by_reference(run.built, stage)
        if preferred:
            began = stage_labels(run.built.recipe)[number - 2]
            with run.phase(f"KL {label}"):
                measure_kl_to_reference(run.scorer, began, label, model, preferred)


def _baselines(run: _Run, model: LanguageModel) -> None:
    """One single-task model a task: the same examples at the same steps, nothing else."""
    baselines = Baselines(run.built, run.folder, run.screen, run.processes)
    todo = run.scorer.missing("single", baselines.tasks)
    if todo and rides(run.built.recipe, model):
        with run.phase("single-task baselines"):
            every, left = baselines.together()
            for name in todo:
                if name not in left:
                    run.scorer.score("single", f"only {name}", every, [name])
        todo = [name for name in todo if name in left]
    for name in todo:
        with run.phase("single-task baselines"):
            run.scorer.score("single", f"only {name}", baselines.separate(name), [name])


def _finish(run: _Run) -> None:
    if run.processes.first:
        write_run_scores(run.built, run.folder)
    run.processes.wait()


def _report(run: _Run) -> None:
    from madrigal.report import closing_table, write_report

    page = write_report(run.folder.path)
    run.screen.console.print(closing_table(run.folder.path))
    run.screen.say(f"report: {page}")
