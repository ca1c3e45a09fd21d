"""Answers that an inference server writes, which is handed the weights before."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from madrigal.errors import ModelError, RunStopped
from madrigal.experience.answer import Prompt
from madrigal.experience.patient import Patience, side_by_side, usual_cure
from madrigal.experience.wire import Told, body, listed, told
from madrigal.mixture.chance import bits

GO_ON = "go on with --resume: what the stage learnt is kept, and this rollout is asked for again"
_LORA = (
    "start vLLM with --enable-lora, a --max-lora-rank that fits, and "
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, and let it see the folder `adapters`"
)


@dataclass(frozen=True, slots=True)
class Served:
    """Asks a server that speaks vLLM's API for answers.

    Before a rollout `handed` writes the adapter as it is now and gives its name, which follows from
    its content, and its folder; the server loads it (`/v1/load_lora_adapter`) and lets go of the
    one before. Each prompt is sent as tokens in one request with all its answers, with a seed that
    follows from stage, task, step and place. Only the end token ends an answer; whatever else the
    server would cut or penalise by itself is turned off.
    """

    patience: Patience
    model: str  # the base there
    at_once: int
    end: int
    vocabulary: int
    context: int
    gap: float  # nats a token that its log-probabilities may be away from ours
    handed: Callable[[str], tuple[str, str]]  # task: name and folder of its adapter
    let_go: Callable[[str], None]  # of an adapter that is needed no more
    loaded: dict[str, str]  # by task: the name of what the server has

    def __call__(
        self, task: str, prompts: Sequence[Prompt], count: int, chance: tuple[int | str, ...]
    ) -> list[Told]:
        """So many answers to each of the prompts, one prompt after another.

        Raises:
            RunStopped: the server cannot be had, or is not what it should be.
        """
        try:
            with self.patience.client() as client:
                self._load(client, task)
                work = partial(self._asked, client, self.loaded[task], prompts, count, chance)
                some = side_by_side(work, len(prompts), self.at_once)
        except ModelError as problem:
            raise RunStopped(f"{problem}; {GO_ON}") from problem
        return [one for each in some for one in each]

    def compared(
        self, task: str, theirs: Sequence[Sequence[float]], ours: Float[np.ndarray, " N"]
    ) -> dict[str, float]:
        """`gap`: mean distance of the server's log-probability of a token from the trainer's, in
        nats.

        Raises:
            RunStopped: it is larger than allowed.
        """
        said = np.concatenate([np.zeros(0), *(np.array(one) for one in theirs)])
        found = float(np.abs(said - ours).mean()) if len(said) else 0.0
        if not found <= self.gap:
            raise RunStopped(
                f"{task}: {self.patience.url} tells log-probabilities that are {found:.3g} nats a "
                f"token away from the trainer's, more than the {self.gap:g} that `gap` allows: it "
                "has another base model, did not take the adapter, or computes much more coarsely; "
                f"mend the server, and {GO_ON}"
            )
        return {"gap": found}

    def _asked(
        self,
        client: Any,
        name: str,
        prompts: Sequence[Prompt],
        count: int,
        chance: tuple[int | str, ...],
        place: int,
        halt: threading.Event,
    ) -> list[Told] | None:
        one = prompts[place]
        seed = int(bits(1, "served", *chance, place)[0] >> 33)
        sent = body(name, one.tokens, one.limit, count, seed, self.end)
        read = partial(told, count=count, limit=one.limit, end=self.end, vocabulary=self.vocabulary)
        return self._ask(client, "completions", sent, read, halt)

    def _load(self, client: Any, task: str) -> None:
        """Let the server have the task's adapter as it is now."""
        if not self.loaded:
            self._check(client)
        name, folder = self.handed(task)
        before = self.loaded.get(task)
        if name == before:
            return
        given = {"lora_name": name, "lora_path": folder}
        try:
            self._ask(client, "load_lora_adapter", given, bytes, cure=lambda *_: _LORA)
        except ModelError:
            # Where a run was killed the server may have it: a name belongs to its content.
            if name not in self._listed(client):
                raise
        self.loaded[task] = name
        if before is not None:
            with suppress(ModelError):  # gone already, which is what was wanted
                self._ask(client, "unload_lora_adapter", {"lora_name": before}, bytes)
            self.let_go(before)

    def _check(self, client: Any) -> None:
        """That the server has the base, with room for our prompts and answers."""
        models = self._listed(client)
        if self.model not in models:
            names = ", ".join(sorted(models)) or "none"
            raise ModelError(
                f"{self.patience.url}: has no model {self.model!r}, it has {names}; set `model` to "
                "the one that is trained here"
            )
        longest = models[self.model]
        if longest is not None and longest < self.context:
            raise ModelError(
                f"{self.patience.url}: its longest sequence is {longest}, the model's here "
                f"{self.context}; start it with --max-model-len {self.context}, or lower "
                "model.context"
            )

    def _listed(self, client: Any) -> Mapping[str, int | None]:
        found = self._ask(client, "models", None, listed)
        return found or {}

    def _ask(
        self,
        client: Any,
        path: str,
        sent: Mapping[str, Any] | None,
        read: Callable[[bytes], Any],
        halt: threading.Event | None = None,
        cure: Callable[[int, str], str] | None = None,
    ) -> Any:
        usual = cure or (lambda status, _: usual_cure(status, self.model))
        return self.patience.ask(client, path, sent, read, halt or threading.Event(), usual)
