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
                if kept.select == "generated":
                    tasks = built.recipe.replayed(stage)
                    # A prompt is read once more to be answered.
                    written = 2 * kept.keep * len(tasks) * _mean_tokens(built, tasks)
                    yield Part(f"examples written for {stage.name}", round(written), False)
                elif kept.select in ("hardest", "herding"):
                    looked = sum(
                        row.length
                        for task in _before(built, stage)
                        for example in built.examples[task]
                        for row in example
                    )
                    yield Part(f"examples chosen for {stage.name}", looked, False)
                yield Part(f"replay in {stage.name}", again, True)
            case Ewc():
                before = _before(built, stage)
                each = min(kept.examples, sum(len(built.examples[name]) for name in before))
                tokens = round(each * _mean_tokens(built, before))
                yield Part(f"Fisher information for {stage.name}", tokens, True)
                if kept.labels == "model":
                    yield Part(f"targets of the Fisher information for {stage.name}", tokens, False)
            case Distill(on="own"):
                drawn, shown = _drawn(built, source)
                # Drawn once, and read by the teacher behind the row with the right answer.
                yield Part(f"own answers in {stage.name}", 2 * drawn + shown, False)
                yield Part(f"training on own answers in {stage.name}", drawn, True)
            case Distill():
                asked = {"replayed": again, "all": own + again}.get(kept.on, own)
                yield Part(f"teacher in {stage.name}", asked, False)
            case _:
                pass


def _drawn(built: Built, source: Mixture) -> tuple[int, int]:
    """Tokens of rows with answers of the model's own, at their longest, and of the rows shown to
    the teacher before them."""
    drawn = shown = 0
    for name, got in source.achieved().items():
        task = built.tasks[name]
        if task.answered:
            most = task.max_new_tokens if task.kind == "answer" else 0
            drawn += got.tokens + most * got.examples
            shown += got.tokens
    return drawn, shown


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
