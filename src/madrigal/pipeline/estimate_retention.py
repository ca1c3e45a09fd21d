"""How much retention asks for on top of a stage's own steps."""

from collections.abc import Iterator

from madrigal.mixture import Mixture
from madrigal.pipeline.build import Built
from madrigal.pipeline.work import Part
from madrigal.recipe.retain import Distill, Ewc, Replay
from madrigal.recipe.stage import StageSettings


def retained(built: Built, stage: StageSettings, source: Mixture) -> Iterator[Part]:
    """Replayed examples, what the teacher is asked, and the Fisher information of the stages
    before, counted where it is used."""
    own = sum(got.tokens for got in source.achieved().values())
    again = _replayed(built, stage, source)
    for kept in stage.retain:
        match kept:
            case Replay():
                yield Part(f"replay in {stage.name}", again, True)
            case Ewc():
                before = _before(built, stage)
                each = min(kept.examples, sum(len(built.examples[name]) for name in before))
                yield Part(
                    f"Fisher information for {stage.name}",
                    round(each * _mean_tokens(built, before)),
                    True,
                )
            case Distill():
                asked = {"new": own, "replayed": again, "all": own + again}[kept.on]
                yield Part(f"teacher in {stage.name}", asked, False)
            case _:
                pass


def _replayed(built: Built, stage: StageSettings, source: Mixture) -> int:
    """Tokens of the examples that are replayed."""
    kept = stage.retains(Replay)
    if kept is None:
        return 0
    drawn = sum(got.examples for got in source.achieved().values())
    rows = int(kept.rate * drawn) if kept.count is None else kept.count * source.steps
    return round(rows * _mean_tokens(built, built.recipe.replayed(stage)))


def _before(built: Built, stage: StageSettings) -> tuple[str, ...]:
    """Tasks of the stage before, or those that were taught before the run."""
    number = [one.name for one in built.recipe.stages].index(stage.name)
    if number == 0:
        return built.recipe.before()
    return built.recipe.scored(built.recipe.stages[number - 1].learn)


def _mean_tokens(built: Built, tasks: tuple[str, ...]) -> float:
    """Tokens of an example, mean over the tasks' training examples."""
    rows = [sum(row.length for row in one) for task in tasks for one in built.examples[task]]
    return sum(rows) / max(1, len(rows))
