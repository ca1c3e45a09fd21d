"""The models that a run left behind."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.model.base import BUNDLED
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.model.score import put_reward_heads
from madrigal.model.score_files import read_scores
from madrigal.pipeline.folder import recipe_of
from madrigal.pipeline.save import REWARD
from madrigal.recipe.model import FullAdapter, ModelSettings
from madrigal.recipe.schema import Recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.tasks.encode import Coder

# Folders of a stage's result: one for all tasks, or one for each that has a private part.
_SHARED = ("adapter", "model")
_PRIVATE = "adapters"
RESULTS = (*_SHARED, _PRIVATE)


@dataclass(frozen=True, slots=True)
class Trained:
    """What one stage of a run ended with: a PEFT adapter or a transformers model in `folder`."""

    recipe: Recipe
    label: str  # 01-together
    folder: Path

    @property
    def is_adapter(self) -> bool:
        return (self.folder / "adapter_config.json").is_file()

    @property
    def stage(self) -> Path:
        """The folder of the stage."""
        above = self.folder.parent
        return above.parent if above.name == _PRIVATE else above


def find_trained(run: Path, stage: str | None = None, task: str | None = None) -> Trained:
    """The result of the last finished stage, or of the stage of this name or label.

    Where tasks have private parts each has a model of its own, and `task` chooses one.

    Raises:
        RunFolderError: not a run folder, no such stage or task, the stage has not finished, or
            only a task's model is there and no task is named.
    """
    recipe = recipe_of(run).recipe
    if task is not None and task not in recipe.tasks:
        hint = did_you_mean(task, recipe.tasks, "tasks")
        raise RunFolderError(f"{run}: the run has no task {task!r}{hint}")
    finished = {
        place.name: place
        for place in sorted((run / "stages").glob("*"))
        if any((place / kind).is_dir() for kind in RESULTS)
    }
    if not finished:
        cure = "go on with `madrigal run ... --resume`"
        raise RunFolderError(f"{run}: no stage has finished; {cure}")
    if stage is None:
        label = max(finished)
        return Trained(recipe, label, _of_task(run, recipe, finished[label], task))
    for label, place in finished.items():
        if stage in (label, label.partition("-")[2]):
            return Trained(recipe, label, _of_task(run, recipe, place, task))
    names = [label.partition("-")[2] for label in finished]
    raise RunFolderError(f"{run}: no finished stage {stage!r}{did_you_mean(stage, names)}")


def _of_task(run: Path, recipe: Recipe, place: Path, task: str | None) -> Path:
    """The folder of a stage's result for a task."""
    own = sorted(path.name for path in (place / _PRIVATE).glob("*"))
    shared = next((place / kind for kind in _SHARED if (place / kind).is_dir()), None)
    if task in own:
        return place / _PRIVATE / str(task)
    if own and task is None:
        alike = [name for name in recipe.tasks if name not in own] if shared else []
        raise RunFolderError(f"{run}: {_which(own, alike)}")
    if shared is not None:
        return shared
    text = f"task {task!r} has no part of its own and none is shared; its model is the base"
    raise RunFolderError(f"{run}: {text}")


def _which(own: Sequence[str], alike: Sequence[str]) -> str:
    """What `--task` may name: tasks with a model of their own, and those that share one."""
    if not alike:
        return f"each task has a model of its own; add --task with {', '.join(own)}"
    has = "has a model of its own" if len(own) == 1 else "have models of their own"
    return f"{', '.join(own)} {has}, {', '.join(alike)} the shared one; add --task with one of them"


def load_trained(trained: Trained, rewards: bool = False) -> tuple[LanguageModel, Coder]:
    """The model in evaluation mode, with the coder that its run used; on request with what scores
    the answers of tasks that trained a reward model."""
    from transformers import AutoTokenizer

    settings = _settings(trained)
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    model = load_model(settings, trained.folder, trained.recipe.seed, tokenizer)
    if trained.is_adapter:
        from peft import PeftModel

        with quiet_peft():
            network = PeftModel.from_pretrained(model.network, trained.folder)
        model = replace(model, network=network.to(model.device))
    if rewards:
        put_reward_heads(model.causal, read_scores(trained.stage / REWARD))
        model.network.to(model.device)
    model.network.eval()
    return model, Coder(tokenizer, model.context, settings.chat_template)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without what peft says of every adapter that is put on a base."""
    with warnings.catch_warnings():
        # A name of transformers that peft still uses has changed.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        # An adapted head that is the embedding again: it is not merged here.
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings")
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to True but")
        yield


def _settings(trained: Trained) -> ModelSettings:
    """Settings that load the trained weights, or the base that the adapter goes on."""
    settings = trained.recipe.model
    if not trained.is_adapter:
        return _plain(settings, str(trained.folder))
    if settings.base in BUNDLED:
        return _plain(settings, settings.base)
    from peft import PeftConfig

    # Where the base was found when the run was made; relative paths may lead elsewhere now.
    base = PeftConfig.from_pretrained(str(trained.folder)).base_model_name_or_path
    return _plain(settings, base or settings.base)


def _plain(settings: ModelSettings, base: str) -> ModelSettings:
    changes = {"base": base, "new": None, "adapter": FullAdapter(), "gradient_checkpointing": False}
    return settings.model_copy(update=changes | {"shard": False})
