"""KL to the base after a stage, on the test prompts of the tasks that it learnt."""

from collections.abc import Callable, Sequence

from madrigal.evaluation.divergence import write_divergences
from madrigal.evaluation.kl import AdapterOff, Another, Base, kl_to_base
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.before import begin
from madrigal.pipeline.parts import fresh_model
from madrigal.pipeline.scoring import Scorer
from madrigal.recipe.model import LoraAdapter
from madrigal.training.lockstep import by_first


def measure_kl(scorer: Scorer, label: str, model: LanguageModel, tasks: Sequence[str]) -> None:
    """Measure what is missing of `tasks` and write it; the first process works, the others wait.

    The base is the model before the first stage.
    """
    by_first(scorer.processes, model, lambda: _measure_missing(scorer, label, model, tasks))
    scorer.processes.wait()


def _measure_missing(
    scorer: Scorer, label: str, model: LanguageModel, tasks: Sequence[str]
) -> None:
    todo = [task for task in tasks if not scorer.folder.divergences(label, task).exists()]
    if todo:
        _measure(scorer, label, model, todo)


def _measure(scorer: Scorer, label: str, model: LanguageModel, tasks: Sequence[str]) -> None:
    built = scorer.built
    base = _base(scorer, model)
    total = sum(len(built.tasks[task].splits["test"]) for task in tasks)
    before = 0
    with scorer.screen.bar("KL to the base", total) as (moved, remark):
        for name in tasks:
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
            write_divergences(scorer.folder.divergences(label, name), rows)
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
