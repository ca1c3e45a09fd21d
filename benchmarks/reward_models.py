"""Reward models on real feedback, over seeds: python benchmarks/reward_models.py [MODEL]

recipes/real/reward.yaml, once a seed, and the same with DPO in place of the reward heads; MODEL is
a folder, left out the bundled base. Agreement with people is held against three that read no
answer: chance, length alone (the direction that is right more often in training), and a logistic
regression on counted words and pairs of words, all on the same test answers. What DPO moved is the
rise of the better answer's log-likelihood over the worse one's, in nats.

`... [MODEL] reward|dpo SEED` makes one run and stops. Runs stay under runs/reward_models/ and are
not repeated when they are there.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from record import RESULTS, Line, save

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.faithful import opinions
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.evaluation.seeds import SeedScore, difference_over_seeds, over_seeds, spread
from madrigal.feedback import inspect, sentences
from madrigal.feedback.bag_of_words import learnt
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.tasks.consensus import consensus
from madrigal.tasks.load import load_tasks
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task

ROOT = Path(__file__).parents[1]
RUNS, RECIPE = ROOT / "runs" / "reward_models", ROOT / "recipes" / "real" / "reward.yaml"
SEEDS = (0, 1, 2)
RESAMPLING = Resampling()
STAGE = "01-judge"
DPO = (
    "stages.0.objective={harmless: dpo, ranked: dpo, votes: dpo, rated: dpo}",
    "stages.0.optimiser.learning_rate=3.0e-4",
    "stages.0.steps=20",
    # Every training answer is asked of the reference; no more than the steps can see.
    "tasks.harmless.data.max_train=120",
    "tasks.votes.data.max_train=120",
    "tasks.ranked.data.max_train=80",
    "tasks.rated.data.max_train=40",
)
KINDS = {"reward": ("evaluate.base=false",), "dpo": DPO}

Rows = list[Prediction]


def overrides(kind: str, seed: int, model: str) -> tuple[str, ...]:
    own = [f"model.base={model}"] if model else []
    if seed != SEEDS[0]:
        own.append("evaluate.base=false")  # the same model for every seed
    return (*KINDS[kind], f"seed={seed}", *own)


def made(kind: str, seed: int, model: str) -> Path:
    """The folder of a run, which is made where it is not there."""
    folder = RUNS / (Path(model).name or "base-xs") / kind / str(seed)
    if not (folder / "report.html").exists():
        run(load_recipe(RECIPE, overrides(kind, seed, model)), folder, resume=folder.exists())
    return folder


def predicted(folder: Path, label: str = STAGE) -> dict[str, Rows]:
    paths = sorted((folder / "predictions" / label).glob("*.jsonl"))
    return {path.stem: read_predictions(path) for path in paths}


def judged(row: Prediction) -> Judging:
    assert row.judging is not None
    return row.judging


def scored(row: Prediction, scores: Sequence[float]) -> Prediction:
    """The same answers with other scores."""
    return replace(row, judging=replace(judged(row), rewards=tuple(map(float, scores))))


def pairs(records: Sequence[Record]) -> tuple[list[str], list[str], np.ndarray]:
    """Answers that were compared and which is better, ties left out."""
    first, second, value = [], [], []
    for said in (record.feedback for record in records):
        wins = () if said is None else consensus(said).wins
        for i, k in zip(*np.tril_indices(len(wins), -1), strict=True):
            if abs(wins[i][k] - 0.5) > 0:  # neither a tie nor not compared
                first.append(said.answers[i])
                second.append(said.answers[k])
                value.append(np.sign(wins[i][k] - 0.5))
    return first, second, np.array(value)


def by_length(task: Task, rows: Rows) -> Rows:
    first, second, value = pairs(task.splits["train"])
    longer = [np.sign(len(a) - len(b)) for a, b in zip(first, second, strict=True)]
    sign = 1.0 if np.dot(longer, value) >= 0 else -1.0
    return [scored(row, [sign * len(text) for text in judged(row).answers]) for row in rows]


def by_words(task: Task, rows: Rows) -> Rows:
    first, second, value = pairs(task.splits["train"])
    score = learnt(first, second, value)
    return [scored(row, score(judged(row).answers)) for row in rows]


def moved(after: Sequence[Rows], before: Sequence[Rows]) -> dict[str, SeedScore]:
    """Of the log-ratios: mean lead of the better answer in nats, and agreement by them."""
    told = []
    for late, early in zip(after, before, strict=True):
        starts = {row.id: judged(row).logps for row in early}
        told.append([scored(r, np.subtract(judged(r).logps, starts[r.id])) for r in late])
    each = np.array([[_lead(row) for row in rows] for rows in told])
    draws = RESAMPLING.totals("dpo", each.T) / each.shape[1]
    return {"nats": spread(each.mean(axis=1), draws.T, RESAMPLING),
            "agreement": over_seeds(told, "agreement", RESAMPLING)}  # fmt: skip


def _lead(row: Prediction) -> float:
    """By how much the better answer of a pair is ahead, mean over the pairs that are no tie."""
    held = judged(row)
    wins, scores = np.array(held.wins), np.array(held.rewards)
    better, worse = np.nonzero(wins > 0.5)
    return float(np.mean(scores[better] - scores[worse])) if len(better) else 0.0


def study(task: Task, rewards: list[Rows], dpo: tuple[list[Rows], list[Rows]]) -> dict:
    """All figures of one set."""
    first = rewards[0]
    rows = {
        "length alone": [by_length(task, first)] * len(SEEDS),
        "bag of words": [by_words(task, first)] * len(SEEDS),
        "reward model": rewards,
    }
    told = [opinions(one, None, RESAMPLING)[0] for one in rewards]
    found = inspect([record for some in task.splits.values() for record in some])
    bounds = found.parts[0].ceiling
    return {
        "pairs": told[0].pairs,
        "prompts": len(first),
        "train": len(task.splits["train"]),
        "ceiling": None if bounds is None else [bounds.least.value, bounds.most.value],
        "agreement": {k: asdict(over_seeds(v, "agreement", RESAMPLING)) for k, v in rows.items()},
        "reward model less": {
            k: asdict(difference_over_seeds(rewards, rows[k], "agreement", RESAMPLING))
            for k in ("length alone", "bag of words")
        },
        "calibration error": [asdict(one.calibration.error) for one in told],
        "calibration floor": [one.calibration.floor for one in told],
        "prefers longer": [asdict(one.model_longer) for one in told if one.model_longer],
        "people prefer longer": asdict(told[0].people_longer) if told[0].people_longer else None,
        "dpo": {k: asdict(v) for k, v in moved(*dpo).items()},
        "quality": sentences(found),
    }


def percent(cell: Mapping, sign: str = "") -> str:
    low, high = (format(100 * cell[end], f"{sign}.1f") for end in ("low", "high"))
    return f"{100 * cell['mean']:{sign}.1f} ({low} to {high})"


def verdict(name: str, cell: Mapping) -> str:
    if cell["low"] > 0:
        return f"above {name}"
    return f"below {name}" if cell["high"] < 0 else f"no clear difference to {name}"


def page(found: Mapping[str, dict], model: str) -> str:
    names = ("prompts (pairs)", "ceiling", "length alone", "bag of words", "reward model")
    head = f"| | {' | '.join((*names, 'DPO, log-ratio', 'DPO moved, nats'))} |"
    lines = [head, "|---" * 8 + "|"]
    for name, one in found.items():
        top = one["ceiling"]
        ceil = "unknown" if top is None else f"{100 * top[0]:.1f} to {100 * top[1]:.1f}"
        nats = one["dpo"]["nats"]
        cells = [percent(cell) for cell in one["agreement"].values()]
        cells += [percent(one["dpo"]["agreement"])]
        cells += [f"{nats['mean']:+.2f} ({nats['low']:+.2f} to {nats['high']:+.2f})"]
        lines.append(
            f"| {name} | {one['prompts']} ({one['pairs']}) | {ceil} | {' | '.join(cells)} |"
        )
    lines += ["", "Agreement with people in percent, chance 50; 95 % intervals over seeds and test "
              "prompts. DPO's margins are those of held-out answers.", ""]  # fmt: skip
    for name, one in found.items():
        less = one["reward model less"]
        words = "; ".join(f"{verdict(k, cell)}, {percent(cell, '+')}" for k, cell in less.items())
        error = np.mean([cell["value"] for cell in one["calibration error"]])
        floor = np.mean(one["calibration floor"])
        longer = np.mean([cell["value"] for cell in one["prefers longer"]])
        people = one["people prefer longer"]["value"]
        lines.append(
            f"- **{name}**: the reward model, in points: {words}. Calibration error "
            f"{100 * error:.1f} %, where chance gives {100 * floor:.1f}; it prefers the longer "
            f"answer in {100 * longer:.1f} %, people in {100 * people:.1f} %."
        )
    lines += ["", "Quality of each set, as `madrigal feedback inspect` tells it:", ""]
    for name, one in found.items():
        lines.append(f"- **{name}**: {' '.join(one['quality'])}")
    seeds, base = ", ".join(map(str, SEEDS)), Path(model).name or "madrigal/base-xs"
    made_by = "Made by `python benchmarks/reward_models.py`."
    lines += ["", f"Recipe recipes/real/reward.yaml, {base}, seeds {seeds}. {made_by}"]
    return "\n".join(lines) + "\n"


def rows_of(found: Mapping[str, dict]) -> list[Line]:
    told = []
    for name, one in found.items():
        cell, nats = one["agreement"]["reward model"], one["dpo"]["nats"]
        what, sure = f"{name}: reward model's agreement", cell["low"] > 0.5
        told.append(Line(what, 100 * cell["mean"], "%", "above 50, surely", sure))
        for other, less in one["reward model less"].items():
            told.append(Line(f"{name}: less {other}", 100 * less["mean"], "points"))
        what, sure = f"{name}: DPO moved held-out margins by", nats["low"] > 0
        told.append(Line(what, nats["mean"], "nats", "above 0, surely", sure))
    return told


def main() -> None:
    arguments = sys.argv[1:]
    kind = next((word for word in arguments if word in KINDS), None)
    model = next((str(Path(word).resolve()) for word in arguments if Path(word).is_dir()), "")
    if kind is not None:
        made(kind, int(arguments[-1]), model)
        return
    rewards = [predicted(made("reward", seed, model)) for seed in SEEDS]
    folders = [made("dpo", seed, model) for seed in SEEDS]
    late = [predicted(folder) for folder in folders]
    early = [predicted(folders[0], "base")] * len(SEEDS)
    loaded = load_recipe(RECIPE, overrides("reward", 0, model))
    tasks = load_tasks(loaded.recipe, loaded.root)
    found = {
        name: study(task, [one[name] for one in rewards],
                    ([one[name] for one in late], [one[name] for one in early]))
        for name, task in tasks.items()
    }  # fmt: skip
    save("reward_models", rows_of(found), model=Path(model).name or "base-xs", each=found)
    (RESULTS / "reward_models.md").write_text(page(found, model), encoding="utf-8")
    print(json.dumps({name: one["agreement"] for name, one in found.items()}, indent=1))


if __name__ == "__main__":
    main()
