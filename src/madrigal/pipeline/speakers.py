"""Who answers in a conversation: one trained model, or of several parts the one that is chosen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.past import KEPT, ROUTER
from madrigal.pipeline.routed import features
from madrigal.pipeline.trained import Trained, find_trained, load_trained, quiet_peft
from madrigal.retention.router import Router, read_router
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn


class Speaker(Protocol):
    """A model that answers, and how its prompts are written."""

    model: LanguageModel
    coder: Coder

    def turn_to(self, turns: Sequence[Turn]) -> str | None:
        """Make ready to answer; the task that was chosen, where there was a choice."""
        ...


class Alone:
    """One trained model for whatever is asked."""

    def __init__(self, trained: Trained) -> None:
        self.model, self.coder = load_trained(trained)

    def turn_to(self, turns: Sequence[Turn]) -> None:
        """There is no choice."""
        del turns


class Routed:
    """The base with the adapters of several tasks; each prompt meets the one that the router
    chooses. An adapter is loaded when it is first needed."""

    def __init__(self, run: Path, router: Router, first: Trained) -> None:
        self.model, self.coder = load_trained(first)
        self._run, self._label, self._rule = run, first.label, router.rule()
        self._names = {first.folder: "default"}  # as peft calls the first one

    def turn_to(self, turns: Sequence[Turn]) -> str:
        """Choose by the whole conversation so far."""
        prompt = self.coder.prompt(Record("chat", turns=tuple(turns)))
        (task,) = self._rule.choose(features(self.model, [prompt], self.coder.context))
        network: Any = self.model.network
        folder = find_trained(self._run, self._label, task).folder
        if folder not in self._names:
            self._names[folder] = f"of-{task}"
            with quiet_peft():
                network.load_adapter(folder, adapter_name=self._names[folder])
        network.set_adapter(self._names[folder], inference_mode=True)
        network.eval()
        return task


def find_router(run: Path, stage: str | None) -> tuple[Router, Trained] | None:
    """The router of a finished stage, or of the last, and the first of the models it chooses from.

    None where the stage has none, or has been taught one task only.

    Raises:
        RunFolderError: no such stage, or the router's file is damaged.
    """
    labels = [path.parent.name for path in sorted((run / "stages").glob(f"*/{KEPT}"))]
    if stage is None:
        finished = [n for n in labels if any((run / "stages" / n).glob("adapters/*"))]
        labels = finished[-1:]
    else:
        labels = [n for n in labels if stage in (n, n.partition("-")[2])]
    for label in labels:
        path = run / "stages" / label / KEPT / ROUTER
        if path.exists() and (tasks := list((router := read_router(path)).counts)):
            return router, find_trained(run, label, tasks[0])
    return None
