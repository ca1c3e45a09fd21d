"""No key of a recipe is accepted and then ignored.

Every leaf of the schema has a row: a recipe in which the key matters, and another value for it.
The other value must change what a run builds and is handed (`traced`), or be refused. A key that is
new in the schema has no row and fails the test.
"""

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
import torch
import yaml

import tiny
import tiny_run
from judged import NAMED, other
from madrigal.cli.app import main
from madrigal.errors import UserMistake
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.policy import Acting, BestOfN, Grpo, OnlineDpo, PolicyGuard, Ppo, Rloo, Server
from madrigal.recipe.schema import Recipe
from madrigal.recipe.shape import kind_of, shapes
from traced import trace


def leaves(model, place=""):
    """Every key that holds a value, kinds in brackets: `stages[N].mixture(balanced).unit`."""
    for name, shape in shapes(model).items():
        here = f"{place}.{name}" if place else name
        inner = [
            (part, step)
            for part, step in ((shape, ""), (shape.items, "[N]"), (shape.values, ".NAME"))
            if part is not None and part.models
        ]
        for part, step in inner:
            for settings in part.models:
                kind = kind_of(settings)
                yield from leaves(settings, f"{here}{step}" + (f"({kind})" if kind else ""))
        if not inner:
            yield here


NOTHING = object()  # as a value: the key is left out


@dataclass(frozen=True)
class Row:
    """`other` is the new value at `at`; `given` makes the key matter. Both by dotted paths."""

    at: str
    other: Any
    given: dict[str, Any] = field(default_factory=dict)
    refused: str = ""  # the sentence, where the other value is no value


NEW = {"model": copy.deepcopy(tiny_run.keys()["model"])}
LORA = {"model.adapter": {"kind": "lora", "rank": 2}}
PRIVATE = {"model.adapter": {"kind": "lora", "rank": 2, "private": 2}}
HUB = {"tasks.mood.data": {"hub": {"id": "us/moods"}}}
SPLIT = {"tasks.mood.data": {"train": "mood.train.jsonl"}}
RULES = {"tasks.mood.data": {"train": "rules.json"}}
WATCHED = {
    "tasks.watched": {"data": {"train": "mood.test.jsonl"}},
    "tasks.more": {"data": {"train": "more.jsonl"}},
    "evaluate.general": ["watched", "more"],
}
EDITS = {"tasks.mood.augment": {"edits": 0.9}}
BOOK = {
    "tasks.book": {"data": {"train": "book.txt", "select": {"near": "echo", "share": 0.3,
                                                            "passage": 200}}},
    "stages.0.learn": ["mood", "echo", "book"],
}  # fmt: skip
HOLES = {"tasks.mood.data.train": "holes.jsonl", "tasks.mood.data.on_bad": "drop"}


def rated(**feedback):
    """A task that is watched: texts with ratings of `wit` and `depth`, and counted votes."""
    task = {"data": {"train": "rated.jsonl"}, "feedback": {"scale": [0, 9]} | feedback}
    return {"tasks.rated": task, "evaluate.general": ["rated"]}


VOTED = {
    "tasks.voted": {"data": {"train": "voted.jsonl"}, "feedback": {"in_order": False}},
    "evaluate.general": ["voted"],
}
STAGE = {"name": "together", "learn": ["mood", "echo"], "steps": 6, "batch": {"rows": 4}}
TWO = {"stages": [STAGE, STAGE | {"name": "after"}]}
EPOCHS = {"stages.0.steps": NOTHING, "stages.0.epochs": 1.0}
TOKENS = {"stages.0.batch": {"tokens": 100}}
EARLY = {"stages.0.early_stop": {"patience": 2}}
EASY = {"stages.0.curriculum": {"difficulty": {"by": "length"}}}

# A finished run to go on from, and a recipe that does.
OLD = {
    "name": "old",
    "model": {"base": "base", "adapter": "full"},
    "tasks": {name: copy.deepcopy(tiny_run.keys()["tasks"][name]) for name in ("mood", "echo")},
    "stages": [
        {"name": f"learn-{task}", "learn": task, "steps": 1, "batch": {"rows": 2}}
        for task in ("mood", "echo")
    ],
    "evaluate": {"base": False, "draws": 200},
}
JUDGES = {
    "name": "judges",
    "model": {"base": "base", "adapter": {"kind": "lora", "rank": 2}},
    "tasks": {name: {"data": {"train": "voted.jsonl"}, "feedback": {"in_order": False}}
              for name in ("one", "two")},
    "stages": [{"name": "judge", "learn": ["one", "two"], "steps": 2, "batch": {"rows": 4},
                "objective": {"one": "reward", "two": "reward"}}],
    "evaluate": {"base": False, "draws": 200},
}  # fmt: skip
GOES_ON = {"start_from": {"run": "old", "learned": ["mood", "echo"]}}

ROWS = {
    "start_from.run": Row("start_from.run", "nowhere", GOES_ON, refused="no recipe.yaml"),
    "start_from.stage": Row("start_from.stage", "learn-mood", {"start_from": {"run": "old"}}),
    "start_from.learned": Row("start_from.learned", ["mood"], GOES_ON),
    "extendable": Row("extendable", True),
    "curate.checks": Row("curate", "none"),
    "curate.records": Row("curate", {"records": 20}),
    "name": Row("name", "other"),
    "seed": Row("seed", 4),
    "determinism": Row("determinism", "fast"),
    "model.base": Row("model.base", "base2"),
    "model.new.vocabulary": Row("model.new.vocabulary", 310, NEW),
    "model.new.width": Row("model.new.width", 48, NEW),
    "model.new.layers": Row("model.new.layers", 3, NEW),
    "model.new.heads": Row("model.new.heads", 2, NEW),
    "model.new.key_value_heads": Row("model.new.key_value_heads", 4, NEW),
    "model.new.mlp": Row("model.new.mlp", 64, NEW),
    "model.new.context": Row("model.new.context", 80, NEW),
    "model.new.dropout": Row("model.new.dropout", 0.2, NEW),
    "model.adapter(lora).kind": Row("model.adapter", "full", LORA),
    "model.adapter(lora).rank": Row("model.adapter.rank", 3, LORA),
    "model.adapter(lora).alpha": Row("model.adapter.alpha", 1.0, LORA),
    "model.adapter(lora).dropout": Row("model.adapter.dropout", 0.2, LORA),
    "model.adapter(lora).targets": Row("model.adapter.targets", ["q_proj"], LORA),
    "model.adapter(lora).layers": Row("model.adapter.layers", [0], LORA),
    "model.adapter(lora).private.rank": Row("model.adapter.private", 3, PRIVATE),
    "model.adapter(lora).private.alpha": Row(
        "model.adapter.private", {"rank": 2, "alpha": 1.0}, PRIVATE
    ),
    "model.adapter(lora).private.layers": Row(
        "model.adapter.private", {"rank": 2, "layers": [1]}, PRIVATE
    ),
    "model.adapter(lora).private.head": Row(
        "model.adapter.private", {"rank": 2, "head": True}, PRIVATE
    ),
    "model.adapter(lora).private.tasks": Row(
        "model.adapter.private", {"rank": 2, "tasks": "mood"}, PRIVATE
    ),
    "model.adapter(lora).private.router": Row(
        "model.adapter.private", {"rank": 2, "router": True}, PRIVATE
    ),
    "model.adapter(lora).private.groups": Row(
        "model.adapter.private", {"rank": 2, "groups": {"both": ["mood", "echo"]}}, PRIVATE
    ),
    "model.adapter(full).kind": Row("model.adapter", "lora"),
    "model.precision": Row("model.precision", "bfloat16", {"model.precision": "float32"}),
    "model.context": Row("model.context", 60),
    "model.chat_template": Row("model.chat_template", False, {"model.base": "chat"}),
    "model.dropout": Row("model.dropout", 0.3),
    "model.gradient_checkpointing": Row("model.gradient_checkpointing", True),
    "model.shard": Row("model.shard", True, refused="nothing is frozen"),
    "model.trust_remote_code": Row("model.trust_remote_code", True),
    "model.revision": Row("model.revision", "v2"),
    "tasks.NAME.data.train": Row("tasks.mood.data.train", "more.jsonl"),
    "tasks.NAME.data.validation": Row("tasks.mood.data.validation", "mood.test.jsonl"),
    "tasks.NAME.data.test": Row("tasks.mood.data.test", "mood.validation.jsonl"),
    "tasks.NAME.data.hub.id": Row("tasks.mood.data.hub.id", "us/others", HUB),
    "tasks.NAME.data.hub.config": Row("tasks.mood.data.hub.config", "large", HUB),
    "tasks.NAME.data.hub.revision": Row("tasks.mood.data.hub.revision", "v2", HUB),
    "tasks.NAME.data.hub.train": Row("tasks.mood.data.hub.train", "more", HUB),
    "tasks.NAME.data.hub.validation": Row("tasks.mood.data.hub.validation", "dev", HUB),
    "tasks.NAME.data.hub.test": Row("tasks.mood.data.hub.test", "held", HUB),
    "tasks.NAME.data.bundled": Row(
        "tasks.mood.data.bundled",
        "translation",
        {"tasks.mood.data": {"bundled": "clock", "max_train": 30, "max_test": 5}},
    ),
    "tasks.NAME.data.format": Row("tasks.mood.data.format", "alpaca", refused="no field"),
    "tasks.NAME.data.columns": Row("tasks.mood.data.columns", {"label": "place"}),
    "tasks.NAME.data.split.validation": Row("tasks.mood.data.split.validation", 0.3, SPLIT),
    "tasks.NAME.data.split.test": Row("tasks.mood.data.split.test", 0.3, SPLIT),
    "tasks.NAME.data.split.seed": Row("tasks.mood.data.split.seed", 1, SPLIT),
    "tasks.NAME.data.on_bad": Row("tasks.mood.data.on_bad", "error", HOLES, refused="is null"),
    "tasks.NAME.feedback.aspect": Row("tasks.rated.feedback.aspect", "depth", rated(aspect="wit")),
    "tasks.NAME.feedback.scale": Row("tasks.rated.feedback.scale", [0, 10], rated(aspect="wit")),
    "tasks.NAME.feedback.counts": Row(
        "tasks.rated.feedback.counts", {"bad": 1, "good": 2}, rated(counts={"bad": 0, "good": 2})
    ),
    "tasks.NAME.feedback.in_order": Row("tasks.voted.feedback.in_order", True, VOTED),
    "tasks.NAME.feedback.aggregate": Row(
        "tasks.voted.feedback.aggregate", "mace", VOTED, refused="without annotator"
    ),
    "tasks.NAME.data.select.near": Row("tasks.book.data.select.near", "mood", BOOK),
    "tasks.NAME.data.select.share": Row("tasks.book.data.select.share", 0.5, BOOK),
    "tasks.NAME.data.select.characters": Row(
        "tasks.book.data.select", {"near": "echo", "characters": 900}, BOOK
    ),
    "tasks.NAME.data.select.passage": Row("tasks.book.data.select.passage", 400, BOOK),
    "tasks.NAME.augment.edits": Row("tasks.mood.augment.edits", 0.5, EDITS),
    "tasks.NAME.augment.swaps": Row(
        "tasks.mood.augment.swaps", 0.5, EDITS | {"tasks.mood.data": {"train": "people.jsonl"}}
    ),
    "tasks.NAME.augment.templates": Row(
        "tasks.mood.augment.templates", 0.5, EDITS | {"tasks.mood.prompt": "Text: {text}\nMood:"}
    ),
    "tasks.NAME.augment.written": Row("tasks.mood.augment.written", "said.jsonl", EDITS),
    "tasks.NAME.augment.rate": Row("tasks.mood.augment.rate", 0.4, EDITS),
    "tasks.NAME.data.max_train": Row("tasks.mood.data.max_train", 20),
    "tasks.NAME.data.max_validation": Row("tasks.mood.data.max_validation", 3),
    "tasks.NAME.data.max_test": Row("tasks.mood.data.max_test", 3),
    "tasks.NAME.prompt": Row("tasks.mood.prompt", "How is {text}?"),
    "tasks.NAME.answer": Row("tasks.echo.answer", "It is {completion}"),
    "tasks.NAME.system": Row("tasks.echo.system", "Be short."),
    "tasks.NAME.labels": Row("tasks.mood.labels", {"good": "up", "bad": "down"}),
    "tasks.NAME.metric": Row("tasks.mood.metric", "macro_f1"),
    "tasks.NAME.normalise_choices": Row("tasks.mood.normalise_choices", "bytes"),
    "tasks.NAME.max_new_tokens": Row("tasks.echo.max_new_tokens", 7),
    "tasks.NAME.instruction.definition": Row("tasks.mood.instruction.definition", False, RULES),
    "tasks.NAME.instruction.cautions": Row("tasks.mood.instruction.cautions", True, RULES),
    "tasks.NAME.instruction.positive": Row("tasks.mood.instruction.positive", 1, RULES),
    "tasks.NAME.instruction.negative": Row("tasks.mood.instruction.negative", 1, RULES),
    "tasks.NAME.instruction.explanations": Row(
        "tasks.mood.instruction.explanations", True, RULES | {"tasks.mood.instruction.positive": 1}
    ),
    "tasks.NAME.cluster": Row("tasks.mood.cluster", "place"),
    "tasks.NAME.role": Row("tasks.mood.role", "auxiliary"),
    "tasks.NAME.weight": Row("tasks.mood.weight", 2.0),
    "tasks.NAME.max_epochs": Row("tasks.mood.max_epochs", 0.2),
    "tasks.NAME.label_smoothing": Row("tasks.mood.label_smoothing", 0.1),
    "tasks.NAME.pull_to_start": Row("tasks.mood.pull_to_start", 0.5),
    "stages[N].name": Row("stages.0.name", "other"),
    "stages[N].learn": Row("stages.0.learn", ["mood"], TWO),
    "stages[N].steps": Row("stages.0.steps", 9),
    "stages[N].epochs": Row("stages.0.epochs", 2.0, EPOCHS),
    "stages[N].batch.rows": Row("stages.0.batch.rows", 5),
    "stages[N].batch.tokens": Row("stages.0.batch.tokens", 150, TOKENS),
    "stages[N].batch.microbatch_tokens": Row("stages.0.batch.microbatch_tokens", 99),
    "stages[N].balance(mean).kind": Row("stages.0.balance", "equal"),
    "stages[N].balance(equal).kind": Row("stages.0.balance", "mean", {"stages.0.balance": "equal"}),
    "stages[N].objective.NAME(likelihood).kind": Row(
        "stages.0.objective", {"mood": "nothing"}, refused="objective"
    ),
    "stages[N].objective.NAME(likelihood).normalise": Row(
        "stages.0.objective", {"mood": {"kind": "likelihood", "normalise": "examples"}}
    ),
    "stages[N].gradients.measure_every": Row("stages.0.gradients.measure_every", 2),
    "stages[N].gradients.by_layer": Row("stages.0.gradients.by_layer", True),
    "stages[N].gradients.metric": Row("stages.0.gradients.metric", "adam"),
    "stages[N].optimiser.learning_rate": Row("stages.0.optimiser.learning_rate", 0.002),
    "stages[N].optimiser.weight_decay": Row("stages.0.optimiser.weight_decay", 0.1),
    "stages[N].optimiser.beta1": Row("stages.0.optimiser.beta1", 0.8),
    "stages[N].optimiser.beta2": Row("stages.0.optimiser.beta2", 0.9),
    "stages[N].optimiser.epsilon": Row("stages.0.optimiser.epsilon", 1e-6),
    "stages[N].optimiser.clip": Row("stages.0.optimiser.clip", 0.5),
    "stages[N].optimiser.schedule": Row("stages.0.optimiser.schedule", "linear"),
    "stages[N].optimiser.warmup": Row("stages.0.optimiser.warmup", 0.5),
    "stages[N].optimiser.final": Row("stages.0.optimiser.final", 0.5),
    "stages[N].validate_every": Row("stages.0.validate_every", 2),
    "stages[N].early_stop.patience": Row("stages.0.early_stop.patience", 1, EARLY),
    "stages[N].early_stop.min_gain": Row("stages.0.early_stop.min_gain", 0.1, EARLY),
    "stages[N].early_stop.per_task": Row("stages.0.early_stop.per_task", True, EARLY),
    "stages[N].early_stop.maintenance": Row(
        "stages.0.early_stop.maintenance", 0.2, EARLY | {"stages.0.early_stop.per_task": True}
    ),
    "stages[N].early_stop.roll_back": Row(
        "stages.0.early_stop.roll_back", True,
        PRIVATE | EARLY | {"stages.0.early_stop.per_task": True},
    ),
    "stages[N].curriculum.enter": Row("stages.0.curriculum", {"enter": {"echo": 0.5}}),
    "stages[N].curriculum.difficulty.by": Row(
        "stages.0.curriculum.difficulty.by", "base_loss", EASY
    ),
    "stages[N].curriculum.difficulty.start": Row("stages.0.curriculum.difficulty.start", 0.6, EASY),
    "stages[N].curriculum.difficulty.full_at": Row(
        "stages.0.curriculum.difficulty.full_at", 1.0, EASY
    ),
    "stages[N].curriculum.difficulty.power": Row("stages.0.curriculum.difficulty.power", 1.0, EASY),
    "stages[N].curriculum.difficulty.easy_first": Row(
        "stages.0.curriculum.difficulty.easy_first", False, EASY
    ),
    "stages[N].checkpoint_every": Row("stages.0.checkpoint_every", 2),
    "evaluate.base": Row("evaluate.base", False),
    "evaluate.filter": Row("evaluate.filter", "plain"),
    "evaluate.split": Row("evaluate.split", "validation"),
    "evaluate.baselines": Row("evaluate.baselines", True),
    "evaluate.general": Row("evaluate.general", ["more", "watched"], WATCHED),
    "evaluate.few_shot": Row("evaluate.few_shot", 2),
    "tasks.NAME.shots": Row("tasks.mood.shots", 6),
    "tasks.NAME.draw": Row("tasks.mood.draw", 1, {"tasks.mood.shots": 6}),
    "evaluate.kl": Row("evaluate.kl", True),
    "evaluate.confidence": Row("evaluate.confidence", 0.9),
    "evaluate.draws": Row("evaluate.draws", 300),
    "evaluate.batch_tokens": Row("evaluate.batch_tokens", 999),
    "track": Row("track", ["tensorboard"]),
}  # fmt: skip

FROZEN = {"stages.0.freeze": {"layers": [0]}}
for key, value in {
    "layers": {"layers": [1]}, "embeddings": {"layers": [0], "embeddings": True},
    "head": {"layers": [0], "head": True}, "modules": {"layers": [0], "modules": ["q_proj"]},
}.items():  # fmt: skip
    ROWS[f"stages[N].freeze.{key}"] = Row("stages.0.freeze", value, FROZEN)

# What some objectives can use.
JUDGED_BY = {
    "kto": {"data": {"train": "thumbed.jsonl"}},
    "rating_difference": {"data": {"train": "graded.jsonl"}, "feedback": {"scale": [0, 9]}},
    "correction": {"data": {"train": "corrected.jsonl"}},
}


def learning(objective, task=None, **more):
    """The task `voted` of judged answers is learnt beside the others."""
    return {
        "tasks.voted": task or VOTED["tasks.voted"],
        "stages.0.learn": ["mood", "echo", "voted"],
        "stages.0.objective": {"voted": objective},
        **more,
    }


HELD = VOTED["tasks.voted"] | {"data": {"train": "voted.jsonl", "split": {"validation": 0.3}}}
ROWS["evaluate.written"] = Row("evaluate.written", 2, learning("dpo"))
ROWS["stages[N].guard.chosen"] = Row(
    "stages.0.guard.chosen", 2.0, learning("dpo", HELD, **{"stages.0.guard": {"chosen": 1.0}})
)

# Of each objective on judged answers: its keys.
for kind in get_args(get_args(ObjectiveSettings)[0]):
    word = kind.model_fields["kind"].default
    if word == "likelihood" or issubclass(kind, Acting):
        continue
    named = {"kind": word, **NAMED.get(word, {})}
    prefers = learning(named, JUDGED_BY.get(word, VOTED["tasks.voted"]))
    for key in kind.model_fields:
        value = {**named, key: other(kind, key)} if key != "kind" else {"kind": "likelihood"}
        refused = "has no effect" if (word, key) == ("reward", "scale") else ""
        ROWS[f"stages[N].objective.NAME({word}).{key}"] = Row(
            "stages.0.objective.voted", value, prefers, refused
        )

# Of each objective on answers of the model's own: its own keys; those that all share, of one.
OWN = "stages.0.objective.echo"
OTHERWISE = {
    "samples": 3, "temperature": 0.5, "top_p": 0.3, "normalise": "none", "most": 0.1,
    "missing_end": 0.0, "failures": 0.5, "beta": 0.9, "target": 0.5, "horizon": 9.0,
    "penalty": "k2", "scaled": True,
    "epochs": 2, "clip": 0.3, "clip_high": 0.9, "dual_clip": 5.0, "discount": 0.5, "trace": 0.5,
    "whiten": False, "value": 0.5, "value_clip": 0.9, "critic": "zero",
    "guard.divergence": 3.0, "guard.entropy": 0.5, "guard.distinct": 0.5, "guard.length": 2.0,
    "guard.short": 0.9,
    "guard.cut": 0.5, "guard.repeated": 0.5, "guard.correlation": 0.9,
    "guard.disagreement": 3.0, "guard.gradient": 99.0,
    "guard.likeliest": 9, "guard.every": 3, "guard.window": 2, "guard.strikes": 1,
    "guard.act": False,
}  # fmt: skip
LONG = {"kind": "length"}
SCORED = "stages.0.objective.echo.reward.0"
JUDGE = {"kind": "model", "run": "judges", "task": "one"}
JOINED = {"kind": "ensemble", "folder": "joined", "how": "mean"}
# Of each reward: one that is given, its keys with another value, and what is said against it.
OF_REWARDS = {
    "model": (JUDGE, {"kind": LONG, "run": "nowhere", "task": "two", "stage": "nope"}),
    "ensemble": (JOINED, {"kind": LONG, "folder": "nowhere", "how": "minimum"}),
    "function": (
        {"kind": "function", "name": "wits.first"}, {"kind": LONG, "name": "wits.second"},
    ),
    "judge": ({"kind": "judge", "file": "e.yaml"}, {"kind": LONG, "file": "o.yaml"}),
    "filter": (
        {"kind": "filter", "file": "e.filter.yaml"},
        {"kind": LONG, "file": "o.filter.yaml", "graded": True},
    ),
    "exact": ({"kind": "exact"}, {"kind": LONG}),
    "number": ({"kind": "number"}, {"kind": LONG, "tolerance": 1e9}),
    "pattern": ({"kind": "pattern", "pattern": "e"}, {"kind": LONG, "pattern": "o"}),
    "length": (
        LONG | {"weight": 1.0}, {"kind": {"kind": "pattern", "pattern": "e"}, "weight": 2.0},
    ),
}  # fmt: skip
SUMS = {"tasks.echo": {"data": {"train": "sums.jsonl"}, "max_new_tokens": 9}}
REFUSED = {"nowhere": "nowhere", "nope": "no finished stage 'nope'"}


def acts(kind, **more):
    """`echo` is learnt from answers of the model's own."""
    return {OWN: {"kind": kind, "reward": [{"kind": "pattern", "pattern": "e"}], **more}}


NESTED = {"reward", "gold", "guard", "server"}
ACTING = {kind.model_fields["kind"].default: kind for kind in (Rloo, Grpo, Ppo, BestOfN, OnlineDpo)}
for kind in ACTING.values():
    word = kind.model_fields["kind"].default
    place = f"stages[N].objective.NAME({word})"
    shared = set(Acting.model_fields) if kind is not Rloo else NESTED
    ROWS[f"{place}.kind"] = Row(OWN, "likelihood", acts(word))
    for key in [k for k in kind.__annotations__ if k not in ("kind", "method")]:
        assert key not in shared - set(kind.__annotations__)
        beside = {"horizon": {"target": 0.4}, "critic": {"reward": [JUDGE]}}.get(key, {})
        value = None if (word, key) == ("ppo", "target") else OTHERWISE[key]
        ROWS[f"{place}.{key}"] = Row(f"{OWN}.{key}", value, acts(word, **beside))
for key in [k for k in Acting.model_fields if k not in NESTED | {"samples"}]:
    ROWS[f"stages[N].objective.NAME(rloo).{key}"] = Row(
        f"{OWN}.{key}", OTHERWISE[key], acts("rloo")
    )
for word, (given, others) in OF_REWARDS.items():
    for key, value in others.items():
        changed = value if key == "kind" else given | {key: value}
        ROWS[f"stages[N].objective.NAME(rloo).reward[N]({word}).{key}"] = Row(
            f"{OWN}.reward.0", changed,
            acts("rloo", normalise="none", reward=[given]) | (SUMS if word == "number" else {}),
            REFUSED.get(str(value), ""),
        )  # fmt: skip
ROWS["stages[N].objective.NAME(rloo).gold[N](length).weight"] = Row(
    f"{OWN}.gold", [LONG | {"weight": 2.0}], acts("rloo", gold=[LONG])
)
GUARDS = "stages[N].objective.NAME(rloo).guard"
for key in PolicyGuard.model_fields:
    ROWS[f"{GUARDS}.{key}"] = Row(f"{OWN}.guard", {key: OTHERWISE[f"guard.{key}"]}, acts("rloo"))
SERVER = {"url": "http://localhost:9/v1", "model": "there", "adapters": "."}
SERVERS = {
    "url": "http://localhost:8/v1", "model": "elsewhere", "adapters": "more", "key": "NOT_SET",
    "at_once": 3, "tries": 2, "timeout": 5.0, "first_pause": 0.1, "gap": 1.0,
}  # fmt: skip
assert set(SERVERS) == set(Server.model_fields)
for key, value in SERVERS.items():
    ROWS[f"stages[N].objective.NAME(rloo).server.{key}"] = Row(
        f"{OWN}.server.{key}", value, LORA | acts("rloo", server=SERVER),
        {"key": "NOT_SET is not set", "adapters": "more is no folder"}.get(key, ""),
    )  # fmt: skip
ROWS["stages[N].batch.share_prompts"] = Row(
    "stages.0.batch.share_prompts",
    False,
    learning("dpo"),
)

MIXTURES = {
    "proportional": {}, "temperature": {"temperature": 3.0}, "uniform": {},
    "weights": {"weights": {"mood": 1.0, "echo": 3.0}}, "balanced": {"max_epochs": 0.5},
}  # fmt: skip
# Tasks of different size and length, so that each kind and unit asks for something else.
UNEVEN = {"tasks.mood.data.max_train": 15}
for kind, more in MIXTURES.items():
    place = f"stages[N].mixture({kind})"
    given = UNEVEN | {"stages.0.mixture": {"kind": kind, **more}}
    other = "uniform" if kind != "uniform" else "proportional"
    ROWS[f"{place}.kind"] = Row("stages.0.mixture", other, given)
    ROWS[f"{place}.unit"] = Row("stages.0.mixture.unit", "tokens", given)
    ROWS[f"{place}.within"] = Row("stages.0.mixture.within", "label", given)
    for key, value in more.items():
        larger = {"mood": 3.0, "echo": 1.0} if key == "weights" else value + 0.3
        ROWS[f"{place}.{key}"] = Row(f"stages.0.mixture.{key}", larger, given)

# Of each balancer by loss and by gradient: its keys, with a value and another one.
BY_LOSS = {
    "fixed": {"weights": ({"mood": 1.0, "echo": 3.0}, {"mood": 3.0, "echo": 1.0})},
    "random": {}, "uncertainty": {"learning_rate": (0.02, 0.03)},
    "dwa": {"window": (2, 3), "temperature": (2.0, 3.0)}, "gls": {}, "scale_invariant": {},
    "imtl_l": {"learning_rate": (0.02, 0.03)},
    "stch": {"smoothing": (0.1, 0.2), "warmup": (2, 3), "ideal": ({}, {"mood": 0.1})},
    "famo": {
        "learning_rate": (0.02, 0.03), "decay": (0.001, 0.01), "lowest": ({}, {"mood": 0.1}),
    },
    "coba": {"every": (1, 2), "warmup": (2, 3), "history": (9, 8), "temperature": (5.0, 4.0)},
}  # fmt: skip
BY_GRADIENT = {
    "pcgrad": {}, "gradvac": {"rate": (0.01, 0.1)}, "mgda": {}, "cagrad": {"c": (0.4, 0.5)},
    "imtl_g": {}, "nash": {}, "aligned": {"scale": ("min", "rmse")}, "upgrad": {}, "dualproj": {},
    "fairgrad": {"alpha": (2.0, 5.0)}, "gradnorm": {"alpha": (1.5, 1.0), "rate": (0.025, 0.1)},
    "db_mtl": {"decay": (0.9, 0.5)},
}  # fmt: skip
for kind, more in (BY_LOSS | BY_GRADIENT).items():
    place = f"stages[N].balance({kind})"
    given = {"stages.0.balance": {"kind": kind} | {key: one for key, (one, _) in more.items()}}
    ROWS[f"{place}.kind"] = Row("stages.0.balance", "mean", given)
    for key, (_, other) in more.items():
        ROWS[f"{place}.{key}"] = Row(f"stages.0.balance.{key}", other, given)


def after(*kept, stages=2, **more):
    """Stages one after another, the last of which retains; another task each time."""
    held = [STAGE | {"name": f"s{n}", "learn": [("mood", "echo")[n % 2]]} for n in range(stages)]
    return {"stages": [*held[:-1], held[-1] | {"retain": list(kept)}]} | more


# Of each kind of retention: what makes a key matter, its place, and another value.
KEPT = "stages.1.retain"
TWICE = {"kind": "ewc", "examples": 8}
RETAIN = {
    "replay": {
        "kind": (after("replay"), KEPT, ["ewc"]),
        "share": (after("replay"), f"{KEPT}.0", {"kind": "replay", "share": 0.5}),
        "count": (after("replay"), f"{KEPT}.0", {"kind": "replay", "count": 2}),
        "keep": (after("replay"), f"{KEPT}.0", {"kind": "replay", "keep": 3}),
        "select": (
            after({"kind": "replay", "keep": 9}), f"{KEPT}.0",
            {"kind": "replay", "keep": 9, "select": "hardest"},
        ),
    },
    "ewc": {
        "kind": (after(TWICE), KEPT, ["replay"]),
        "strength": (after(TWICE), f"{KEPT}.0.strength", 2.0),
        "labels": (after(TWICE), f"{KEPT}.0.labels", "data"),
        "examples": (after(TWICE), f"{KEPT}.0.examples", 7),
        "form": (after(TWICE, stages=3), "stages.2.retain.0.form", "online"),
        "decay": (after(TWICE | {"form": "online"}, stages=3), "stages.2.retain.0.decay", 0.5),
    },
    "distill": {
        "kind": (after("distill"), KEPT, ["replay"]),
        "strength": (after({"kind": "distill"}), f"{KEPT}.0.strength", 2.0),
        "on": (after("replay", {"kind": "distill"}), f"{KEPT}.1.on", "all"),
    },
    "o_lora": {
        "kind": (after("o_lora", **LORA), KEPT, ["distill"]),
        "strength": (after({"kind": "o_lora"}, **LORA), f"{KEPT}.0.strength", 0.1),
    },
    "merge": {
        "kind": (after("merge"), KEPT, ["interpolate"]),
        "how": (after({"kind": "merge"}), f"{KEPT}.0.how", "sum"),
        "scale": (after({"kind": "merge"}), f"{KEPT}.0.scale", 0.5),
        "density": (after({"kind": "merge", "how": "ties"}), f"{KEPT}.0.density", 0.9),
    },
    "interpolate": {
        "kind": (after("interpolate"), KEPT, ["merge"]),
        "back": (after({"kind": "interpolate"}), f"{KEPT}.0.back", 0.3),
        "to": (after({"kind": "interpolate"}), f"{KEPT}.0.to", "base"),
    },
}  # fmt: skip
for kind, rows in RETAIN.items():
    for key, (given, at, other) in rows.items():
        ROWS[f"stages[N].retain[N]({kind}).{key}"] = Row(at, other, given)
ROWS["stages[N].balance(agem).kind"] = Row(
    "stages.1.balance", "mean", after("replay", **{"stages.1.balance": "agem"})
)

GUARDED = after("replay", **{"stages.1.guard": {"forgetting": 0.1}})
ROWS["stages[N].guard.forgetting"] = Row("stages.1.guard.forgetting", 0.2, GUARDED)
ROWS["stages[N].guard.then"] = Row("stages.1.guard.then", "stop", GUARDED)


def put(keys, path, value):
    """Set one dotted path in plain data."""
    *way, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    for word in way:
        keys = keys[word] if isinstance(keys, list) else keys.setdefault(word, {})
    if value is NOTHING:
        keys.pop(last, None)
    else:
        keys[last] = copy.deepcopy(value)


def recipe_keys(row):
    keys = tiny_run.keys()
    keys["model"] = {"base": "base", "adapter": "full"}
    keys["stages"] = [copy.deepcopy(STAGE)]
    keys["evaluate"] = {"draws": 200, "general": []}
    for path, value in row.given.items():
        put(keys, path, value)
    return keys


RULES_FILE = {
    "Definition": "Say the opposite.", "Things to Avoid": "Long words.",
    "Emphasis & Caution": "One word only.",
    "Examples": {
        "Positive Examples": [{"input": "warm", "output": "cold", "reason": "they differ"}],
        "Negative Examples": [
            {"input": "calm", "output": "calm", "reason": "the same", "suggestion": "loud"}
        ],
    },
    "Instances": [{"input": f"word {i}", "output": [f"drow {i}"]} for i in range(40)],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, two base models, one of them also with a chat template."""
    place = tmp_path_factory.mktemp("keys")
    tiny_run.write_data(place)
    more = (place / "mood.train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (place / "more.jsonl").write_text("".join(more[5:]), encoding="utf-8")
    hole = json.dumps({"text": "a hole", "label": None, "place": "mill"}) + "\n"
    moods = (place / "mood.train.jsonl").read_text(encoding="utf-8")
    (place / "holes.jsonl").write_text(moods + hole, encoding="utf-8")
    people = moods.replace('"text": "', '"text": "his ')  # words that have another side
    assert people != moods
    (place / "people.jsonl").write_text(people, encoding="utf-8")
    first = json.loads((place / "mood.train.jsonl").read_text("utf-8").splitlines()[0])["text"]
    said = {"from": "mood.train.jsonl:1", "by": "paraphrase",
            "texts": [{"before": first, "after": "it was as it is"}]}  # fmt: skip
    (place / "said.jsonl").write_text(json.dumps(said) + "\n", encoding="utf-8")
    texts = [{"text": f"t {i}", "wit": i % 9, "depth": i % 7, "bad": 1, "good": 2}
             for i in range(30)]  # fmt: skip
    (place / "rated.jsonl").write_text("".join(f"{json.dumps(t)}\n" for t in texts))
    votes = [{"prompt": f"p {i}", "response_1": "x", "response_2": "y", "votes": [1, 2]}
             for i in range(30)]  # fmt: skip
    (place / "voted.jsonl").write_text("".join(f"{json.dumps(v)}\n" for v in votes))
    judged = {
        "thumbed": {"completion": "x", "label": True},
        "graded": {"answers": ["x", "y"], "ratings": [2, 7]},
        "corrected": {"original": "x y", "corrected": "x z"},
    }
    for name, row in judged.items():
        rows = [{"prompt": f"p {i}", **row} for i in range(30)]
        (place / f"{name}.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in rows))
    lines = [
        f"{['where', 'a', 'warm', 'cold', 'door', 'at'][i % 6]} the {i} mill\n\n"
        for i in range(300)
    ]
    (place / "book.txt").write_text("".join(lines), encoding="utf-8")
    (place / "rules.json").write_text(json.dumps(RULES_FILE), encoding="utf-8")
    for name, seed in (("base", 0), ("base2", 1), ("chat", 0)):
        held = tiny.model(seed=seed)
        held.network.save_pretrained(place / name)
        held.tokenizer.save_pretrained(place / name)
    template = (
        "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}<assistant>"
    )
    (place / "chat" / "chat_template.jinja").write_text(template, encoding="utf-8")
    sums = [{"prompt": f"{i} and {i}?", "completion": f"{2 * i}"} for i in range(30)]
    (place / "sums.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in sums))
    (place / "wits.py").write_text(
        "def first(prompts, answers, accepted):\n    return [float(len(a)) for a in answers]\n"
        "def second(prompts, answers, accepted):\n    return [float('a' in a) for a in answers]\n"
    )
    for letter in "eo":
        judge = {"judge": {"kind": "rules", "words": [f"{letter}*"]}}
        (place / f"{letter}.yaml").write_text(yaml.safe_dump(judge))
        rule = {"name": "letters", "kind": "pattern", "patterns": [letter], "severity": 0.5}
        (place / f"{letter}.filter.yaml").write_text(yaml.safe_dump({"rules": [rule]}))
    (place / "judges.yaml").write_text(yaml.safe_dump(JUDGES), encoding="utf-8")
    (place / "old.yaml").write_text(yaml.safe_dump(OLD), encoding="utf-8")
    try:
        run(load_recipe(place / "old.yaml"), place / "old")
        judges = run(load_recipe(place / "judges.yaml"), place / "judges")
    finally:
        torch.use_deterministic_algorithms(False)
    both = ("--task", "one", "--task", "two")
    assert main(["ensemble", str(judges), *both, "--out", str(place / "joined")]) == 0
    return place


@pytest.fixture(scope="module")
def traced(folder, tmp_path_factory):
    """Keys to their trace. Many rows start from the same recipe, which is traced once."""
    known = {}

    def of(keys, again=False):
        text = yaml.safe_dump(keys)
        if text not in known or again:
            recipe = folder / "recipe.yaml"
            recipe.write_text(text, encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                try:
                    known[text] = trace(patch, recipe, tmp_path_factory.mktemp("out") / "run")
                finally:
                    torch.use_deterministic_algorithms(False)
        return known[text]

    return of


def inherited(leaf):
    """Keys that settings share with a class above them, read in one place for all: one has them."""
    found = re.match(r"stages\[N\]\.objective\.NAME\((\w+)\)\.(\w+)(.*)", leaf)
    if found is None or found[1] not in ACTING:
        return False
    own = found[2] in ACTING[found[1]].__annotations__ or found[1] == "rloo"
    if not own and found[2] != "kind":
        return True
    if found[2] == "gold":
        return found[3] != "[N](length).weight"
    return found[3].endswith(".weight") and "(length)" not in found[3]


def test_every_leaf_of_the_schema_has_a_row():
    assert sorted(ROWS) == sorted(leaf for leaf in leaves(Recipe) if not inherited(leaf))


def test_the_same_recipe_leaves_the_same_trace(traced):
    first = traced(recipe_keys(ROWS["seed"]))
    assert first == traced(recipe_keys(ROWS["seed"]), again=True)
    assert '"stage"' in first
    assert '"plan"' in first


@pytest.mark.parametrize("leaf", ROWS)
def test_another_value_changes_what_is_built_or_is_refused(traced, leaf):
    row = ROWS[leaf]
    keys = recipe_keys(row)
    before = traced(keys)
    changed = copy.deepcopy(keys)
    put(changed, row.at, row.other)
    assert changed != keys
    if row.refused:
        with pytest.raises(UserMistake, match=row.refused):
            traced(changed)
    else:
        assert traced(changed) != before
