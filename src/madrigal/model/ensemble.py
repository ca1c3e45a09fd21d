"""Several reward models on one base, as one: an adapter and a head a member."""

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.errors import ModelError
from madrigal.model.base import resolve_base
from madrigal.model.host import choose_device
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn

VERSION = 1
FILE, MEMBERS = "ensemble.json", "members"
Aggregate = Literal["mean", "minimum", "penalised"]


def aggregate(
    scores: Float[Tensor, "M N"], how: Aggregate, penalty: float = 0.5
) -> Float[Tensor, " N"]:
    """One reward of M members' scores r_m (Coste et al., 2024):

        mean: mean_m r_m    minimum: min_m r_m    penalised: mean_m r_m - penalty var_m r_m

    with the variance over members (divided by M). The paper's penalties are 0.5 for best-of-n and
    0.1 for policy optimisation.
    """
    if how == "minimum":
        return scores.min(dim=0).values
    mean = scores.mean(dim=0)
    return mean - penalty * scores.var(dim=0, unbiased=False) if how == "penalised" else mean


@dataclass(frozen=True, slots=True)
class Facts:
    """What is written of an ensemble. `centres` are what each member scores on the average answer
    that it was made to judge: without them the one with the lowest level would be every minimum."""

    members: tuple[str, ...]
    centres: tuple[float, ...]
    how: Aggregate
    penalty: float
    context: int
    chat_template: bool
    version: int = VERSION


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Scores answers by every member; to an optimiser it is one reward.

    Differs from Coste et al., 2024: members share a frozen base, so they share its errors, and each
    member's mean over answers of the task is taken from its scores first.
    """

    facts: Facts
    network: Any  # peft's, for sequence classification, with an adapter a member
    coder: Coder

    def rewards(self, prompt: str | Sequence[Turn], answers: Sequence[str]) -> Float[Tensor, " K"]:
        """The reward of each answer to a prompt, by the ensemble's own aggregate."""
        return self.reward_of_rows(self.rows(prompt, answers))

    def rows(
        self, prompt: str | Sequence[Turn], answers: Sequence[str]
    ) -> list[Int[np.ndarray, " _"]]:
        """Prompt, answer and end token of each answer, as the members were trained on them."""
        turns = (Turn("user", prompt),) if isinstance(prompt, str) else tuple(prompt)
        record = Record("a prompt", turns=turns)
        before = self.coder.prompt(record)
        said = (self.coder.answer(record, text) for text in answers)
        return [np.concatenate([before, tokens, [self.coder.end]]) for tokens in said]

    def reward_of_rows(
        self, rows: Sequence[Int[np.ndarray, " _"]], batch_rows: int = 16
    ) -> Float[Tensor, " N"]:
        """The reward at the last token of each row."""
        scores = self.scores(rows, batch_rows)
        return aggregate(scores, self.facts.how, self.facts.penalty)

    @torch.no_grad()
    def scores(
        self, rows: Sequence[Int[np.ndarray, " _"]], batch_rows: int = 16
    ) -> Float[Tensor, "M N"]:
        """Each member's score of each row, less the member's centre. Needs no gradient."""
        order = np.argsort([len(row) for row in rows], kind="stable")
        found = torch.zeros(len(self.facts.members), len(rows))
        for number, (name, centre) in enumerate(
            zip(self.facts.members, self.facts.centres, strict=True)
        ):
            self.network.set_adapter(name)
            for start in range(0, len(rows), batch_rows):
                places = order[start : start + batch_rows]
                found[number, torch.from_numpy(places)] = self._pass([rows[k] for k in places])
            found[number] -= centre
        return found

    def _pass(self, rows: Sequence[Int[np.ndarray, " _"]]) -> Float[Tensor, " B"]:
        """The active member's scores; causality keeps the padding on the right out."""
        tokens = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
        classifier = self.network.get_base_model()
        trunk = getattr(classifier, classifier.base_model_prefix)
        device = next(trunk.parameters()).device
        states = trunk(input_ids=torch.from_numpy(tokens).to(device), use_cache=False)
        ends = torch.tensor([len(row) - 1 for row in rows], device=device)
        last = states.last_hidden_state[torch.arange(len(rows), device=device), ends]
        return classifier.score(last.float())[:, 0].cpu()


def write_ensemble(sources: Sequence[Path], folder: Path, facts: Facts) -> None:
    """Put reward models, each the folder that its stage left, side by side in a new folder.

    Raises:
        ModelError: fewer than two, a whole model instead of an adapter, or not all on one base.
    """
    if len(sources) < 2:
        raise ModelError(f"{folder}: an ensemble has two members or more; found {len(sources)}")
    bases = {str(_config(source)["base_model_name_or_path"]): source for source in sources}
    if len(bases) > 1:
        (one, first), (other, second), *_ = bases.items()
        raise ModelError(f"{second}: its base is {other}, and that of {first} is {one}; train all "
                         "members on one base")  # fmt: skip
    for name, source in zip(facts.members, sources, strict=True):
        place = folder / MEMBERS / name
        place.mkdir(parents=True)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(source / file, place / file)
    for file in sources[0].glob("*token*"):
        shutil.copyfile(file, folder / file.name)
    write_facts(folder, facts)


def write_facts(folder: Path, facts: Facts) -> None:
    """What is known of the members beside their weights."""
    text = json.dumps(asdict(facts), indent=1, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def load_ensemble(folder: Path, how: Aggregate | None = None) -> Ensemble:
    """What `write_ensemble` wrote, ready to score; `how` in place of its own aggregate.

    Raises:
        ModelError: not the folder of an ensemble, or its base is gone.
    """
    from peft import PeftModel
    from transformers import AutoTokenizer

    facts = _facts(folder)
    places = [folder / MEMBERS / name for name in facts.members]
    base = _classifier(str(_config(places[0])["base_model_name_or_path"]))
    with warnings.catch_warnings():
        # A name of transformers that peft still uses has changed; GPT-2 stores weights transposed.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to True but")
        network: Any = PeftModel.from_pretrained(base, places[0], adapter_name=facts.members[0])
        for name, place in zip(facts.members[1:], places[1:], strict=True):
            network.load_adapter(place, adapter_name=name)
    network = network.to(choose_device()).eval().requires_grad_(False)
    coder = Coder(AutoTokenizer.from_pretrained(folder), facts.context, facts.chat_template)
    return Ensemble(facts if how is None else replace(facts, how=how), network, coder)


def _facts(folder: Path) -> Facts:
    try:
        body = json.loads((folder / FILE).read_text(encoding="utf-8"))
        members, centres = tuple(map(str, body["members"])), tuple(map(float, body["centres"]))
        return Facts(**(body | {"members": members, "centres": centres}))
    except FileNotFoundError:
        raise ModelError(f"{folder}: no {FILE}; give what `madrigal ensemble` wrote") from None
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"{folder / FILE}: damaged ({problem}); make the ensemble again") from None


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise ModelError(
            f"{folder}: no adapter_config.json; the members of an ensemble are adapters on one "
            "base, so train them with `adapter: lora`"
        )
    return json.loads(file.read_text(encoding="utf-8"))


def _classifier(base: str) -> Any:
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    said = logging.get_verbosity()
    logging.set_verbosity_error()  # that the head is new: each member brings its own
    try:
        source = resolve_base(base, Path())
        return AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=1, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError) as problem:
        raise ModelError(f"the base of the members, {base}, cannot be loaded: {problem}") from None
    finally:
        logging.set_verbosity(said)
