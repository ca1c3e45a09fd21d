"""What the model writes to prompts of judged answers, before the first stage and after each."""

from madrigal.evaluation.write import written
from madrigal.evaluation.written import write_written
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.asked import asked, preferring
from madrigal.pipeline.scoring import Scorer
from madrigal.training.lockstep import by_first


def write_answers(scorer: Scorer, label: str, model: LanguageModel) -> None:
    """Let the model write what is missing; the first process works and the others wait."""
    by_first(scorer.processes, model, lambda: _write_missing(scorer, label, model))
    scorer.processes.wait()


def _write_missing(scorer: Scorer, label: str, model: LanguageModel) -> None:
    built = scorer.built
    names = preferring(built, built.recipe.stages)
    some = {n: records for n in names if (records := asked(built, n))}
    todo = [name for name in some if not scorer.folder.written(label, name).exists()]
    if not todo:
        return
    with scorer.screen.bar("write answers", len(todo)) as (moved, remark):
        for number, name in enumerate(todo, 1):
            remark(name)
            settings = built.recipe.evaluate
            rows = written(
                model,
                built.coder,
                built.tasks[name],
                some[name],
                settings.batch_tokens,
                built.recipe.seed,
            )
            write_written(scorer.folder.written(label, name), rows)
            moved(number, len(todo))
