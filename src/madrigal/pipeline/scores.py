"""scores.json of a run: the plan that its recipe implies, over the predictions in its folder."""

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import score_run, write_scores
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder, stage_label


def scoring_plan(built: Built) -> Plan:
    """What the predictions alone do not tell."""
    recipe = built.recipe
    return Plan(
        metrics={name: task.metric for name, task in built.tasks.items()},
        learned={
            stage_label(n, stage.name): recipe.scored(stage.learn)
            for n, stage in enumerate(recipe.stages, 1)
        },
        before=recipe.before(),
        general=recipe.evaluate.general,
        resampling=Resampling(recipe.seed, recipe.evaluate.draws, recipe.evaluate.confidence),
    )


def write_run_scores(built: Built, folder: RunFolder) -> None:
    """Compute every score from the predictions and write scores.json."""
    write_scores(folder.path, score_run(folder.path, scoring_plan(built)))
