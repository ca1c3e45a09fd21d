"""The two sides of own_answers.py; see sides.py. A lap is one step on as many prompts as any other:
answers are written, rewarded, read by the reference, and learnt from."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sides import Side, Track

END = "<|never|>"  # a word beyond the model's vocabulary: no answer ends before its limit


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does on every side: `method` is rloo or grpo."""

    method: str
    beta: float
    prompts: int
    samples: int
    prompt: int  # tokens
    answer: int

    @property
    def answers(self) -> int:
        return self.prompts * self.samples


@dataclass
class Seen:
    """What a side is known to have done in a lap."""

    read: int = 0  # tokens of prompts, once for each answer
    written: int = 0
    rewarded: int = 0
    entropy: float = 0.0  # of a token written, in nats
    writing: float = 0.0  # seconds

    def tell(self, track: Track) -> None:
        """The end of the lap."""
        track.end(
            self.read + self.written,
            self.written,
            answers=self.rewarded,
            entropy=self.entropy,
            writing=self.writing,
        )


def texts(work: Work, vocabulary: int, laps: int) -> list[str]:
    """Prompts of random words, another for every place of every lap."""
    chance = np.random.default_rng(0)
    words = chance.integers(1, vocabulary, (laps * work.prompts, work.prompt))
    return [" ".join(f"w{number}" for number in row) for row in words.tolist()]


def worth(answers: Sequence[str]) -> list[float]:
    """A reward that costs nothing: the share of words with an even number."""
    return [
        sum(w[-1] in "02468" for w in text.split()) / max(1, text.count(" ")) for text in answers
    ]


def add_end(folder: Path) -> None:
    """Give a model's folder the end that it cannot write, and words split at spaces."""

    def changed(name: str, change: Callable[[dict[str, Any]], Any]) -> None:
        path = folder / name
        body = json.loads(path.read_text(encoding="utf-8"))
        change(body)
        path.write_text(json.dumps(body), encoding="utf-8")

    def with_words(body: dict[str, Any]) -> None:
        body["model"]["vocab"][END] = len(body["model"]["vocab"])
        body["pre_tokenizer"] = {"type": "WhitespaceSplit"}

    size = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    changed("tokenizer.json", with_words)
    changed("tokenizer_config.json", lambda body: body.update(eos_token=END))
    for name in ("config.json", "generation_config.json"):
        changed(name, lambda body: body.update(eos_token_id=size))


def madrigal(side: Side, track: Track) -> None:
    """A stage of training as `madrigal run` does it, on prompts in a given order."""
    from madrigal.balancing import Mean
    from madrigal.experience.answer import Prompt, Worth
    from madrigal.experience.plan import Plan
    from madrigal.experience.rollouts import Rollouts
    from madrigal.mixture import Draw
    from madrigal.model.branches import why_not
    from madrigal.model.host import keep_freed_memory, set_determinism
    from madrigal.model.load import load_model
    from madrigal.objectives.build import build_objective
    from madrigal.recipe import policy
    from madrigal.recipe.model import ModelSettings
    from madrigal.recipe.reward import RewardFunction
    from madrigal.recipe.stage import Batch, StageSettings
    from madrigal.retention import Teacher
    from madrigal.tasks.record import Record, Turn
    from madrigal.training.loop import train
    from madrigal.training.processes import Processes
    from madrigal.training.record import Rollout, StepRecord, Watched
    from madrigal.training.reference import Asked
    from madrigal.training.stage_run import StageRun
    from madrigal.training.step import StepParts

    work: Work = side.settings["work"]
    keep_freed_memory()
    set_determinism("repeatable", 0)
    settings = ModelSettings.model_validate(
        {"base": str(track.model), "adapter": side.adapter, "precision": side.precision}
    )
    model = load_model(settings, Path(), 0)
    tokens = [np.array(ids) for ids in model.tokenizer(list(track.rows))["input_ids"]]
    records = [Record("prompt", (Turn("user", text),)) for text in track.rows]
    seen = Seen()

    class InOrder:
        steps = track.laps

        def draws(self, step: int) -> tuple[Draw, ...]:
            first = step * work.prompts
            return tuple(Draw("task", n) for n in range(first, first + work.prompts))

        def asked_shares(self) -> dict[str, float]:
            return {"task": 1.0}

    def reward(answers: Sequence[Any]) -> Any:
        seen.rewarded += len(answers)
        seen.written += sum(len(one.tokens) for one in answers)
        seen.read += sum(len(one.prompt.tokens) for one in answers)
        return Worth(np.array(worth([one.text for one in answers])))

    def watch(event: Watched) -> None:
        nonlocal seen
        if isinstance(event, Rollout):
            seen.entropy, seen.writing = event.means["entropy"], event.seconds["writing"]
        if isinstance(event, StepRecord):
            seen.tell(track)
            seen = Seen()
            if event.step < track.laps:
                track.begin()

    kinds = {"rloo": policy.Rloo, "grpo": policy.Grpo}
    how = kinds[work.method](
        reward=(RewardFunction(name="own.worth"),),
        samples=work.samples,
        beta=work.beta,
        guard=policy.PolicyGuard(act=False),
    )
    share = bool(side.settings.get("share_prompts", True))
    assert not (share and why_not(model.network, model.causal))
    limit = side.settings.get("microbatch_tokens", Batch(rows=work.prompts).microbatch_tokens)
    plan = Plan(how, lambda n: Prompt(tokens[n], records[n], work.answer), reward)
    asked = Asked(model, limit, 0, Processes(), share)
    end = model.tokenizer.eos_token_id
    rollouts = Rollouts({"task": plan}, asked, Teacher(model), end, (0, "answers"), 8192)
    parts = StepParts(
        model=model,
        objectives={"task": build_objective(how, None)},
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
        held: dict[str, list[Any]] = {"task": [None] * len(tokens)}
        run = StageRun(stage, parts, InOrder(), held, Path(folder), None, 0, acting=rollouts)
        track.begin()
        train(run, watch)


def trl(side: Side, track: Track) -> None:
    """TRL's RLOOTrainer or GRPOTrainer on the same prompts; a step of its optimiser is a lap."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from transformers.trainer_callback import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    given: Mapping[str, Any] = side.settings
    work: Work = given["work"]
    trainers = {"rloo": (RLOOTrainer, RLOOConfig), "grpo": (GRPOTrainer, GRPOConfig)}
    kind, config = trainers[work.method]
    seen = Seen()

    def reward(prompts: Any, completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        seen.rewarded += len(completions)
        seen.written += sum(map(len, completion_ids))
        seen.read += sum(len(prompt.split()) for prompt in prompts)
        return worth(completions)

    class Timed(kind):
        def _generate(self, *given: Any, **more: Any) -> Any:
            since = time.perf_counter()
            found = super()._generate(*given, **more)
            seen.writing += time.perf_counter() - since
            return found

    class StepIsLap(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            nonlocal seen
            seen.entropy = float(np.mean(trainer._metrics["train"]["entropy"]))
            seen.tell(track)
            seen = Seen()
            if trainer.state.global_step < track.laps:
                track.begin()

    batch = given.get("batch", 8)
    settings = {
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "beta": work.beta,
        "num_generations": work.samples,
        "max_completion_length": work.answer,
        "shuffle_dataset": False,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": work.answers // batch,
        "max_steps": track.laps,
        **given.get("trl", {}),
    }
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Timed(
            model=AutoModelForCausalLM.from_pretrained(track.model),
            args=config(output_dir=folder, **settings),
            train_dataset=Dataset.from_dict({"prompt": list(track.rows)}),
            processing_class=AutoTokenizer.from_pretrained(track.model),
            reward_funcs=reward,
            peft_config=lora if side.adapter == "lora" else None,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(StepIsLap())
        track.begin()
        trainer.train()
