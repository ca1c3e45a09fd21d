"""What per-task gradients cost: a whole step with a Gramian balancer against the plain joint step.

A random Llama of 15M parameters with LoRA of rank 16 on all linear layers learns 32 examples a
step that belong to 4, 8, 16 or 32 tasks, in float32. Each way does a whole step: forward,
backward, per-task gradients where it has them, UPGrad's weights, clipping, AdamW.

    plain       one forward and one backward pass of the mean
    Madrigal    per-task gradients split inside the one backward pass
    measured    the same with the angles between tasks measured as well, in halves
    backwards   one forward, K backward passes, one a task
    microbatch  one forward and one backward pass a task
    TorchJD     its autogram engine, rows summed to tasks, then a weighted backward pass

All rows have 128 tokens, so that every way can run them as one batch (TorchJD's engine cannot
accumulate); "mixed lengths" repeats the first three with the lengths of Natural Instructions. The
ways take turns. Before a ratio is printed, all Gramians must agree.

`small` as a word measures only what diagnostics cost on the bundled model with short rows, which
the whole benchmark does too: results/diagnostics_small.json.
"""

import copy
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import Line, save
from workload import Shape, examples, write_model

from madrigal.balancing.base import StepView
from madrigal.balancing.mean import Mean
from madrigal.balancing.upgrad import UpGrad
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.model.host import keep_freed_memory
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.objectives import Likelihood
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.recipe.load import load_recipe
from madrigal.recipe.model import ModelSettings
from madrigal.recipe.stage import Gradients, Optimiser
from madrigal.tasks.encoded import Encoded, Example
from madrigal.training.optimiser import build_optimiser
from madrigal.training.passes import Passes
from madrigal.training.processes import Processes
from madrigal.training.split import LATE_EVERY, Split, early_steps, measure_every, measures
from madrigal.training.step import StepParts, compute_gradient

SHAPE = Shape(vocabulary=32000, width=288, layers=6, heads=6, mlp=768)
ROWS, LENGTH, ANSWER = 32, 128, 24
TASKS = (4, 8, 16, 32)
LAPS = 5
PROMISED = {4: 1.10, 8: 1.10, 16: 1.10, 32: 1.20}
LORA: dict[str, object] = {"kind": "lora", "rank": 16}
STAGE = 250  # steps
SMALL_LAPS = 40
HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "real" / "balancers.yaml"
SAME = 1e-3  # largest relative difference of two Gramians that is rounding

Step = Callable[[], torch.Tensor | None]  # returns the Gramian where it has one


def equal_rows() -> list[Encoded]:
    chance = np.random.default_rng(0)
    trained = np.arange(LENGTH) >= LENGTH - ANSWER
    return [Encoded(chance.integers(1, SHAPE.vocabulary, LENGTH), trained) for _ in range(ROWS)]


class Bench:
    """A model and one step's examples of K tasks, and every way to make the step."""

    def __init__(self, model: Any, rows: Sequence[Encoded], tasks: int) -> None:
        self.model, self.rows = model, rows
        self.names = tuple(f"t{k:02d}" for k in range(tasks))
        self.drawn: list[tuple[str, Example]] = [
            (self.names[i * tasks // len(rows)], (row,)) for i, row in enumerate(rows)
        ]
        self.optimiser = build_optimiser(Optimiser(), model)
        self.parameters = [p for _, p in model.trainable()]
        self.balancer = UpGrad()
        self.parts = StepParts(
            model=model,
            objectives={name: Likelihood() for name in self.names},
            balancer=Mean(),
            task_weights=dict.fromkeys(self.names, 1.0),
            microbatch_tokens=1 << 20,
            pad=0,
            stage="stage",
            seed=0,
            processes=Processes(),
        )
        self.count = {
            name: float(sum(r.answer_tokens for task, (r,) in self.drawn if task == name))
            for name in self.names
        }

    def split(self, every: int) -> StepParts:
        ledger = Ledger(dict(self.model.trainable()), HALVES * len(self.names))
        order = {name: place for place, name in enumerate(self.names)}
        split = Split(self.model, ledger, order, every, "raw", {})
        return dataclasses.replace(self.parts, balancer=self.balancer, split=split)

    def finish(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.param_groups[0]["lr"] = 0.0  # every lap meets the same model
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def ours(self, parts: StepParts) -> Step:
        def step() -> torch.Tensor | None:
            view = compute_gradient(parts, 0, self.drawn).view
            self.finish()
            return view.gramian

        return step

    def _passes(self) -> Passes:
        return compute_gradient(self.parts, 0, self.drawn).passes

    def _weights(self, gramian: torch.Tensor) -> torch.Tensor:
        rows = torch.tensor([float(sum(t == n for t, _ in self.drawn)) for n in self.names])
        ones = torch.ones(len(self.names))
        return self.balancer.weights(StepView(self.names, rows, ones, ones, gramian.double()))

    def _mix(self, jacobian: torch.Tensor) -> torch.Tensor:
        gramian = jacobian @ jacobian.T
        mixed = self._weights(gramian) @ jacobian
        sizes = [p.numel() for p in self.parameters]
        for parameter, part in zip(self.parameters, mixed.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)
        self.finish()
        return gramian

    def backwards(self, passes: Passes) -> Step:
        def step() -> torch.Tensor:
            losses = passes.losses(passes.batch(0)).own
            rows = []
            for number, name in enumerate(self.names):
                found = torch.autograd.grad(
                    losses[name] / self.count[name],
                    self.parameters,
                    retain_graph=number + 1 < len(self.names),
                )
                rows.append(torch.cat([g.flatten() for g in found]))
            return self._mix(torch.stack(rows))

        return step

    def microbatch(self) -> Step:
        each = {n: [d for d in self.drawn if d[0] == n] for n in self.names}

        def step() -> torch.Tensor:
            rows = []
            for name in self.names:
                compute_gradient(self.parts, 0, each[name])
                rows.append(torch.cat([p.grad.flatten() for p in self.parameters]))  # type: ignore[union-attr]
                self.optimiser.zero_grad(set_to_none=True)
            return self._mix(torch.stack(rows))

        return step

    def torchjd(self, passes: Passes) -> Step:
        """On a copy of the model: the engine's hooks do not bear a forward pass of another way."""
        from torchjd.autogram import Engine

        network = copy.deepcopy(self.model.network)
        self = Bench(dataclasses.replace(self.model, network=network), self.rows, len(self.names))
        adapters = [m for n, m in self.model.network.named_modules() if _is_adapter(n, m)]
        engine = Engine(*adapters, batch_dim=0)
        batch = passes.batch(0)
        task_of = torch.tensor([self.names.index(s.task) for s in batch.segments for _ in s.rows])
        to_task = torch.zeros(len(self.names), ROWS)
        for row, task in enumerate(task_of.tolist()):
            to_task[task, row] = 1 / self.count[self.names[task]]
        row_of = torch.div(batch.state_index, batch.tokens.shape[1], rounding_mode="floor")

        def step() -> torch.Tensor:
            states = self.model.states(batch.tokens)
            picked = states.reshape(-1, states.shape[-1])[batch.state_index]
            logps, _ = self.model.logps(picked, batch.targets)
            sums = torch.zeros(ROWS).index_add(0, row_of, -logps)
            gramian = to_task @ engine.compute_gramian(sums) @ to_task.T
            sums.backward(self._weights(gramian) @ to_task)
            self.finish()
            return gramian

        return step


def _is_adapter(name: str, module: Any) -> bool:
    return ("lora_A." in name or "lora_B." in name) and isinstance(module, torch.nn.Linear)


def race(ways: Mapping[str, Step]) -> dict[str, list[float]]:
    """Seconds of each way over laps, after one lap that warms up and compares Gramians."""
    first = {name: step() for name, step in ways.items()}
    known = [(name, g.float()) for name, g in first.items() if g is not None]
    for name, gramian in known[1:]:
        off = float((gramian - known[0][1]).norm() / known[0][1].norm())
        if off > SAME:
            sys.exit(f"Gramians differ: {name} is {off:.1e} off {known[0][0]}")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(LAPS):
        for name, step in ways.items():
            began = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def ratios(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Median over laps of the time against the plain step of the same lap."""
    plain = seconds["plain"]
    return {
        name: statistics.median(a / b for a, b in zip(held, plain, strict=True))
        for name, held in seconds.items()
        if name != "plain"
    }


def peak_memory(tasks: int, way: str) -> tuple[float, float]:
    """Bytes that a process of its own has held at most, and those of them that its steps added."""
    command = [sys.executable, __file__, "memory", str(tasks), way]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    peak, before = told.split()[-2:]
    return float(peak), float(peak) - float(before)


def tell_memory(tasks: int, way: str) -> None:
    """Two steps, because AdamW makes its moments in the first."""
    bench = Bench(prepared_model(), equal_rows(), tasks)
    parts = bench.parts if way == "plain" else bench.split(int(way == "measured"))
    step = bench.ours(parts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    step()
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 1024 * before)


def prepared_model(adapter: str | dict[str, object] = LORA) -> LanguageModel:
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        write_model(SHAPE, Path(name))
        keys = {"base": name, "adapter": adapter, "precision": "float32"}
        model = load_model(ModelSettings.model_validate(keys), Path(), 0)
    torch.manual_seed(0)
    for _, parameter in model.trainable():  # a fresh B is zero, and so would half of J be
        torch.nn.init.normal_(parameter, std=0.02)
    model.network.train()
    return model


def memory_lines(tasks: int) -> list[Line]:
    plain, own = peak_memory(tasks, "plain")
    split, added = peak_memory(tasks, "Madrigal")
    what, ratio = f"K = {tasks}: peak memory of Madrigal", split / plain
    return [
        Line(what, round(ratio, 3), "x", "<= 1.25 x", ratio <= 1.25),
        Line(f"{what}, of what the steps add", round(added / own, 3), "x"),
    ]


def diagnostics(model: LanguageModel, tasks: int, what: str) -> Line:
    """The share of the time that measuring takes where the recipe leaves it to us."""
    bench = Bench(model, examples(ROWS, SHAPE.vocabulary), tasks)
    parameters = dict(model.trainable())
    every = measure_every(Gradients(), parameters, model, tasks)
    ways = {"plain": bench.ours(bench.parts), "measured": bench.ours(bench.split(1))}
    share = (ratios(race(ways))["measured"] - 1) * measured_share(every, STAGE)
    name = f"K = {tasks}, {what}: diagnostics, by themselves, in {STAGE} steps"
    return Line(name, round(100 * share, 2), "% of the time", "<= 3 %", share <= 0.03)


def measured_share(every: int, steps: int) -> float:
    """How many of a stage's steps are measured where the recipe leaves it to us."""
    early = early_steps(Gradients())
    return sum(measures(step, every, early) for step in range(steps)) / steps


def small_steps() -> list[Line]:
    """The same on short rows and the bundled model in bfloat16: recipes/real/balancers.yaml."""
    os.environ.setdefault("MADRIGAL_DATA", str(HERE.parent.parent / "shared" / "data"))
    built = build(load_recipe(RECIPE, ("stages.0.gradients.measure_every=1",)))
    (stage,) = built.recipe.stages
    model, source = fresh_model(built), built.source(stage)
    measured = step_parts(built, stage, model, Processes(), stage.learn)
    plain = dataclasses.replace(measured, split=None)
    optimiser = build_optimiser(stage.optimiser, model)
    optimiser.param_groups[0]["lr"] = 0.0
    model.network.train()
    seconds: dict[str, list[float]] = {"plain": [], "measured": []}
    ways = (("plain", plain), ("measured", measured))
    # Each step is made once: its lengths are new, and what is set up for them is then known to
    # whoever makes it again.
    for number in range(2 * SMALL_LAPS + 4):
        name, parts = ways[number % 2]
        drawn = [(d.task, built.examples[d.task][d.index]) for d in source.draws(number)]
        began = time.perf_counter()
        compute_gradient(parts, number, drawn)
        torch.nn.utils.clip_grad_norm_([p for _, p in model.trainable()], 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if number >= 4:  # the first ones warm up
            seconds[name].append(time.perf_counter() - began)
    ratio = statistics.median(seconds["measured"]) / statistics.median(seconds["plain"])
    lines = [Line("base-xs, 6 tasks, short rows: a measured step", round(ratio, 3), "x")]
    for steps in (50, 60, STAGE):  # no stage has a larger share of measured steps than one of 50
        share = (ratio - 1) * measured_share(LATE_EVERY, steps)
        what = f"base-xs, 6 tasks, short rows: diagnostics, by themselves, in {steps} steps"
        lines.append(Line(what, round(100 * share, 2), "% of the time", "<= 3 %", share <= 0.03))
    return lines


def main() -> None:
    lines, details = [line for tasks in TASKS for line in memory_lines(tasks)], {}
    model = prepared_model()
    for tasks in TASKS:
        for lengths, rows in (("", equal_rows()), (", mixed lengths", examples(ROWS, 32000))):
            bench = Bench(model, rows, tasks)
            ways = {
                "plain": bench.ours(bench.parts),
                "Madrigal": bench.ours(bench.split(0)),
                "measured": bench.ours(bench.split(1)),
            }
            if not lengths:
                passes = bench._passes()
                bench.optimiser.zero_grad(set_to_none=True)
                ways["backwards"] = bench.backwards(passes)
                ways["microbatch"] = bench.microbatch()
                ways["TorchJD"] = bench.torchjd(passes)
            seconds = race(ways)
            found = ratios(seconds)
            limit = PROMISED[tasks]
            for way, ratio in found.items():
                target, met = (f"<= {limit} x", ratio <= limit) if way == "Madrigal" else ("", None)
                lines.append(
                    Line(f"K = {tasks}{lengths}: {way}", round(ratio, 3), "x", target, met)
                )
            details[f"{tasks}{lengths}"] = seconds
    lines += [diagnostics(model, tasks, "LoRA") for tasks in (8, 32)]
    lines.append(diagnostics(prepared_model("full"), 8, "full"))
    model_facts = {
        "parameters": SHAPE.parameters,
        "trained": sum(p.numel() for p in bench.parameters),
    }
    save("per_task_gradients", lines, model=model_facts, seconds=details)
    save("diagnostics_small", small_steps())


if __name__ == "__main__":
    if sys.argv[1:2] == ["small"]:
        keep_freed_memory()
        save("diagnostics_small", small_steps())
    elif sys.argv[1:2] == ["memory"]:
        tell_memory(int(sys.argv[2]), sys.argv[3])
    else:
        main()
