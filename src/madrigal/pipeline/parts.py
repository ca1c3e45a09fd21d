"""From a built recipe to what trains: a model, and the parts of a stage's steps."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from madrigal.balancing import Balancer, Mean, build_balancer
from madrigal.balancing.auxiliary import Auxiliary
from madrigal.balancing.base import Remembers, wants_validation
from madrigal.errors import DataError, ModelError
from madrigal.gradients import Ledger, refuse_uncovered, uncovered
from madrigal.gradients.gramian import HALVES
from madrigal.gradients.memory import Memory
from madrigal.gradients.products import PLAIN, UpdateProducts, low_rank_pairs
from madrigal.model.branches import why_not
from madrigal.model.fold import refuse_unfolded
from madrigal.model.frozen import frozen
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.model.score import add_critics
from madrigal.model.score_files import refuse_unclassified
from madrigal.objectives import Objective, Surveys, build_objective
from madrigal.pipeline.build import Built
from madrigal.pipeline.former import objectives
from madrigal.pipeline.heads import critics, reward_heads
from madrigal.pipeline.recall import SILENT, Recalled
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.retain import OLora
from madrigal.recipe.stage import Gradients, StageSettings
from madrigal.retention import Pull, Teacher
from madrigal.tasks.encoded import Example
from madrigal.training.chance import derive
from madrigal.training.processes import Processes
from madrigal.training.split import Split, early_steps, layer_groups, measure_every
from madrigal.training.stage_run import ValidationLosses
from madrigal.training.step import StepParts, losses_of

Known = Callable[[str, Sequence[Example]], Sequence[Example]]
VALIDATION_EXAMPLES = 8  # of each task, for balancers that follow validation losses


def fresh_model(built: Built, tasks: Sequence[str] | None = None) -> LanguageModel:
    """A model as it is before any training; the same each time.

    Private parts and reward heads are for `tasks`, or for every task that some stage learns.
    """
    recipe, learnt = built.recipe, tuple(built.examples) if tasks is None else tasks
    heads = {
        n: count
        for n, count in reward_heads(recipe, objectives(built.taught)).items()
        if n in learnt
    }
    model = load_model(recipe.model, built.root, recipe.seed, built.tokenizer, learnt, heads)
    add_critics(model.causal, [task for task in critics(recipe) if task in learnt])
    model.network.to(model.device)
    refuse_unclassified(model)
    return model


def step_parts(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    processes: Processes,
    tasks: Sequence[str],
    balancer: Balancer | None = None,
    recalled: Recalled = SILENT,
) -> StepParts:
    """What every step of a stage works with, for all or some of its tasks and what is replayed."""
    every = (*tasks, *recalled.examples)
    held = {name: built.tasks[name] for name in every}
    pulls = {name: task.pull_to_start for name, task in held.items()}
    owners = model.owners()
    if balancer is None:
        # A task alone has nothing to be balanced against.
        balancer = stage_balancer(built, stage) if len(every) > 1 else Mean()
    objectives: dict[str, ObjectiveSettings] = {t: stage.objective_of(t) for t in tasks}
    objectives.update(recalled.objectives)
    built_objectives = {n: build_objective(objectives[n], task) for n, task in held.items()}
    pull = Pull((p for _, p in model.trainable()), pulls, owners)
    return StepParts(
        model=model,
        objectives=built_objectives,
        balancer=balancer,
        task_weights={name: task.weight for name, task in held.items()},
        microbatch_tokens=stage.batch.microbatch_tokens,
        pad=built.coder.pad,
        stage=stage.name,
        seed=built.recipe.seed,
        processes=processes,
        terms=(*((pull,) if any(pulls.values()) else ()), *recalled.terms),
        split=build_split(stage.gradients, model, balancer, every),
        distillation=recalled.distillation,
        on_policy=recalled.on_policy,
        protected=frozenset(recalled.examples),
        guards=stage.balance.kind if stage.balance.kind == "agem" else "",
        reference=_reference(model, built_objectives),
        share_prompts=shares_prompts(built, stage, model),
    )


def _reference(model: LanguageModel, objectives: Mapping[str, Objective]) -> Teacher | None:
    """A copy of the model before the stage, where a step asks about rows that no data hold."""
    asks = (isinstance(o, Surveys) and "reference" in o.needs for o in objectives.values())
    return Teacher(model) if any(asks) else None


def shares_prompts(built: Built, stage: StageSettings, model: LanguageModel) -> bool:
    """Whether judged answers to one prompt go into one row.

    Raises:
        ModelError: the recipe insists, and the model would give something else.
    """
    wish = stage.batch.share_prompts
    judged = any(built.tasks[name].kind == "feedback" for name in built.examples)
    several = any(kind.samples > 1 for kind in stage.acting().values())
    if wish is False or not (judged or several):
        return False
    with model.routed(""):
        reason = why_not(model.network, model.causal)
    if reason and wish is True:
        raise ModelError(
            f"stages.{stage.name}.batch.share_prompts: this model cannot share prompts, {reason}; "
            "write `auto`"
        )
    return not reason


def stage_balancer(built: Built, stage: StageSettings) -> Balancer:
    """The stage's balancer, with its auxiliary tasks weighed by agreement."""
    balancer = build_balancer(stage.balance)
    helping = set(stage.learn) - set(built.recipe.scored(stage.learn))
    return Auxiliary(balancer, frozenset(helping)) if helping else balancer


def build_split(
    settings: Gradients, model: LanguageModel, balancer: Balancer, tasks: Sequence[str]
) -> Split | None:
    """What splits the gradients of a stage by task; None where nobody wants them."""
    every = when_split(settings, model, balancer, tasks)
    if every is None:
        return None
    contested = dict(model.contested(tasks))
    ledger = Ledger(contested, HALVES * len(tasks))
    updates = settings.metric == "update"
    return Split(
        model=model,
        ledger=ledger,
        order={name: place for place, name in enumerate(tasks)},
        measure_every=every,
        metric=settings.metric,
        layers=layer_groups(contested) if settings.by_layer else {},
        memory=Memory(ledger) if isinstance(balancer, Remembers) else None,
        products=UpdateProducts(low_rank_pairs(model.network, contested)) if updates else PLAIN,
        early=early_steps(settings),
    )


def refuse_unsplit(built: Built, model: LanguageModel) -> None:
    """Refuse, before anything is trained, what a stage cannot split, fold or freeze."""
    for number, stage in enumerate(built.recipe.stages):
        if stage.retains(OLora) is not None:
            refuse_unfolded(model)
        tasks = (*stage.learn, *built.recipe.replayed(stage))
        with frozen(model, stage.freeze, f"stages[{number}].freeze"):
            when_split(stage.gradients, model, stage_balancer(built, stage), tasks)


def when_split(
    settings: Gradients, model: LanguageModel, balancer: Balancer, tasks: Sequence[str]
) -> int | None:
    """Steps between measurements of gradients by task (0: never), None where nobody wants them.

    Raises:
        ModelError: a trainable parameter cannot be split, or none is shared, and the recipe asks.
    """
    contested = dict(model.contested(tasks))
    if not contested:
        if balancer.needs == "nothing":
            return None
        raise ModelError(
            "balance: the tasks share no trainable parameter, so there is nothing to balance; "
            "choose `mean` or `equal`"
        )
    every = measure_every(settings, contested, model, len(tasks))
    if balancer.needs == "nothing":
        unasked = settings.measure_every == "auto"
        if every == 0 or (unasked and uncovered(model.network, contested)):
            return None
    refuse_uncovered(model.network, contested)
    return every


def validation_losses(
    built: Built, parts: StepParts, known: Known = lambda _, examples: examples
) -> ValidationLosses | None:
    """What gives balancers the loss of a few validation examples of each task, drawn by step.

    `known` gives a task's examples what its objective must know of them before the stage.

    Raises:
        DataError: the balancer needs it and a task has no validation examples.
    """
    if not wants_validation(parts.balancer, 0):
        return None
    bare = [name for name in parts.objectives if not built.tasks[name].splits["validation"]]
    if bare:
        raise DataError(
            f"tasks.{bare[0]}.data: no validation records, which the balancer needs; "
            "raise data.split.validation, or choose another balancer"
        )
    held = {
        n: known(n, built.coder.training(built.tasks[n], "validation")) for n in parts.objectives
    }

    def losses(step: int) -> dict[str, float]:
        chance = np.random.default_rng(derive(parts.seed, "validation", parts.stage, step))
        drawn = [
            (name, examples[i])
            for name, examples in held.items()
            for i in chance.integers(len(examples), size=VALIDATION_EXAMPLES)
        ]
        return losses_of(parts, step, drawn)

    return losses
