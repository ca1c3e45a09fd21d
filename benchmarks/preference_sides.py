"""The two sides of preference_tuning.py; see sides.py. A lap is one pass over the same pairs."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sides import Side, Track

from madrigal.tasks.encoded import Encoded, Example, Judged

BETA = 0.1


def pairs(count: int, prompt: int, answer: int, vocabulary: int) -> list[Example]:
    """Random tokens: two answers to one prompt, the first better."""
    chance = np.random.default_rng(0)
    made = []
    for _ in range(count):
        begin = chance.integers(1, vocabulary, prompt)
        rows = []
        for place in (0, 1):
            tokens = np.concatenate([begin, chance.integers(1, vocabulary, answer)])
            wins = (math.nan, 1.0) if place == 0 else (0.0, math.nan)
            trained = np.arange(len(tokens)) >= prompt
            rows.append(Encoded(tokens, trained, judged=Judged(place, wins)))
        made.append(tuple(rows))
    return made


def madrigal(side: Side, track: Track) -> None:
    """A stage of training as `madrigal run` does it, on pairs in a given order."""
    from madrigal.balancing import Mean
    from madrigal.mixture import Draw
    from madrigal.model.branches import why_not
    from madrigal.model.host import keep_freed_memory, set_determinism
    from madrigal.model.load import load_model
    from madrigal.objectives.dpo import Dpo
    from madrigal.recipe.model import ModelSettings
    from madrigal.recipe.stage import Batch, StageSettings
    from madrigal.training.loop import train
    from madrigal.training.processes import Processes
    from madrigal.training.record import StepRecord, Watched
    from madrigal.training.reference import Asked, answer_logps
    from madrigal.training.stage_run import StageRun
    from madrigal.training.step import StepParts

    steps_per_lap = len(track.rows) // track.rows_per_step

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
        elif (event.step - 1) % steps_per_lap == 0:
            track.end(*work(track.rows))
            if event.step < source.steps:
                track.begin()

    keep_freed_memory()
    set_determinism("repeatable", 0)
    settings = ModelSettings.model_validate(
        {"base": str(track.model), "adapter": side.adapter, "precision": side.precision}
    )
    model = load_model(settings, Path(), 0)
    source, batch = InOrder(), Batch(rows=track.rows_per_step)
    share = side.settings.get("share_prompts", True)
    assert not (share and why_not(model.network, model.causal))
    limit = side.settings.get("microbatch_tokens", batch.microbatch_tokens)
    asked = Asked(model, limit, 0, Processes(), share)
    known = answer_logps(asked, "task", track.rows, lambda *_: None)
    parts = StepParts(
        model=model,
        objectives={"task": Dpo(beta=BETA)},
        balancer=Mean(),
        task_weights={"task": 1.0},
        microbatch_tokens=limit,
        pad=0,
        stage="stage",
        seed=0,
        processes=Processes(),
        share_prompts=share,
    )
    stage = StageSettings(name="stage", learn=("task",), steps=1, checkpoint_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        held = {"task": [noted(e, v.tolist()) for e, v in zip(track.rows, known, strict=True)]}
        train(StageRun(stage, parts, source, held, Path(folder), None, 0), watch)


def noted(example: Example, values: Sequence[float]) -> Example:
    """The rows with the reference's log-probabilities."""
    return tuple(
        replace(row, judged=replace(row.judged, reference=value))
        for row, value in zip(example, values, strict=True)
    )


def work(examples: Sequence[Any]) -> tuple[int, int]:
    """Tokens of all rows, and those that are trained."""
    rows = [row for example in examples for row in example]
    return sum(row.length for row in rows), sum(row.answer_tokens for row in rows)


def trl(side: Side, track: Track) -> None:
    """TRL's DPOTrainer on the same pairs, its reference computed before; an epoch is a lap."""
    from transformers import TrainerCallback

    pairs = track.rows[: track.rows_per_step]
    with tempfile.TemporaryDirectory() as folder:
        once = {"max_steps": 1}
        check = _trainer(side, track, pairs, folder, once)
        check.train()
        track.first_loss(check.state.log_history[0]["loss"])

        class EpochIsLap(TrainerCallback):
            def on_epoch_begin(self, *_: Any, **__: Any) -> None:
                track.begin()

            def on_epoch_end(self, *_: Any, **__: Any) -> None:
                data = trainer.train_dataset
                answers = sum(len(x) for name in ("chosen_ids", "rejected_ids") for x in data[name])
                track.end(2 * sum(map(len, data["prompt_ids"])) + answers, answers)

        trainer = _trainer(side, track, track.rows, folder, {"num_train_epochs": track.laps})
        trainer.add_callback(EpochIsLap())
        trainer.train()


def _trainer(
    side: Side, track: Track, examples: Sequence[Any], folder: str, extra: dict[str, Any]
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import DPOConfig, DPOTrainer

    class Tokenised(DPOTrainer):
        """The data are tokens already."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    settings = {
        "output_dir": folder,
        "use_cpu": True,
        "bf16": side.precision == "bfloat16",
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "beta": BETA,
        "precompute_ref_log_probs": True,
        **side.settings,
        **extra,
    }
    begins = [int(example[0].trained.argmax()) for example in examples]
    data = {
        "prompt_ids": [e[0].tokens[:n].tolist() for e, n in zip(examples, begins, strict=True)],
        "chosen_ids": [e[0].tokens[n:].tolist() for e, n in zip(examples, begins, strict=True)],
        "rejected_ids": [e[1].tokens[n:].tolist() for e, n in zip(examples, begins, strict=True)],
    }
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = Tokenised(
        model=AutoModelForCausalLM.from_pretrained(track.model),
        args=DPOConfig(**settings),
        train_dataset=Dataset.from_dict(data),
        processing_class=AutoTokenizer.from_pretrained(track.model),
        peft_config=lora if side.adapter == "lora" else None,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
