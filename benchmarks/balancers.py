"""Every balancer on real tasks, over seeds: python benchmarks/balancers.py [PART/PARTS]

Six classification sets share one LoRA adapter of madrigal/base-xs (recipes/real/balancers.yaml).
All rows see the same examples at the same steps with the same learning rate; only what a task
counts differs. Rivals that use no gradients are tuned: twelve random vectors of fixed weights and
four temperatures of sampling, each judged by its validation score with seed 0.

Differences are to equal weights, pairs of runs with the same seed on the same test examples, with
intervals over seeds and examples; Holm's correction over all rows decides which are called sure.
Cost is the time of a step against equal weights' step, all balancers taking turns on the same step.

Runs are kept under runs/balancers and not repeated when they are there. "1/2" makes only every
second of them (for a process a core) and no table.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.paired import holm
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.evaluation.seeds import SeedScore, spread
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model, step_parts, validation_losses
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.training.loop import _Trainer
from madrigal.training.processes import Processes
from madrigal.training.stage_run import StageRun

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "real" / "balancers.yaml"
RUNS = HERE.parent / "runs" / "balancers"
SEEDS = (0, 1, 2)
TASKS = ("sst2", "poems", "snips", "clinc", "hwu", "sib200")
RESAMPLING = Resampling()
LAPS = 9  # of timing
_SHIFT = 5  # places
TRIALS = 12  # of fixed weights
TEMPERATURES = (1, 2, 5, 20)
REFERENCE = "equal weights"
LEVEL = 0.05


@dataclass(frozen=True)
class Row:
    """A line of the table: what is set beside the recipe."""

    title: str
    overrides: tuple[str, ...]


def balanced(title: str, setting: str) -> Row:
    return Row(title, (f"stages.0.balance={setting}",))


# A warm-up or window that is made for thousands of steps is cut to a sixth of these runs.
BALANCERS = (
    balanced("random (RLW)", "random"),
    balanced("uncertainty", "uncertainty"),
    balanced("DWA", "{kind: dwa, window: 20}"),
    balanced("GLS", "gls"),
    balanced("scale-invariant", "scale_invariant"),
    balanced("IMTL-L", "imtl_l"),
    balanced("STCH", "{kind: stch, warmup: 20}"),
    balanced("FAMO", "famo"),
    balanced("CoBa", "{kind: coba, warmup: 20}"),
    balanced("GradNorm", "gradnorm"),
    balanced("PCGrad", "pcgrad"),
    balanced("GradVac", "gradvac"),
    balanced("MGDA", "mgda"),
    balanced("CAGrad", "cagrad"),
    balanced("IMTL-G", "imtl_g"),
    balanced("Nash-MTL", "nash"),
    balanced("Aligned-MTL", "aligned"),
    balanced("UPGrad", "upgrad"),
    balanced("UPGrad, AdamW metric", "upgrad"),
    balanced("DualProj", "dualproj"),
    balanced("FairGrad", "fairgrad"),
    balanced("DB-MTL", "db_mtl"),
)


EQUAL = balanced(REFERENCE, "equal")


def weights(trial: int) -> dict[str, float]:
    """Fixed weights between a third and three times, log-uniform."""
    drawn = np.random.default_rng([trial, len(TASKS)]).uniform(-1, 1, len(TASKS))
    return {task: round(float(3.0**x), 3) for task, x in zip(TASKS, drawn, strict=True)}


def fixed(trial: int) -> Row:
    held = ", ".join(f"{task}: {w}" for task, w in weights(trial).items())
    return balanced(f"fixed weights, trial {trial}", f"{{kind: fixed, weights: {{{held}}}}}")


def sampled(temperature: int) -> Row:
    setting = f"stages.0.mixture={{kind: temperature, temperature: {temperature}}}"
    return Row(f"temperature {temperature}", (setting, "stages.0.balance=mean"))


def name(row: Row) -> str:
    return "".join(c if c.isalnum() else "-" for c in row.title.lower())


def overrides(row: Row) -> tuple[str, ...]:
    metric = ("stages.0.gradients.metric=adam",) if "AdamW" in row.title else ()
    return (*row.overrides, *metric)


def trained(row: Row, seed: int) -> Path:
    """The run's folder; trained unless it is there."""
    found = RUNS / name(row) / str(seed)
    if not (found / "report.html").exists():
        loaded = load_recipe(RECIPE, (*overrides(row), f"seed={seed}"))
        run(loaded, found, resume=found.exists())
    return found


def validation(row: Row) -> float:
    """The mean validation score at the end of the run with the first seed."""
    path = trained(row, SEEDS[0]) / "stages" / "01-together" / "validation.jsonl"
    return json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["mean"]


def tuned(trials: Sequence[Row]) -> tuple[Row, dict[str, float]]:
    """The best of several by validation, and what all of them scored."""
    scores = {row.title: validation(row) for row in trials}
    return max(trials, key=lambda row: scores[row.title]), scores


def rivals() -> tuple[dict[str, Row], dict[str, dict[str, float]]]:
    """By title, the rows that use no gradients; and the trials' validation scores."""
    weighed, of_weights = tuned([fixed(trial) for trial in range(TRIALS)])
    mixed, of_mixtures = tuned([sampled(t) for t in TEMPERATURES])
    rows = {
        "sampling in proportion": sampled(1),
        f"sampling, tuned ({mixed.title})": mixed,
        f"fixed, tuned ({weighed.title})": weighed,
    }
    return rows, {"fixed": of_weights, "temperature": of_mixtures}


Runs = dict[str, list[list[Prediction]]]


def predictions(row: Row) -> Runs:
    held: Runs = {task: [] for task in TASKS}
    for seed in SEEDS:
        for task in TASKS:
            path = trained(row, seed) / "predictions" / "01-together" / f"{task}.jsonl"
            held[task].append(read_predictions(path))
    return held


def score(runs: Runs) -> float:
    hits = [[p.score for p in one] for task in runs.values() for one in task]
    return statistics.mean(statistics.mean(one) for one in hits)


def two_sided_p(found: SeedScore) -> float:
    """Of no difference, from the interval's half width, as if it were normal."""
    spread = (found.high - found.low) / (2 * NormalDist().inv_cdf(0.975))
    return 2 * NormalDist().cdf(-abs(found.mean) / spread) if spread > 0 else 1.0


@dataclass(frozen=True)
class Result:
    """A row's mean score, and its differences to the reference."""

    score: float
    mean: SeedScore
    tasks: Mapping[str, SeedScore]


def differences(ours: Runs, theirs: Runs, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Of accuracy, run by run; and in each draw of the examples.

    A run is tested on examples that its seed drew from the task's test set, so examples are drawn
    from all that some run saw, and count in the runs that saw them.
    """
    held = [
        {a.id: a.score - b.score for a, b in zip(one, two, strict=True) if a.id == b.id}
        for one, two in zip(ours[task], theirs[task], strict=True)
    ]
    assert [len(one) for one in held] == [len(one) for one in ours[task]], "other examples"
    seen = sorted(set().union(*held))
    known = np.array([[example in one for example in seen] for one in held])
    gains = np.array([[one.get(example, 0.0) for example in seen] for one in held])
    counts = np.concatenate(list(RESAMPLING.counts(task, len(seen))))
    draws = (counts @ gains.T) / (counts @ known.T)
    return gains.sum(axis=1) / known.sum(axis=1), draws.T


def result(row: Row, reference: Runs) -> Result:
    ours = predictions(row)
    found = {task: differences(ours, reference, task) for task in TASKS}
    values = np.mean([each for each, _ in found.values()], axis=0)
    draws = np.mean([draws for _, draws in found.values()], axis=0)
    return Result(
        score(ours),
        spread(values, draws, RESAMPLING),
        {task: spread(*held, RESAMPLING) for task, held in found.items()},
    )


def cost(rows: Sequence[Row]) -> dict[str, float]:
    """Median time of a step against the reference's step of the same lap."""
    with tempfile.TemporaryDirectory() as held:
        steps = {row.title: one_step(row, Path(held)) for row in rows}
    seconds: dict[str, list[float]] = {title: [] for title in steps}
    order = list(steps)
    for lap in range(LAPS + 1):  # the first warms up
        # What ran before leaves its traces in the caches, so everyone takes every place.
        order = order[-_SHIFT:] + order[:-_SHIFT]
        for title in order:
            began = time.perf_counter()
            steps[title]()
            if lap:
                seconds[title].append(time.perf_counter() - began)
    plain = seconds[REFERENCE]
    return {
        title: statistics.median(a / b for a, b in zip(held, plain, strict=True))
        for title, held in seconds.items()
    }


def one_step(row: Row, folder: Path) -> Callable[[], None]:
    """The trainer's own step, one after the other; nobody sees its record."""
    built = build(load_recipe(RECIPE, overrides(row)))
    stage = built.recipe.stages[0]
    model = fresh_model(built)
    parts = step_parts(built, stage, model, Processes(), stage.learn)
    where = folder / name(row)
    where.mkdir()
    whole = StageRun(
        settings=stage,
        parts=parts,
        source=built.source(stage),
        examples=built.examples,
        checkpoints=where,
        validate=None,
        validate_every=0,
        validation_losses=validation_losses(built, parts),
    )
    model.network.train()
    return _Trainer(whole, lambda _: None).step


def cell(found: SeedScore) -> str:
    return f"{100 * found.mean:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def table(results: Mapping[str, Result], costs: Mapping[str, float], reference: float) -> str:
    ps = holm([two_sided_p(found.mean) for found in results.values()])
    sure = dict(zip(results, ps, strict=True))
    lines = [
        "| | mean | difference to equal | sure | worst task | cost |",
        "|---|---|---|---|---|---|",
    ]
    rows = [(reference, f"| **{REFERENCE}** | {100 * reference:.1f} | | | | 1 |")]
    for title, found in results.items():
        task = min(found.tasks, key=lambda name: found.tasks[name].mean)
        told = "yes" if sure[title] <= LEVEL else ""
        price = f"{costs[title]:.2f}" if title in costs else "1"
        line = (
            f"| {title} | {100 * found.score:.1f} | {cell(found.mean)} | {told} "
            f"| {task} {cell(found.tasks[task])} | {price} |"
        )
        rows.append((found.score, line))
    rows.sort(key=lambda row: -row[0])
    return "\n".join([*lines, *(line for _, line in rows)]) + "\n"


def jobs() -> list[tuple[Row, int]]:
    """All runs that do not wait for another's result."""
    trials = [fixed(trial) for trial in range(TRIALS)] + [sampled(t) for t in TEMPERATURES]
    first = [(row, SEEDS[0]) for row in trials]
    return first + [(row, seed) for seed in SEEDS for row in (EQUAL, *BALANCERS)]


def main() -> None:
    part, _, parts = (sys.argv[1] if len(sys.argv) > 1 else "1/1").partition("/")
    for row, seed in jobs()[int(part) - 1 :: int(parts)]:
        trained(row, seed)
    if int(parts) > 1:
        return
    chosen, trials = rivals()
    reference = predictions(EQUAL)
    rows = {row.title: row for row in BALANCERS} | chosen
    results = {title: result(row, reference) for title, row in rows.items()}
    costs = cost([EQUAL, *BALANCERS])
    text = (
        f"{table(results, costs, score(reference))}\nPercent, and points of difference to equal "
        f"weights; 95 % intervals over seeds {', '.join(map(str, SEEDS))} and test examples. "
        f"Sure: after Holm's correction for {len(rows)} rows. Cost: a step's time against that of "
        "equal weights. Made by `python benchmarks/balancers.py`.\n"
    )
    results_folder = HERE / "results"
    (results_folder / "balancers.md").write_text(text, encoding="utf-8")
    body = {
        "reference": score(reference),
        "results": {title: asdict(found) for title, found in results.items()},
        "costs": costs,
        "validation of trials": trials,
    }
    path = results_folder / "balancers.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
