"""What helps against forgetting, on real tasks: python benchmarks/continual.py

Five classification sets that madrigal/base-xs cannot do, one after another in two orders with three
seeds (recipes/real/sequence.yaml), with a LoRA adapter and with full fine-tuning. Every row of the
table sees the same examples of the new task at the same steps; replayed ones come on top.

Every row gets three trials with the first seed in the first order, judged by the mean score of all
tasks on validation records after the last stage: of its strength where it has one, at the learning
rate that was best for plain sequential training, otherwise of its learning rate. Sequential
training in full is best at the lowest of three rates, so a lower one is tried too.

Average, learning accuracy and backward transfer are those of evaluation/continual.py. Intervals
(`continual_page.py`) are over runs, that is seeds and orders, and over test examples, which are the
same in all runs; differences are between runs of one seed and order.

    python benchmarks/continual.py [so-far | costs [lora|full] | lora|full [PART/PARTS]]

Runs are kept under runs/continual and not repeated when they are there. `lora` and `full` make the
runs of one half, `lora 1/2` those of every second row, for a process a core; without a word what is
missing is made, and the tables. `costs` makes a shortened run of every row, for what it holds and
does at the ends of stages. `so-far` makes the tables of the runs that are there.
"""

import fcntl
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from continual_page import REFERENCE, REPLAY, Costs, Estimate, Result, estimate, page

from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.intervals import Drawn, Resampling, drawn
from madrigal.evaluation.metrics import value
from madrigal.evaluation.parts import Part, change, level, mean
from madrigal.evaluation.prediction import read_predictions
from madrigal.pipeline import run as pipeline
from madrigal.pipeline.build import build
from madrigal.pipeline.trained import Trained, find_trained, load_trained
from madrigal.recipe.load import load_recipe
from madrigal.recipe.schema import Recipe

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "real" / "sequence.yaml"
RUNS = HERE.parent / "runs" / "continual"
COSTS = HERE.parent / "runs" / "continual_costs"
SEEDS = (0, 1, 2)
ORDERS = (
    ("dbpedia", "snips", "sib200", "clinc", "hwu"),
    ("hwu", "clinc", "sib200", "snips", "dbpedia"),
)
TASKS = ORDERS[0]
STEPS = 40  # of a stage, in the recipe too
# Of equal trials the first is taken: one at the edge of the grid has to be better.
RATES = {"lora": (1.5e-3, 3e-3, 7e-4), "full": (2e-4, 5e-4, 1.2e-3)}
RATE = {"lora": 1.5e-3, "full": 2e-4}  # at which strengths are tried
BEYOND = {"lora": (), "full": (8e-5,)}  # of the reference, whose best is at the edge of its grid
ADAPTERS = {"lora": "{kind: lora, rank: 16}", "full": "full"}
RESAMPLING = Resampling()


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
    kept("replay 5 %", "kind: replay, share: 0.05"),
    kept("replay 10 %", "kind: replay, share: 0.1"),
    kept("EWC", f"{EWC}, strength: ?", strengths=PULLS),
    kept("online EWC", f"{EWC}, form: online, strength: ?", strengths=PULLS),
    kept("distillation", "kind: distill, strength: ?", strengths=("0.3", "1", "3")),
    kept("O-LoRA", "kind: o_lora, strength: ?", strengths=("0.05", "0.5", "5"), adapters=("lora",)),
    Row(
        "A-GEM",
        ("retain=[{kind: replay, count: ?}]", "balance=agem"),
        strengths=("1", "4", "8"),
    ),
    kept("merging", "kind: merge, how: ?", strengths=("average", "sum, scale: 0.4", "ties")),
    kept(
        "replay 5 % + EWC",
        "kind: replay, share: 0.05",
        f"{EWC}, strength: ?",
        strengths=PULLS,
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
    if row.strengths:
        return tuple(Trial(row, adapter, RATE[adapter], strength) for strength in row.strengths)
    beyond = BEYOND[adapter] if row.title == REFERENCE else ()
    return tuple(Trial(row, adapter, rate) for rate in (*RATES[adapter], *beyond))


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
            make(folder, trial, seed, order)
    return folder


def make(folder: Path, trial: Trial, seed: int, order: int) -> None:
    overrides = (*trial.overrides(ORDERS[order]), f"seed={seed}")
    shutil.rmtree(folder, ignore_errors=True)  # a broken run's seconds would be wrong
    with counted() as seconds:
        pipeline.run(load_recipe(RECIPE, overrides), folder)
    judge(folder, trial, sum(seconds))


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
    # Rounding must not make one of equal trials the better.
    return round(statistics.mean(noted(trained(trial, SEEDS[0], 0), "validation").values()), 9)


@cache
def tuned(row: Row, adapter: str) -> Trial:
    return max(trials(row, adapter), key=judged)


@dataclass(frozen=True)
class Measured:
    """One run's measures, each with its value in every draw of the test examples."""

    average: Part
    learning_accuracy: Part
    bwt: Part | None


@cache
def measured(trial: Trial, seed: int, order: int) -> Measured:
    folder = trained(trial, seed, order)
    if trial.row.title in (JOINT, SINGLE):
        label = SINGLES if trial.row.title == SINGLE else "01-together"
        found = mean([level(cell(folder, label, task)) for task in TASKS])
        return Measured(found, found, None)
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


def shortened(trial: Trial) -> Path:
    """A run of two steps a stage, for what is held, and what is done at the ends of stages."""
    folder = COSTS / trial.name
    if not (folder / "scores.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        short = [f"stages.{number}.steps=2" for number in range(len(TASKS))]
        few = [f"tasks.{task}.data.max_test=2" for task in TASKS]
        overrides = (*trial.overrides(ORDERS[0]), *short, *few, f"seed={SEEDS[0]}")
        pipeline.run(load_recipe(RECIPE, overrides), folder)
        for weights in (folder / "stages").rglob("*.safetensors"):
            weights.unlink()
    return folder


def told(folder: Path) -> list[dict[str, Any]]:
    """What retention cost in each stage."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("stages/*/retention.json"))]


def costs_of(whole: Path, short: Path) -> Costs:
    """Tokens and steps are those of a whole run, what each takes that of the shortened one."""
    own = added = 0.0
    for long, brief in zip(told(whole), told(short), strict=True):
        token = brief["flops"]["own"] / brief["tokens"]["own"]
        own += token * long["tokens"]["own"]
        added += token * long["tokens"]["replayed"]
        for kind in set(brief["flops"]) - {"own", "replay"}:
            step = brief["flops"][kind] / brief["steps"]
            added += long["flops"].get(kind, step * long["steps"])
    ends = [json.loads(path.read_text()) for path in short.glob("stages/*/kept/costs.json")]
    kept = [one for end in ends for one in end.values()]
    return Costs(
        flops=own + added + sum(one.get("flops", 0.0) for one in kept),
        own_flops=own,
        held=max(sum(one["memory_bytes"].values()) for one in told(short)),
        peak=max((one.get("peak_memory_bytes", 0) for one in kept), default=0),
        kept=sum(one["bytes"] for one in kept),
        model=told(short)[-1]["inference_bytes"],
    )


EVERY = [(seed, order) for order in range(len(ORDERS)) for seed in SEEDS]


def is_there(trial: Trial, seed: int, order: int) -> bool:
    return (place(trial, seed, order) / JUDGED).exists()


def all_tried(row: Row, adapter: str) -> bool:
    every = (*trials(rows(adapter)[REFERENCE], adapter), *trials(row, adapter))
    return all(is_there(trial, SEEDS[0], 0) for trial in every)


def so_far(adapter: str) -> dict[str, Result]:
    """Rows of which all trials and at least two runs are there."""
    found: dict[str, Result] = {}
    for title, row in rows(adapter).items():
        reference = [REFERENCE] if found or title == REFERENCE else []
        if reference and all_tried(row, adapter):
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
    best = tuned(row, adapter)
    own = list({place(best, *one): one for one in every}.values())
    runs = [measured(best, *one) for one in own]
    moved = [found.bwt for found in runs if found.bwt is not None]
    plain = tuned(rows(adapter)[REFERENCE], adapter)
    pairs = [(trained(best, *one), trained(plain, *one)) for one in every]
    short = COSTS / best.name
    return Result(
        tuned=best.said,
        trials={trial.said: judged(trial) for trial in trials(row, adapter)},
        average=estimate([found.average for found in runs]),
        learning_accuracy=estimate([found.learning_accuracy for found in runs]),
        bwt=estimate(moved) if moved else None,
        difference=against(REFERENCE, best, every),
        against_replay=against(REPLAY, best, every) if all_there(REPLAY, adapter, every) else None,
        seconds=statistics.median(noted(a, "seconds") / noted(b, "seconds") for a, b in pairs),
        costs=costs_of(trained(best, SEEDS[0], 0), short)
        if (short / "scores.json").exists()
        else None,
    )


def against(title: str, trial: Trial, every: Sequence[tuple[int, int]]) -> Estimate:
    """Averages of a trial minus those of another row's, run by run."""
    other = tuned(rows(trial.adapter)[title], trial.adapter)
    gains: dict[Path, list[Any]] = {}
    for one in every:
        ours, theirs = (measured(each, *one).average.joined for each in (trial, other))
        gains.setdefault(place(trial, *one), []).append(ours - theirs)
    return estimate([Part(np.mean(some, axis=0)) for some in gains.values()])


def all_there(title: str, adapter: str, every: Sequence[tuple[int, int]]) -> bool:
    row = rows(adapter)[title]
    return all_tried(row, adapter) and all(is_there(tuned(row, adapter), *one) for one in every)


def train(adapter: str, part: str = "1/1") -> None:
    """All runs of the rows, or of a part of the rows: one trial of each, the others, the seeds."""
    number, _, parts = part.partition("/")
    chosen = list(rows(adapter).values())[int(number) - 1 :: int(parts)]
    for row in chosen:
        for trial in trials(row, adapter):
            trained(trial, SEEDS[0], 0)
    for seed in SEEDS:
        for order in range(len(ORDERS)):
            for row in chosen:
                trained(tuned(row, adapter), seed, order)


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["costs"]:
        for adapter in words[1:] or ADAPTERS:
            for row in rows(adapter).values():
                if row.ordered:
                    shortened(tuned(row, adapter))
        return
    if words and words != ["so-far"]:
        train(*words)
        return
    if words:
        results = {adapter: so_far(adapter) for adapter in ADAPTERS}
    else:
        results = {
            adapter: {title: result(row, adapter) for title, row in rows(adapter).items()}
            for adapter in ADAPTERS
        }
    text = page(results)
    text += "\n## Trials\n\nPercent, one run each, the first seed in the first order.\n\n" + tried()
    print(text)
    body = {
        adapter: {title: asdict(found) for title, found in held.items()}
        for adapter, held in results.items()
    }
    folder = HERE / "results"
    (folder / "continual.md").write_text(text, encoding="utf-8")
    (folder / "continual.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
