"""What a recipe makes of a run, without training and without evaluating.

`trace` runs the pipeline with its two heavy ends, `train` and `evaluate_task`, replaced by scribes.
It is made of what they are handed (weights, schedules, token rows, numbers), never of the recipe's
own settings objects: a key that nobody reads leaves no trace.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import accelerate
import datasets
import torch
import transformers

from madrigal.pipeline import build as build_module
from madrigal.pipeline import keep as keep_module
from madrigal.pipeline import manifest as manifest_module
from madrigal.pipeline import run as run_module
from madrigal.pipeline import scoring as scoring_module
from madrigal.pipeline import stage as stage_module
from madrigal.pipeline import written as written_module
from madrigal.pipeline.inspected import inspected
from madrigal.pipeline.scores import scoring_plan
from madrigal.recipe.load import load_recipe
from madrigal.training.optimiser import build_optimiser, learning_rate
from madrigal.training.progress import Progress


def digest(*parts: Any) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else repr(part).encode())
    return found.hexdigest()[:12]


def of_model(held: Any) -> dict[str, Any]:
    network = held.network
    weights = (x for n, p in network.named_parameters() for x in (n, p.detach().numpy().tobytes()))
    dropouts = [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)]
    kept = [getattr(m, "attention_dropout", None) for m in network.modules()]
    scales = [getattr(m, "scaling", None) for m in network.modules()]
    return {
        "weights": digest(*weights),
        "trainable": digest([name for name, _ in held.trainable()]),
        "learning": digest([name for name, _ in held.learning()]),
        "dropout": digest(dropouts, kept),
        "scale": digest(scales),
        "recomputes": [getattr(m, "gradient_checkpointing", False) for m in network.modules()],
        "config": held.causal.config.to_dict(),
        "precision": str(held.precision),
        "context": held.context,
        "vocabulary": digest(sorted(held.tokenizer.get_vocab().items())),
    }


def of_task(task: Any) -> dict[str, Any]:
    fields = ("name", "kind", "metric", "labels", "normalise_choices", "max_new_tokens", "format")
    shown = {name: getattr(task, name) for name in fields}
    for split, records in task.splits.items():
        shown[split] = digest(*(record.key for record in records))
        clusters = [record.fields.get(task.cluster or "") for record in records]
        shown[f"{split} clusters"] = digest(clusters)
    return shown


def of_examples(examples: Any) -> dict[str, str]:
    rows = {name: [row for example in some for row in example] for name, some in examples.items()}
    return {
        name: digest(*(part.tobytes() for row in some for part in (row.tokens, row.trained)))
        for name, some in rows.items()
    }


def of_source(source: Any) -> dict[str, Any]:
    return {
        "steps": source.steps,
        "draws": digest(*(source.draws(step) for step in range(source.steps))),
        "asked": dict(source.asked_shares()),
    }


def of_split(split: Any) -> list[Any]:
    return [split.measure_every, split.metric, sorted(split.layers), split.ledger.rows]


def of_terms(parts: Any) -> dict[str, Any]:
    """What each term adds a little way off: its value and its gradient."""
    named, found = dict(parts.model.trainable()), {}
    before = {name: p.detach().clone() for name, p in named.items()}
    with torch.no_grad():
        for parameter in named.values():
            parameter.add_(0.1)
            parameter.grad = torch.zeros_like(parameter)
        for term in parts.terms:
            value = term.add_gradient(dict.fromkeys(parts.objectives, 1.0))
            added = digest(*(p.grad.numpy().tobytes() for p in named.values()))
            found[term.name] = [value, added]
        for name, parameter in named.items():
            parameter.copy_(before[name])
            parameter.grad = None
    return found


def of_distillation(asked: Any) -> Any:
    if asked is None:
        return None
    held = (tensor.numpy().tobytes() for _, tensor in asked.teacher._held)
    return [asked.strength, sorted(asked.tasks), digest(*held)]


def of_acting(run: Any) -> Any:
    """What the model's own answers to a few prompts come to, while the model changes."""
    acting = run.acting
    if acting is None:
        return None
    servers = [plan.server for plan in acting._plans.values() if plan.server is not None]
    if servers:  # nobody answers there
        return [[repr(dataclasses.replace(one, handed=str, let_go=str)) for one in servers],
                [one.patience.key for one in servers],
                [one.handed("echo")[1] for one in servers]]  # fmt: skip
    chance, found = torch.Generator().manual_seed(0), []
    named = dict(run.parts.model.trainable())
    before = {name: p.detach().clone() for name, p in named.items()}
    for step in range(4):
        answered = acting.answered(step, {task: [0, 1, 2] for task in acting.tasks})
        rows = [row for some in answered.values() for example in some for row in example or ()]
        acted = [a for row in rows if (a := row.acted) is not None]
        known = [
            x.tobytes() for a in acted for x in (a.old, a.advantage, a.reference) if x is not None
        ]
        told = [[one.task, dict(one.means)] for one in acting.told()]
        tokens = [row.tokens.tobytes() for row in rows]
        found.append([digest(*tokens, *known), told, repr(acting.state_dict())])
        with torch.no_grad():
            for parameter in named.values():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=chance))
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(before[name])
    # What is obeyed in the long run only, or by a server: proved in
    # unit/experience/test_guards.py, story/test_own_answers.py and story/test_served_answers.py.
    settings = [(s.failures, repr(s.guard)) for s in run.settings.acting().values()]
    return [found, settings, sorted(acting.tensors())]


def of_stage(run: Any, out: Path) -> dict[str, Any]:
    parts, steps = run.parts, run.source.steps
    optimiser = build_optimiser(run.settings.optimiser, parts.model)
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimiser.param_groups]
    rule = run.settings.early_stop
    return {
        "folder": run.checkpoints.relative_to(out).as_posix(),
        "model": of_model(parts.model),
        "examples": of_examples(run.examples),
        "source": of_source(run.source),
        "objectives": {name: repr(one) for name, one in parts.objectives.items()},
        "balancer": repr(parts.balancer),
        "acting": of_acting(run),
        "numbers": [parts.task_weights, parts.microbatch_tokens, parts.pad, parts.seed],
        "share_prompts": parts.share_prompts,
        "chance": parts.stage,
        "terms": of_terms(parts),
        "distillation": of_distillation(parts.distillation),
        "gradients": None if parts.split is None else of_split(parts.split),
        "optimiser": groups,
        "rates": [learning_rate(run.settings.optimiser, step, steps) for step in range(steps)],
        "validates": [run.validate is not None, run.validate_every],
        "validation": None if run.validate is None else dict(run.validate()),
        # What the loop itself reads; that it obeys is proved in unit/training/test_loop.py.
        "loop": [
            run.settings.optimiser.clip,
            run.settings.checkpoint_every,
            None if rule is None else rule.model_dump(),
            None if run.guard is None else run.settings.guard.model_dump(),
        ],
        "deterministic": [
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ],
    }


class Scribe:
    """The replaced ends of the pipeline, and what they were handed."""

    def __init__(self, patch: Any, out: Path) -> None:
        self.seen: list[Any] = []
        self.out = out
        patch.setattr(stage_module, "train", self.train)
        patch.setattr(stage_module, "_finish", lambda *_: None)
        self._write_kept = keep_module.write_kept
        patch.setattr(keep_module, "write_kept", self.kept)
        patch.setattr(scoring_module, "evaluate_task", self.evaluate)
        patch.setattr(scoring_module, "through", self.filters)
        patch.setattr(scoring_module, "value", lambda *_: 0.5)
        patch.setattr(scoring_module, "write_predictions", lambda path, _: self.note(path=path))
        patch.setattr(written_module, "written", self.writes)
        patch.setattr(run_module, "score_routed", lambda *_: self.note(routed=True))
        patch.setattr(run_module, "write_run_scores", self.scores)
        patch.setattr(run_module, "write_cards", self.cards)
        patch.setattr(run_module, "_report", lambda _: None)
        patch.setattr(manifest_module, "_code", dict)
        patch.setattr(accelerate, "Accelerator", self.tracker)
        patch.setattr(build_module, "missing_trackers", lambda _: [])
        patch.setattr(datasets, "load_dataset", self.hub)
        for kind in ("AutoModelForCausalLM", "AutoTokenizer", "AutoConfig"):
            self.watch_loading(patch, getattr(transformers, kind))

    def note(self, **facts: Any) -> None:
        self.seen.append(facts)

    def kept(self, folder: Path, kept: Any) -> None:
        self.note(keeps=[folder.relative_to(self.out).as_posix(), *kept.pulls, *kept.buffers])
        self._write_kept(folder, kept)

    def train(self, run: Any, _: Any) -> Progress:
        self.note(stage=of_stage(run, self.out))
        # As if something had been learnt: what stages leave each other depends on it.
        chance = torch.Generator().manual_seed(len(self.seen))
        with torch.no_grad():
            for _, parameter in run.parts.model.trainable():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=chance))
        return Progress(step=run.source.steps)

    def evaluate(self, model: Any, coder: Any, task: Any, records: Any, **keys: Any) -> list:
        keys.pop("on_progress", None)
        self.note(
            task=of_task(task),
            records=digest(*(record.key for record in records)),
            tokens=digest(*(coder.prompt(r).tobytes() for r in records if task.kind != "text")),
            model=of_model(model),
            context=coder.context,
            keys=keys,
        )
        return []

    def filters(self, guard: Any, rows: list, metric: str) -> list:
        self.note(filters=digest(guard), metric=metric)
        return rows

    def writes(self, model: Any, coder: Any, task: Any, records: Any, *keys: Any) -> list:
        shown = digest(*(coder.prompt(record).tobytes() for record in records))
        self.note(writes=of_task(task), prompts=shown, model=of_model(model), keys=keys)
        return []

    def cards(self, built: Any, *_: Any) -> list[str]:
        found = inspected(built)
        self.note(curated=None if found is None else dict(found.cards))
        return []

    def scores(self, built: Any, _: Any) -> None:
        self.note(plan=repr(scoring_plan(built)))

    def tracker(self, log_with: Any, project_dir: Path) -> Any:
        self.note(trackers=log_with, place=project_dir.relative_to(self.out).as_posix())
        return self

    trackers = ()

    def init_trackers(self, name: str, facts: Any) -> None:
        self.note(tracked=name, facts=facts)

    def hub(self, place: str, name: str | None, revision: str | None) -> Any:
        """Splits of a data set whose texts say where they come from."""
        rows = {
            split: datasets.Dataset.from_list(
                [
                    {"text": f"{place} {name} {revision} {split} {i}", "label": "ab"[i % 2]}
                    for i in range(24)
                ]
            )
            for split in ("train", "more", "dev", "dev2", "held", "held2")
        }
        return datasets.DatasetDict(rows)

    def watch_loading(self, patch: Any, loader: Any) -> None:
        real = loader.from_pretrained

        def load(place: Any, **keys: Any) -> Any:
            asked = {k: keys.get(k) for k in ("revision", "trust_remote_code")}
            self.note(loads=loader.__name__, **asked)
            # A folder has no revision, and no code of its own here.
            return real(place, **{k: v for k, v in keys.items() if k not in asked})

        patch.setattr(loader, "from_pretrained", load)


def trace(patch: Any, recipe: Path, out: Path) -> str:
    """The canonical text of all that a run hands down, for comparison."""
    scribe = Scribe(patch, out)
    loaded = load_recipe(recipe)
    run_module.run(loaded, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    told = {key: manifest[key] for key in ("name", "seed", "determinism", "shares")}
    text = json.dumps([told, scribe.seen], default=repr, sort_keys=True, indent=1)
    return text.replace(str(out), "OUT").replace(str(recipe.parent), "ROOT")
