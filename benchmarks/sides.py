"""The two sides of answer_tuning.py, each in a process of its own, timed a lap at a time.

A lap is one pass over the same examples: forward, backward and optimiser steps, with batches made
on the way; loading, data preparation and checkpoints lie outside. A side waits until it is told to
run its next lap, so laps of several sides can take turns.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from madrigal.tasks.encoded import Encoded


@dataclass(frozen=True, slots=True)
class Side:
    """`settings` go to TRL's SFTConfig."""

    name: str
    work: Callable[["Side", "Track"], None]
    adapter: str  # lora or full
    precision: str  # bfloat16 or float32
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lap:
    seconds: float
    processor_seconds: float
    tokens: int  # without padding
    trained: int
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Track:
    """The worker's end: what to train on, and when."""

    pipe: Connection
    model: Path
    rows: Sequence[Any]
    rows_per_step: int
    laps: int
    _clock: tuple[float, float] = (0.0, 0.0)

    def first_loss(self, loss: float) -> None:
        self.pipe.send(loss)

    def begin(self) -> None:
        self.pipe.recv()
        self._clock = (time.perf_counter(), time.process_time())

    def end(self, tokens: int, trained: int, **more: float) -> None:
        wall, busy = time.perf_counter() - self._clock[0], time.process_time() - self._clock[1]
        self.pipe.send(Lap(wall, busy, tokens, trained, more))


class Runner:
    """The benchmark's end of a side."""

    def __init__(self, side: Side, **track: Any) -> None:
        self.side = side
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_start, args=(side, other, track), daemon=True)
        self._process.start()
        other.close()

    def first_loss(self) -> float:
        return self._pipe.recv()

    def lap(self) -> Lap:
        self._pipe.send("go")
        return self._pipe.recv()

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()


def _start(side: Side, pipe: Connection, track: dict[str, Any]) -> None:
    side.work(side, Track(pipe, **track))


def madrigal(side: Side, track: Track) -> None:
    """A stage of training as `madrigal run` does it, on examples in a given order."""
    from madrigal.balancing import Mean
    from madrigal.mixture import Draw
    from madrigal.model.host import keep_freed_memory, set_determinism
    from madrigal.model.load import load_model
    from madrigal.objectives import Likelihood
    from madrigal.recipe.model import ModelSettings
    from madrigal.recipe.stage import Batch, StageSettings
    from madrigal.training.loop import train
    from madrigal.training.processes import Processes
    from madrigal.training.record import StepRecord, Watched
    from madrigal.training.stage_run import StageRun
    from madrigal.training.step import StepParts

    steps_per_lap = len(track.rows) // track.rows_per_step
    seen = {"tokens": 0, "trained": 0}

    class InOrder:
        steps = 1 + steps_per_lap * track.laps

        def draws(self, step: int) -> tuple[Draw, ...]:
            first = (step - 1) % steps_per_lap * track.rows_per_step if step else 0
            return tuple(Draw("task", i) for i in range(first, first + track.rows_per_step))

        def asked_shares(self) -> dict[str, float]:
            return {"task": 1.0}

    def watch(event: Watched) -> None:
        if not isinstance(event, StepRecord):
            return
        if event.step == 1:
            track.first_loss(event.loss["task"])
            track.begin()
            return
        seen["tokens"] += event.tokens["task"]
        drawn = source.draws(event.step - 1)
        seen["trained"] += sum(track.rows[draw.index].answer_tokens for draw in drawn)
        if (event.step - 1) % steps_per_lap == 0:
            track.end(**seen)
            seen.update(tokens=0, trained=0)
            if event.step < source.steps:
                track.begin()

    keep_freed_memory()
    set_determinism("repeatable", 0)
    settings = ModelSettings.model_validate(
        {"base": str(track.model), "adapter": side.adapter, "precision": side.precision}
    )
    model = load_model(settings, Path(), 0)
    source = InOrder()
    parts = StepParts(
        model=model,
        objectives={"task": Likelihood()},
        balancer=Mean(),
        task_weights={"task": 1.0},
        microbatch_tokens=Batch(rows=track.rows_per_step).microbatch_tokens,
        pad=0,
        stage="stage",
        seed=0,
        processes=Processes(),
    )
    stage = StageSettings(name="stage", learn=("task",), steps=1, checkpoint_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        held = {"task": [(row,) for row in track.rows]}
        train(StageRun(stage, parts, source, held, Path(folder), None, 0), watch)


def trl(side: Side, track: Track) -> None:
    """TRL's SFTTrainer on the same tokens; an epoch is a lap."""
    from transformers import TrainerCallback

    rows = track.rows[: track.rows_per_step]
    with tempfile.TemporaryDirectory() as folder:
        once = {"max_steps": 1, "gradient_accumulation_steps": len(rows)}
        check = _sft_trainer(side, track, rows, folder, once)
        check.train()
        track.first_loss(check.state.log_history[0]["loss"])

        class EpochIsLap(TrainerCallback):
            before = 0

            def on_epoch_begin(self, *_: Any, **__: Any) -> None:
                track.begin()

            def on_epoch_end(self, *_: Any, **__: Any) -> None:
                labels = trainer.train_dataset["labels"]
                trained = sum(label != -100 for row in labels for label in row)
                track.end(trainer._total_train_tokens - self.before, trained)
                self.before = trainer._total_train_tokens

        epochs = {"num_train_epochs": track.laps}
        trainer = _sft_trainer(side, track, track.rows, folder, epochs)
        trainer.add_callback(EpochIsLap())
        trainer.train()


def _sft_trainer(
    side: Side, track: Track, rows: Sequence[Encoded], folder: str, extra: dict[str, Any]
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    settings = {
        "output_dir": folder,
        "use_cpu": True,
        "bf16": side.precision == "bfloat16",
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        **side.settings,
        **extra,
    }
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    data = {
        "input_ids": [row.tokens.tolist() for row in rows],
        "completion_mask": [row.trained.astype(int).tolist() for row in rows],
    }
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(track.model),
        args=SFTConfig(completion_only_loss=True, **settings),
        train_dataset=Dataset.from_dict(data),
        processing_class=AutoTokenizer.from_pretrained(track.model),
        peft_config=lora if side.adapter == "lora" else None,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
