"""What retention costs a step: the trainer's own step under each kind against the plain one.

A random Llama of 15M parameters, full fine-tuning and LoRA of rank 16, float32, 32 examples of 128
tokens a step. A step is the trainer's own, from the draw to AdamW and the record. The ways take
turns on one thread, and a ratio is that of a step's processor time to the plain one's of the same
lap, so that other work on the machine counts for little. What is said is the mean over laps with
Student's 95 % interval, and a promise is kept where the whole interval is within it.

    EWC            one quadratic pull over all trained parameters
    replay         8 examples of an earlier task on top: a share of 0.25
    distillation   the model before the stage is asked about all rows
    O-LoRA         overlap with the A matrices of 4 earlier stages
    A-GEM          those 8 examples as a constraint instead: gradients of two tasks apart

EWC's part is the same whatever the size of a step, so a small step is shown beside.

    python benchmarks/retention.py [promised | others]     EWC and replay, or the others
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from per_task_gradients import ANSWER, LENGTH, LORA, SHAPE, prepared_model
from record import Line, save
from scipy.stats import t as student

from madrigal.balancing.agem import AGem
from madrigal.balancing.base import Balancer
from madrigal.balancing.mean import Mean
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.mixture.row import Draw
from madrigal.model.fold import adapted, fold
from madrigal.model.language_model import LanguageModel
from madrigal.objectives import Likelihood
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Distillation, Ewc, Overlap, Quadratic, Teacher
from madrigal.tasks.encoded import Encoded
from madrigal.training.loop import _Trainer
from madrigal.training.processes import Processes
from madrigal.training.split import Split
from madrigal.training.stage_run import StageRun
from madrigal.training.step import StepParts

ROWS, REPLAYED, FEW, OLDER, LAPS = 32, 8, 4, 4, 9
SHARE = REPLAYED / ROWS
EWC_LIMIT = 1.10


@dataclass(frozen=True)
class SameStep:
    """A source whose every step draws the first so many examples of each task."""

    rows: Mapping[str, int]
    steps: int = LAPS + 1

    def draws(self, step: int) -> tuple[Draw, ...]:
        assert 0 <= step < self.steps
        return tuple(Draw(task, index) for task, n in self.rows.items() for index in range(n))

    def asked_shares(self) -> Mapping[str, float]:
        return {task: n / sum(self.rows.values()) for task, n in self.rows.items()}


def examples(seed: int, count: int) -> list[tuple[Encoded]]:
    chance = torch.Generator().manual_seed(seed)
    trained = torch.arange(LENGTH) >= LENGTH - ANSWER
    tokens = torch.randint(1, SHAPE.vocabulary, (count, LENGTH), generator=chance)
    return [(Encoded(row.numpy(), trained.numpy()),) for row in tokens]


def plain_parts(model: LanguageModel) -> StepParts:
    return StepParts(
        model=model,
        objectives={"new": Likelihood(), "old": Likelihood()},
        balancer=Mean(),
        task_weights={"new": 1.0, "old": 1.0},
        microbatch_tokens=4096,
        pad=0,
        stage="stage",
        seed=0,
        processes=Processes(),
    )


def quadratic(model: LanguageModel) -> Quadratic:
    fisher = {name: torch.rand_like(p) for name, p in model.trainable()}
    return Quadratic(fisher, {name: p.detach().clone() for name, p in model.trainable()})


def guarded(parts: StepParts) -> StepParts:
    """With gradients of the two tasks apart, and the old one protected."""
    model = parts.model
    ledger = Ledger(dict(model.trainable()), HALVES * 2)
    split = Split(model, ledger, {"new": 0, "old": 1}, 0, "raw", {})
    balancer: Balancer = AGem()
    return replace(parts, balancer=balancer, split=split, protected=frozenset({"old"}))


class Ways:
    """Trainers of one model, by what they retain."""

    def __init__(self, model: LanguageModel, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.trainers: dict[str, _Trainer] = {}

    def add(self, way: str, parts: StepParts, new: int = ROWS, old: int = 0) -> None:
        folder = self.folder / f"{len(self.trainers)}"
        folder.mkdir()
        settings = StageSettings.model_validate({"name": "stage", "learn": ["new"], "steps": LAPS})
        held = {"new": examples(0, ROWS), "old": examples(1, REPLAYED)}
        source = SameStep({"new": new, "old": old})
        run = StageRun(settings, parts, source, held, folder, None, 0)
        self.trainers[way] = _Trainer(run, _nobody)

    def race(self) -> dict[str, list[float]]:
        """Processor seconds of each way over laps, after one lap that warms up."""
        seconds: dict[str, list[float]] = {way: [] for way in self.trainers}
        for lap in range(LAPS + 1):
            for way, trainer in self.trainers.items():
                began = time.process_time()
                trainer.step()
                if lap:
                    seconds[way].append(time.process_time() - began)
        return seconds


def _nobody(_: object) -> None:
    """Sees a record and keeps nothing."""


def promised(model: LanguageModel, folder: Path, lora: bool) -> Ways:
    del lora  # the same with adapters
    found, parts = Ways(model, folder), plain_parts(model)
    ewc = replace(parts, terms=(Ewc(model.trainable(), quadratic(model), 1.0),))
    found.add("plain", parts)
    found.add("EWC", ewc)
    found.add("replay", parts, old=REPLAYED)
    found.add(f"plain, {FEW} rows", parts, new=FEW)
    found.add(f"EWC, {FEW} rows", ewc, new=FEW)
    return found


def others(model: LanguageModel, folder: Path, lora: bool) -> Ways:
    found, parts = Ways(model, folder), plain_parts(model)
    found.add("plain", parts)
    asked = Distillation(Teacher(model), 1.0, frozenset({"new"}))
    found.add("distillation", replace(parts, distillation=asked))
    if lora:
        for seed in range(OLDER):
            fold(model, seed)
        found.add(f"O-LoRA, {OLDER} before", replace(parts, terms=(Overlap(adapted(model), 0.5),)))
    found.add("A-GEM", guarded(parts), old=REPLAYED)
    return found


PARTS = {"promised": ("retention", promised), "others": ("retention_others", others)}


def ratio(
    seconds: Mapping[str, Sequence[float]], way: str, plain: str = "plain"
) -> tuple[float, float, float]:
    """Mean over laps, and the ends of its interval."""
    each = np.array(seconds[way]) / np.array(seconds[plain])
    half = student.ppf(0.975, len(each) - 1) * each.std(ddof=1) / len(each) ** 0.5
    return float(each.mean()), float(each.mean() - half), float(each.mean() + half)


def line(how: str, seconds: Mapping[str, Sequence[float]], way: str) -> Line:
    few = f", {FEW} rows"
    found, low, high = ratio(seconds, way, "plain" + few if way.endswith(few) else "plain")
    limit = {"EWC": EWC_LIMIT, "replay": 1 + SHARE}.get(way)
    target, met = ("", None) if limit is None else (f"<= {limit:.2f} x", high <= limit)
    what = f"{how}: {way}" + (f", share {SHARE:g}" if way == "replay" else "")
    unit = f"x of a plain step ({low:.3f} to {high:.3f})"
    return Line(what, round(found, 3), unit, target, met)


def main() -> None:
    torch.set_num_threads(1)
    for part in sys.argv[1:] or PARTS:
        result, ways = PARTS[part]
        lines, details = [], {}
        for how, adapter in (("full", "full"), ("LoRA", LORA)):
            with tempfile.TemporaryDirectory() as name:
                model = prepared_model(adapter)
                seconds = ways(model, Path(name), how == "LoRA").race()
            every, trained = model.parameter_counts()
            lines += [line(how, seconds, way) for way in seconds if not way.startswith("plain")]
            details[how] = {"parameters": every, "trained": trained, "seconds": seconds}
        save(result, lines, **details)


if __name__ == "__main__":
    main()
