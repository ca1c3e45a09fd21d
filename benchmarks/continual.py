"""What helps against forgetting, on real tasks: python benchmarks/continual.py

Five classification sets that madrigal/base-xs cannot do, one after another in two orders with three
seeds (recipes/real/sequence.yaml), with a LoRA adapter and with full fine-tuning. Every row of the
table sees the same examples of the new task at the same steps; replayed ones come on top.

Every row gets three trials with the first seed in the first order, judged by the mean score of all
tasks on validation records after the last stage: of its strength where it has one, at the learning
rate that was best for plain sequential training, otherwise of its learning rate.

Average, learning accuracy and backward transfer are those of evaluation/continual.py. Intervals are
over runs (seeds and orders) and over test examples, which are the same in all runs; differences to
sequential training are between runs of one seed and order; Holm's correction over the rows of a
table decides which are called sure.

    python benchmarks/continual.py [so-far | lora|full [PART/PARTS]]

Runs are kept under runs/continual and not repeated when they are there. `lora` and `full` make the
runs of one half, `lora 1/2` those of every second row, for a process a core; without a word what is
missing is made, and the tables. `so-far` makes those of the runs that are there.
"""

import fcntl
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.intervals import Drawn, Resampling, drawn
from madrigal.evaluation.metrics import value
from madrigal.evaluation.paired import holm
from madrigal.evaluation.parts import Part, change, level, mean
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.seeds import SeedScore, spread
from madrigal.pipeline import run as pipeline
from madrigal.pipeline.build import build
from madrigal.pipeline.trained import Trained, find_trained, load_trained
from madrigal.recipe.load import load_recipe
from madrigal.recipe.schema import Recipe

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "real" / "sequence.yaml"
RUNS = HERE.parent / "runs" / "continual"
SEEDS = (0, 1, 2)
ORDERS = (
    ("dbpedia", "snips", "sib200", "clinc", "hwu"),
    ("hwu", "clinc", "sib200", "snips", "dbpedia"),
)
TASKS = ORDERS[0]
STEPS = 40  # of a stage, in the recipe too
RATES = {"lora": (7e-4, 1.5e-3, 3e-3), "full": (2e-4, 5e-4, 1.2e-3)}
ADAPTERS = {"lora": "{kind: lora, rank: 16}", "full": "full"}
RESAMPLING = Resampling()
REFERENCE = "sequential"
LEVEL = 0.05


@dataclass(frozen=True)
class Row:
    """A line of the table: what is set beside the recipe, and what is tried.

    `later` is set in every stage but the first, which has nothing to keep; `?` in it stands for
    the strength. Without strengths the learning rate is tried.
    """

    title: str
    later: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    ordered: bool = True
    adapters: tuple[str, ...] = ("lora", "full")


def kept(title: str, *methods: str, strengths: Sequence[str] = (), **more: Any) -> Row:
    """A row whose later stages retain by these methods."""
    said = ", ".join(f"{{{method}}}" for method in methods)
    return Row(title, (f"retain=[{said}]",), tuple(strengths), **more)


PRIVATE = "model.adapter={kind: lora, layers: none, private: {rank: 16}}"
SINGLE = "single-task"
JUDGED = "judged.json"  # the last file of a run
SINGLES = "single"  # where their predictions stand
JOINT = "joint"
# A stage sees 320 examples: the default of 256 for the Fisher information would double its time.
EWC = "kind: ewc, examples: 64"
PULLS = ("100", "1000", "10000")
ROWS = (
    Row(REFERENCE),
    kept("replay 1 %", "kind: replay, share: 0.01"),
    kept("replay 5 %", "kind: replay, share: 0.05", adapters=("lora",)),
    kept("replay 10 %", "kind: replay, share: 0.1"),
    kept("EWC", f"{EWC}, strength: ?", strengths=PULLS),
    kept("online EWC", f"{EWC}, form: online, strength: ?", strengths=PULLS),
    kept("distillation", "kind: distill, strength: ?", strengths=("0.3", "1", "3")),
    kept("O-LoRA", "kind: o_lora, strength: ?", strengths=("0.05", "0.5", "5"), adapters=("lora",)),
    Row(
        "A-GEM",
        ("retain=[{kind: replay, count: ?}]", "balance=agem"),
        strengths=("1", "4", "8"),
        adapters=("lora",),
    ),
    kept("merging", "kind: merge, how: ?", strengths=("average", "sum, scale: 0.4", "ties")),
    kept(
        "replay 5 % + EWC",
        "kind: replay, share: 0.05",
        f"{EWC}, strength: ?",
        strengths=PULLS,
        adapters=("lora",),
    ),
    Row("isolation (task known)", whole=(PRIVATE,), adapters=("lora",)),
    Row(JOINT, ordered=False),
    Row(SINGLE, whole=("evaluate.baselines=separate",), ordered=False),
)


@dataclass(frozen=True)
class Trial:
    """A row with what is tuned in it, for one kind of fine-tuning."""

    row: Row
    adapter: str
    rate: float
    strength: str | None = None

    @property
    def said(self) -> str:
        return self.strength or f"{self.rate:g}"

    @property
    def name(self) -> str:
        words = f"{self.row.title} {self.rate:g} {self.strength or ''}".strip().lower()
        return f"{self.adapter}/{''.join(c if c.isalnum() or c == '.' else '-' for c in words)}"

    def overrides(self, order: Sequence[str]) -> tuple[str, ...]:
        general = (f"model.adapter={ADAPTERS[self.adapter]}", *self.row.whole)
        if self.row.title == JOINT:
            return (*general, *self._joint())
        return (*general, *(text for i, task in enumerate(order) for text in self._stage(i, task)))

    def _stage(self, number: int, task: str) -> tuple[str, ...]:
        stage = f"stages.{number}"
        own = (
            f"{stage}.name={task}",
            f"{stage}.learn={task}",
            f"{stage}.optimiser.learning_rate={self.rate}",
        )
        if number == 0:
            return own
        return (*own, *(f"{stage}.{t.replace('?', self.strength or '')}" for t in self.row.later))

    def _joint(self) -> tuple[str, ...]:
        tasks = ", ".join(TASKS)
        return (
            f"stages=[{{name: together, learn: [{tasks}], steps: {len(TASKS) * STEPS}, "
            f"batch: {{rows: 8}}, mixture: uniform, gradients: {{measure_every: 0}}, "
            f"optimiser: {{learning_rate: {self.rate}}}}}]",
        )


@cache
def trials(row: Row, adapter: str) -> tuple[Trial, ...]:
    if not row.strengths:
        return tuple(Trial(row, adapter, rate) for rate in RATES[adapter])
    rate = tuned(rows(adapter)[REFERENCE], adapter).rate
    return tuple(Trial(row, adapter, rate, strength) for strength in row.strengths)


def rows(adapter: str) -> dict[str, Row]:
    return {row.title: row for row in ROWS if adapter in row.adapters}


def place(trial: Trial, seed: int, order: int) -> Path:
    return RUNS / trial.name / f"{order if trial.row.ordered else 0}-{seed}"


def trained(trial: Trial, seed: int, order: int) -> Path:
    """The run's folder; trained, judged on validation and made small unless it is there."""
    folder = place(trial, seed, order)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be at it
        if not (folder / JUDGED).exists():
            overrides = (*trial.overrides(ORDERS[order]), f"seed={seed}")
            shutil.rmtree(folder, ignore_errors=True)  # a broken run's seconds would be wrong
            with counted() as seconds:
                pipeline.run(load_recipe(RECIPE, overrides), folder)
            judge(folder, trial, sum(seconds))
    return folder


@contextmanager
def counted() -> Iterator[list[float]]:
    """Processor seconds of each stage, with all that retention does before, in and after it.

    Wall time would be that of whatever else the machine does.
    """
    seconds: list[float] = []
    inner = pipeline.train_stage

    def counting(*given: Any, **more: Any) -> None:
        began = time.process_time()
        inner(*given, **more)
        seconds.append(time.process_time() - began)

    pipeline.train_stage = counting
    try:
        yield seconds
    finally:
        pipeline.train_stage = inner


def judge(folder: Path, trial: Trial, seconds: float) -> None:
    """Note what the run's weights are asked for, and remove them: half a gigabyte a run."""
    body = {"validation": validation(folder, trial), "seconds": seconds}
    (folder / JUDGED).write_text(json.dumps(body), encoding="utf-8")
    for held in ("stages", "baselines"):
        for weights in (folder / held).rglob("*.safetensors"):
            weights.unlink()


def noted(folder: Path, name: str) -> Any:
    return json.loads((folder / JUDGED).read_text(encoding="utf-8"))[name]


def validation(folder: Path, trial: Trial) -> dict[str, float]:
    """Scores of the run's last models on validation records, by task."""
    built = build(load_recipe(folder / "recipe.yaml"))
    scores, held = {}, None
    for name, task in built.tasks.items():
        if trial.row.title == SINGLE:
            found = _alone(folder, built.recipe, name)
        else:
            found = find_trained(folder, None, name)
        if held is None or held[0] != found.folder:
            held = (found.folder, *load_trained(found))
        rows = evaluate_task(held[1], held[2], task, task.splits["validation"])
        scores[name] = value(rows, task.metric)
    return scores


def _alone(folder: Path, recipe: Recipe, task: str) -> Trained:
    saved = next((folder / "baselines" / task).rglob("tokenizer_config.json"))
    return Trained(recipe, SINGLE, saved.parent)


@cache
def judged(trial: Trial) -> float:
    return statistics.mean(noted(trained(trial, SEEDS[0], 0), "validation").values())


@cache
def tuned(row: Row, adapter: str) -> Trial:
    return max(trials(row, adapter), key=judged)


@dataclass(frozen=True)
class Measured:
    """One run's measures, each with its value in every draw of the test examples."""

    average: Part
    learning_accuracy: Part
    bwt: Part | None
    seconds: float
    held_bytes: int
    model_bytes: int


@cache
def measured(trial: Trial, seed: int, order: int) -> Measured:
    folder = trained(trial, seed, order)
    costs = (noted(folder, "seconds"), *bytes_of(folder))
    if trial.row.title in (JOINT, SINGLE):
        label = SINGLES if trial.row.title == SINGLE else "01-together"
        found = mean([level(cell(folder, label, task)) for task in TASKS])
        return Measured(found, found, None, *costs)
    names = ORDERS[order]
    labels = {task: f"{number:02d}-{task}" for number, task in enumerate(names, 1)}
    last = labels[names[-1]]
    ends = {task: cell(folder, last, task) for task in names}
    learnt = {task: cell(folder, labels[task], task) for task in names}
    moved = [change(learnt[t], ends[t], RESAMPLING.confidence) for t in names[:-1]]
    found = Measured(
        mean([level(one) for one in ends.values()]),
        mean([level(one) for one in learnt.values()]),
        mean(moved),
        *costs,
    )
    agree(folder, found)
    return found


def agree(folder: Path, found: Measured) -> None:
    """The run's own scores.json says the same."""
    summary = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["summary"]
    for name in ("average", "learning_accuracy", "bwt"):
        assert abs(getattr(found, name).value - summary[name]["value"]) < 1e-9, (folder, name)


def cell(folder: Path, label: str, task: str) -> Drawn:
    rows = read_predictions(folder / "predictions" / label / f"{task}.jsonl")
    return drawn(rows, "accuracy", RESAMPLING)


def bytes_of(folder: Path) -> tuple[int, int]:
    """Bytes that retention holds in the last stage, and that the tasks' models add to the base."""
    told = json.loads((max((folder / "stages").iterdir()) / "retention.json").read_text())
    return sum(told["memory_bytes"].values()), told["inference_bytes"]


@dataclass(frozen=True)
class Result:
    """A row's measures over its runs, and its difference to the reference."""

    tuned: str
    trials: Mapping[str, float]
    runs: int
    average: SeedScore
    learning_accuracy: SeedScore
    bwt: SeedScore | None
    difference: SeedScore
    seconds: float | None
    held_bytes: int
    model_bytes: int


def over_runs(parts: Sequence[Part]) -> SeedScore:
    """The first value of a part is that of the examples themselves, the others are draws."""
    joined = np.stack([part.joined for part in parts])
    return spread(joined[:, 0], joined[:, 1:], RESAMPLING)


EVERY = [(seed, order) for order in range(len(ORDERS)) for seed in SEEDS]


def is_there(trial: Trial, seed: int, order: int) -> bool:
    return (place(trial, seed, order) / JUDGED).exists()


def so_far(adapter: str) -> dict[str, Result]:
    """Rows of which all trials and at least two runs are there."""
    found: dict[str, Result] = {}
    for title, row in rows(adapter).items():
        reference = [REFERENCE] if found or title == REFERENCE else []
        if reference and all(is_there(one, SEEDS[0], 0) for one in trials(row, adapter)):
            plain = tuned(rows(adapter)[REFERENCE], adapter)
            both = (tuned(row, adapter), plain)
            pairs = [one for one in EVERY if all(is_there(trial, *one) for trial in both)]
            if len({place(both[0], *one) for one in pairs}) > 1:
                found[title] = result(row, adapter, pairs)
    return found


def tried() -> str:
    """Every trial that is there: how it was judged, and what it did to the test examples."""
    lines = [
        "| | tried | validation | average | BWT | learning accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for adapter in ADAPTERS:
        reference = trials(rows(adapter)[REFERENCE], adapter)
        if not all(is_there(trial, SEEDS[0], 0) for trial in reference):
            continue
        for title, row in rows(adapter).items():
            for trial in trials(row, adapter):
                if is_there(trial, SEEDS[0], 0):
                    found = measured(trial, SEEDS[0], 0)
                    numbers = [judged(trial), found.average.value, found.bwt and found.bwt.value]
                    numbers.append(found.learning_accuracy.value)
                    cells = ["" if x is None else f"{100 * x:.1f}" for x in numbers]
                    lines.append(f"| {title}, {adapter} | {trial.said} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def result(row: Row, adapter: str, every: Sequence[tuple[int, int]] = EVERY) -> Result:
    best, plain = tuned(row, adapter), tuned(rows(adapter)[REFERENCE], adapter)
    own = list({place(best, *one): one for one in every}.values())
    runs = [measured(best, *one) for one in own]
    pairs = [(measured(best, *one), measured(plain, *one)) for one in every]
    gains = [np.subtract(a.average.joined, b.average.joined) for a, b in pairs]
    moved = [found.bwt for found in runs if found.bwt is not None]
    return Result(
        tuned=best.said,
        trials={trial.said: judged(trial) for trial in trials(row, adapter)},
        runs=len(runs),
        average=over_runs([found.average for found in runs]),
        learning_accuracy=over_runs([found.learning_accuracy for found in runs]),
        bwt=over_runs(moved) if moved else None,
        difference=over_runs([Part(gain) for gain in gains]),
        seconds=statistics.median(a.seconds / b.seconds for a, b in pairs) if row.ordered else None,
        held_bytes=max(found.held_bytes for found in runs),
        model_bytes=max(found.model_bytes for found in runs),
    )


def two_sided_p(found: SeedScore) -> float:
    """Of no difference, from the interval's half width, as if it were normal."""
    half = (found.high - found.low) / (2 * NormalDist().inv_cdf(0.975))
    return 2 * NormalDist().cdf(-abs(found.mean) / half) if half > 0 else 1.0


def said(found: SeedScore | None, sign: str = "") -> str:
    if found is None:
        return ""
    numbers = (f"{100 * x:{sign}.1f}" for x in (found.mean, found.low, found.high))
    return "{} ({} to {})".format(*numbers)


def table(results: Mapping[str, Result]) -> str:
    others = {title: found for title, found in results.items() if title != REFERENCE}
    ps = holm([two_sided_p(found.difference) for found in others.values()])
    sure = dict(zip(others, ps, strict=True))
    lines = [
        "| | average | difference | sure | BWT | learning accuracy "
        "| time | held | model | tuned | runs |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for title, found in sorted(results.items(), key=lambda one: -one[1].average.mean):
        told = "yes" if sure.get(title, 1) <= LEVEL else ""
        gain = "" if title == REFERENCE else said(found.difference, "+")
        took = "" if found.seconds is None else f"{found.seconds:.2f}"
        holds, model = (f"{size / 1e6:.1f}" for size in (found.held_bytes, found.model_bytes))
        lines.append(
            f"| {title} | {said(found.average)} | {gain} | {told} | {said(found.bwt, '+')} "
            f"| {said(found.learning_accuracy)} | {took} | {holds} | {model} | {found.tuned} "
            f"| {found.runs} |"
        )
    return "\n".join(lines) + "\n"


def train(adapter: str, part: str = "1/1") -> None:
    """All runs of the rows, or of a part of the rows: one trial of each, the others, the seeds."""
    number, _, parts = part.partition("/")
    chosen = list(rows(adapter).values())[int(number) - 1 :: int(parts)]
    for place in (1, 0, 2):
        for row in chosen:
            trained(trials(row, adapter)[place], SEEDS[0], 0)
    for seed in SEEDS:
        for order in range(len(ORDERS)):
            for row in chosen:
                trained(tuned(row, adapter), seed, order)


HEADS = {"lora": "LoRA of rank 16", "full": "Full fine-tuning"}


def main() -> None:
    words = sys.argv[1:]
    if words == ["so-far"]:
        text = page({adapter: so_far(adapter) for adapter in ADAPTERS})
        text += "\n## Trials\n\nOne run each, the first seed in the first order.\n\n" + tried()
        print(text)
        (HERE / "results" / "continual_so_far.md").write_text(text, encoding="utf-8")
        return
    if words:
        train(*words)
        return
    results = {
        adapter: {title: result(row, adapter) for title, row in rows(adapter).items()}
        for adapter in ADAPTERS
    }
    text = page(results)
    print(text)
    body = {
        adapter: {title: asdict(found) for title, found in held.items()}
        for adapter, held in results.items()
    }
    folder = HERE / "results"
    (folder / "continual.md").write_text(text, encoding="utf-8")
    (folder / "continual.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def page(results: Mapping[str, Mapping[str, Result]]) -> str:
    tables = [f"## {HEADS[name]}\n\n{table(found)}" for name, found in results.items() if found]
    notes = (
        "Percent; differences to sequential training in points; 95 % intervals over seeds "
        f"{', '.join(map(str, SEEDS))}, {len(ORDERS)} orders and test examples. Sure: after Holm's "
        "correction over the rows of a table. Time: processor seconds of training and all that "
        "retention does, against sequential training, median of pairs. Held: megabytes that "
        "retention holds in the last stage. Model: megabytes of what is trained, at inference. "
        "Tuned: the chosen one of three learning rates or strengths. Joint and single-task models "
        "have no order. Made by `python benchmarks/continual.py`.\n"
    )
    return "\n".join([*tables, notes])


if __name__ == "__main__":
    main()
