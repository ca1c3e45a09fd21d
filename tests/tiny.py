"""Tiny models, rows and stages: real code paths in milliseconds."""

import functools
from dataclasses import dataclass

import numpy as np
import torch
import transformers

from madrigal.balancing import Mean
from madrigal.mixture import Draw
from madrigal.model.adapter import add_private
from madrigal.model.base import fresh_tokenizer
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import add_adapter
from madrigal.objectives import Likelihood
from madrigal.recipe.model import FullAdapter, LoraAdapter, ModelSettings, NewModel
from madrigal.recipe.stage import StageSettings
from madrigal.retention import Pull
from madrigal.tasks.encoded import Encoded
from madrigal.training.processes import Processes
from madrigal.training.stage_run import StageRun
from madrigal.training.step import StepParts

torch.set_num_threads(1)

VOCABULARY = 300
CONTEXT = 64
TEXTS = (
    "the choir sings in the morning and the bell rings",
    "a small boat on the river carries wood and salt to the town",
    "when the rain falls the children stay in and tell stories",
)

WIDE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": CONTEXT,
}  # fmt: skip
SHAPES = {
    "llama": WIDE,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT},
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 2, "num_heads": 4, "intermediate_size": 48,
        "window_size": 8, "attention_types": [[["global", "local"], 1]],
        "max_position_embeddings": CONTEXT,
    },
}  # fmt: skip

# Dropout has another name in every architecture.
NO_DROPOUT = {
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "gpt_neo": {"resid_dropout": 0.0, "embed_dropout": 0.0, "attention_dropout": 0.0},
}


@functools.cache
def tokenizer():
    """Byte-level BPE with a few merges."""
    return fresh_tokenizer(TEXTS, ModelSettings(base="new", new=NewModel(vocabulary=VOCABULARY)))


def network(kind="llama", seed=0, **changes):
    """A causal model of transformers with random weights large enough to tell tokens apart."""
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        initializer_range=0.15,
        **(SHAPES.get(kind, {}) | NO_DROPOUT.get(kind, {}) | changes),
    )
    torch.manual_seed(seed)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


LORA = LoraAdapter(rank=3, alpha=6.0)


def model(kind="llama", adapter=None, seed=0, precision=torch.float32, **changes):
    """A language model; `adapter` as in a recipe, full by default."""
    held = add_adapter(network(kind, seed, **changes), adapter or FullAdapter(), seed)
    if adapter is not None:  # a fresh adapter does nothing, which would hide mistakes
        torch.manual_seed(seed + 1)
        for _, parameter in held.named_parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.1)
    cpu = torch.device("cpu")
    return LanguageModel(held, tokenizer(), cpu, CONTEXT, kind, precision)


def private_model(adapter, tasks, kind="llama", start=None, precision=torch.float32):
    """A language model with private parts of tasks; with `start` none of them begins at nothing."""
    held = add_adapter(network(kind), adapter, 0)
    private = add_private(held, adapter, tasks, 0)
    if start is not None:
        torch.manual_seed(start)
        for parameter in held.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.1)
    cpu = torch.device("cpu")
    return LanguageModel(held, tokenizer(), cpu, CONTEXT, kind, precision, private)


def row(length, answer, seed=0):
    """A row of random tokens of which the last `answer` are trained."""
    chance = np.random.default_rng([length, answer, seed])
    trained = np.arange(length) >= length - answer
    return Encoded(chance.integers(1, VOCABULARY, length), trained)


def examples(count, seed=0, longest=24):
    """Examples of one row each, of mixed lengths."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(4, longest + 1, count).tolist()
    answers = [int(chance.integers(1, min(6, length))) for length in lengths]
    shapes = enumerate(zip(lengths, answers, strict=True))
    return [(row(length, answer, 1000 * seed + i),) for i, (length, answer) in shapes]


def drawn(**counts):
    """Examples of several tasks, mixed: `drawn(a=3, b=2)`."""
    pools = {t: iter(examples(n, seed)) for seed, (t, n) in enumerate(counts.items(), 1)}
    order = [task for task, n in counts.items() for _ in range(n)]
    np.random.default_rng(7).shuffle(order)
    return [(str(task), next(pools[str(task)])) for task in order]


def parts(held, tasks=("a", "b"), **changes):
    """What steps work with. `pulls` and `objectives` by task, the rest as in `StepParts`."""
    pulls = changes.pop("pulls", {})
    settled = {
        "model": held,
        "objectives": {task: Likelihood() for task in tasks},
        "balancer": Mean(),
        "task_weights": dict.fromkeys(tasks, 1.0),
        "microbatch_tokens": 256,
        "pad": 0,
        "stage": "together",
        "seed": 0,
        "processes": Processes(),
        "terms": (Pull([p for _, p in held.trainable()], pulls),),
    }
    return StepParts(**(settled | changes))


def gradients(held):
    """Name to gradient of everything that is trained."""
    return {name: p.grad.clone() for name, p in held.trainable() if p.grad is not None}


def weights(held):
    """Name to a copy of everything that is trained."""
    return {name: p.detach().clone() for name, p in held.trainable()}


@dataclass(frozen=True)
class Schedule:
    """A source: so many examples of every task at every step, in turn."""

    steps: int
    tasks: tuple = ("a", "b")
    rows: int = 2
    size: int = 10

    def draws(self, step):
        first = step * self.rows
        return tuple(
            Draw(task, (first + i) % self.size) for task in self.tasks for i in range(self.rows)
        )

    def asked_shares(self):
        return {task: 1 / len(self.tasks) for task in self.tasks}


def stage(**keys):
    """Settings of a stage."""
    return StageSettings(**({"name": "together", "learn": ("a", "b"), "steps": 8} | keys))


def stage_run(folder, held, settings=None, validate=None, validate_every=0, **changes):
    """A stage ready to train on random examples of tasks a and b."""
    settings = settings or stage()
    tasks = settings.learn
    return StageRun(
        settings=settings,
        parts=parts(held, tasks, **changes),
        source=Schedule(settings.steps, tasks),
        examples={task: examples(10, seed) for seed, task in enumerate(tasks, 1)},
        checkpoints=folder / "checkpoints",
        validate=validate,
        validate_every=validate_every,
    )
