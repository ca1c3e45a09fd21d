"""What the reference said of examples that an earlier run taught, as it was then."""

from collections.abc import Sequence
from dataclasses import replace

from madrigal.model.language_model import LanguageModel
from madrigal.objectives import build_objective
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import recipe_of, stage_labels
from madrigal.pipeline.former import Former
from madrigal.pipeline.parts import fresh_model
from madrigal.pipeline.reference import Reference
from madrigal.pipeline.shared_start import begin_from, find_start
from madrigal.pipeline.watch import Screen
from madrigal.recipe.stage import StageSettings
from madrigal.training.processes import Processes


def with_references(
    built: Built, stage: StageSettings, tasks: Sequence[str], screen: Screen, processes: Processes
) -> Built:
    """The same with what the reference says of the training examples of `tasks`, where their
    objective asks for it: the model before the stage that taught them, loaded again.

    Raises:
        RunFolderError: the weights of that time are gone.
    """
    asking = [
        task
        for task in tasks
        if "reference" in build_objective(stage.remembered_by(task), built.tasks[task]).needs
    ]
    examples = dict(built.examples)
    places = {task: (built.taught[task].run, built.taught[task].stage) for task in asking}
    for place in dict.fromkeys(places.values()):
        own = [task for task in asking if places[task] == place]
        model = _model_before(built, built.taught[own[0]])
        reference = Reference(built, stage, model, screen, processes)
        examples |= {task: reference.known(task, examples[task]) for task in own}
    return replace(built, examples=examples)


def _model_before(built: Built, former: Former) -> LanguageModel:
    """The model as it was before a stage of an earlier run."""
    model, theirs = fresh_model(built), recipe_of(former.run)
    first = theirs.recipe.start_from
    if former.stage > 1:
        label = stage_labels(theirs.recipe)[former.stage - 2]
        begin_from(model, find_start(former.run, built, label))
    elif first is not None:
        begin_from(model, find_start(theirs.root / first.run, built, first.stage))
    return model
