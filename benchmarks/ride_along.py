"""What single-task baselines cost that ride along: a whole step of eight against one joint step.

A random Llama of 15M parameters with LoRA of rank 16, float32, 32 examples a step in the lengths
of Natural Instructions, eight tasks. A step is the trainer's own, from the draw to AdamW and the
record. The three ways take turns.

    joint       one adapter learns all tasks
    together    eight adapters, each of one task, in the same passes (`evaluate.baselines: true`)
    separate    eight runs, one after another, each with its own task's examples of the step
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from per_task_gradients import prepared_model
from record import Line, save
from workload import examples

from madrigal.balancing.base import Balancer
from madrigal.balancing.mean import Mean
from madrigal.mixture.row import Draw
from madrigal.mixture.source import Achieved
from madrigal.model.apart import apart
from madrigal.model.language_model import LanguageModel
from madrigal.objectives import Likelihood
from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.stage import StageSettings
from madrigal.training.loop import _Trainer
from madrigal.training.processes import Processes
from madrigal.training.ride_along import Alone, _Rider
from madrigal.training.stage_run import StageRun
from madrigal.training.step import StepParts

ROWS, TASKS, LAPS = 32, 8, 15
NAMES = tuple(f"t{k}" for k in range(TASKS))
WAYS = ("joint", "together", "separate")


@dataclass(frozen=True)
class SameStep:
    """A source whose every step draws all examples of its tasks."""

    tasks: Sequence[str]
    each: int
    steps: int = LAPS + 1

    def draws(self, step: int) -> tuple[Draw, ...]:
        assert 0 <= step < self.steps
        return tuple(Draw(task, index) for task in self.tasks for index in range(self.each))

    def asked_shares(self) -> Mapping[str, float]:
        return dict.fromkeys(self.tasks, 1 / len(self.tasks))

    def achieved(self, upto_step: int | None = None) -> dict[str, Achieved]:
        raise NotImplementedError("nobody asks in a step")


def stage_run(
    model: LanguageModel, balancer: Balancer, tasks: Sequence[str], folder: Path
) -> StageRun:
    folder.mkdir()
    rows, each = examples(ROWS, 32000), ROWS // TASKS
    parts = StepParts(
        model=model,
        objectives={name: Likelihood() for name in tasks},
        balancer=balancer,
        task_weights=dict.fromkeys(tasks, 1.0),
        microbatch_tokens=4096,
        pad=0,
        stage="stage",
        seed=0,
        processes=Processes(),
    )
    settings = StageSettings.model_validate({"name": "stage", "learn": list(NAMES), "steps": LAPS})
    held = {n: [(r,) for r in rows[each * k : each * (k + 1)]] for k, n in enumerate(NAMES)}
    return StageRun(
        settings, parts, SameStep(tasks, each), {n: held[n] for n in tasks}, folder, None, 0
    )


def steps(folder: Path) -> dict[str, Callable[[], object]]:
    """One step of each way. What a record is written to is nobody, for all of them."""
    joint = stage_run(prepared_model(), Mean(), NAMES, folder / "joint")
    riding = apart(prepared_model(), LoraAdapter(rank=16), NAMES)
    riding.network.train()
    together = stage_run(riding, Alone(), NAMES, folder / "together")
    shared = prepared_model()
    single = [_Trainer(stage_run(shared, Mean(), [n], folder / n), _nobody) for n in NAMES]
    for trainer in single:
        trainer.verified = True
    return {
        "joint": _Trainer(joint, _nobody).step,
        "together": _Rider(together, dict.fromkeys(NAMES, _nobody), ()).step,
        "separate": lambda: [trainer.step() for trainer in single],
    }


def _nobody(_: object) -> None:
    """Sees a record and keeps nothing."""


def main() -> None:
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        ways = steps(Path(name))
        for lap in range(LAPS + 1):  # the first warms up
            for way, step in ways.items():
                began = time.perf_counter()
                step()
                if lap:
                    seconds[way].append(time.perf_counter() - began)
    found = {
        way: statistics.median(a / b for a, b in zip(seconds[way], seconds["joint"], strict=True))
        for way in WAYS[1:]
    }
    lines = [
        Line(f"{TASKS} baselines in one pass", round(found["together"], 3), "x of a joint step",
             "<= 1.3 x", found["together"] <= 1.3),
        Line(f"{TASKS} baselines one by one", round(found["separate"], 3), "x of a joint step"),
    ]  # fmt: skip
    save("ride_along", lines, seconds=seconds)


if __name__ == "__main__":
    main()
