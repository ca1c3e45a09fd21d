"""KL to the base, or to what a stage began with, on the test prompts of the tasks it learnt."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from madrigal.evaluation.divergence import write_divergences
from madrigal.evaluation.kl import AdapterOff, Another, Base, kl_to_base
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.before import begin
from madrigal.pipeline.parts import fresh_model
from madrigal.pipeline.scoring import Scorer
from madrigal.pipeline.trained import find_trained, load_trained
from madrigal.recipe.model import LoraAdapter
from madrigal.training.lockstep import by_first


def measure_kl(scorer: Scorer, label: str, model: LanguageModel, tasks: Sequence[str]) -> None:
    """Measure what is missing of `tasks` and write it; the first process works, the others wait.

    The base is the model before the first stage.
    """

    def missing() -> None:
        todo = {task: scorer.folder.divergences(label, task) for task in tasks}
        todo = {task: path for task, path in todo.items() if not path.exists()}
        if todo:
            _measure(scorer, "KL to the base", model, _base(scorer, model), todo)

    by_first(scorer.processes, model, missing)
    scorer.processes.wait()


def measure_kl_to_reference(
    scorer: Scorer, before: str, label: str, model: LanguageModel, tasks: Sequence[str]
) -> None:
    """The same to the model as stage `label` began: what stage `before` left.

    It is the reference of the preferences that the stage learnt. A base that is shared out over
    processes is never loaded twice, so there it is not measured.
    """

    def missing() -> None:
        todo = {task: scorer.folder.from_reference(label, task) for task in tasks}
        loaded: tuple[Path, Another] | None = None
        for task, path in todo.items():
            if not path.exists():
                place = find_trained(scorer.folder.path, before, task)
                if loaded is None or loaded[0] != place.folder:  # a private part has its own
                    loaded = place.folder, Another(load_trained(place)[0])
                _measure(scorer, "KL to the reference", model, loaded[1], {task: path})

    if model.shards is None:
        by_first(scorer.processes, model, missing)
        scorer.processes.wait()


def _measure(
    scorer: Scorer, title: str, model: LanguageModel, base: Base, todo: Mapping[str, Path]
) -> None:
    built = scorer.built
    total = sum(len(built.tasks[task].splits["test"]) for task in todo)
    before = 0
    with scorer.screen.bar(title, total) as (moved, remark):
        for name, path in todo.items():
            task = built.tasks[name]
            records = task.splits["test"]
            remark(name)
            rows = kl_to_base(
                model,
                base,
                built.coder,
                task,
                records,
                batch_tokens=built.recipe.evaluate.batch_tokens,
                on_progress=_from(moved, before, total),
            )
            write_divergences(path, rows)
            before += len(records)


def _from(moved: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    """Progress of one task as progress of all."""
    return lambda done, _: moved(min(before + done, total), total)


def _base(scorer: Scorer, model: LanguageModel) -> Base:
    """What lies under the adapter, where that is what the run began with; else loaded again.

    A base that is shared out over processes is never loaded twice: what lies under the adapter then
    stands in, also for a run that goes on from another.
    """
    recipe = scorer.built.recipe
    as_loaded = recipe.start_from is None and not model.folded
    if isinstance(recipe.model.adapter, LoraAdapter) and (as_loaded or model.shards is not None):
        return AdapterOff(model)
    base = fresh_model(scorer.built)
    begin(scorer.built, base)
    return Another(base)
