"""Reward models on real feedback, over seeds: python benchmarks/reward_models.py [MODEL]

recipes/real/reward.yaml, once a seed; MODEL is a folder, left out the bundled base. Agreement with
people is held against three that read no answer: chance, length alone (the direction that is right
more often in training), and a logistic regression on counted words and pairs of words, all on the
same test answers.

Then the seeds' reward models of each set are joined by `madrigal ensemble`: agreement of the mean,
of the minimum and of the mean less half the variance, and how far the members differ on the test
answers of their own set, of the other sets, whose answers their adapters saw with other heads, and
of llmbar, which none has seen. `split` is the share of pairs of answers on which not all members
prefer the same; it has no unit, so that it may be compared between sets.

`... [MODEL] seed SEED` makes one run and stops. Runs stay under runs/reward/ and are not repeated
when they are there.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from judged_sets import (
    RESAMPLING,
    SEEDS,
    Rows,
    base_of,
    judged,
    made,
    percent,
    predicted,
    scored,
    tasks_of,
)
from record import RESULTS, Line, save

from madrigal.cli.app import main as madrigal
from madrigal.evaluation.faithful import opinions
from madrigal.evaluation.seeds import difference_over_seeds, over_seeds
from madrigal.feedback import inspect, sentences
from madrigal.feedback.bag_of_words import learnt
from madrigal.tasks.consensus import consensus
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task

RECIPE, STAGE = "reward", "01-judge"
UNSEEN = "preferences/llmbar/pairs.jsonl"  # below MADRIGAL_DATA
PLACES = {"pairs": "llmbar, never seen"}  # by the name of the file


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


def study(task: Task, rewards: list[Rows]) -> dict:
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
        "prompts": len({row.cluster for row in first}),
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
        "quality": sentences(found),
    }


def joined(folders: Sequence[Path], name: str) -> dict:
    """What `madrigal ensemble` measured of the seeds' reward models of a set."""
    out = folders[0].parent / "ensembles" / name
    if not (out / "measured.json").exists():
        shutil.rmtree(out, ignore_errors=True)
        unseen = str(Path(os.environ["MADRIGAL_DATA"]) / UNSEEN)
        command = ["ensemble", *map(str, folders), "--task", name, "--out", str(out)]
        if madrigal([*command, "--elsewhere", unseen, "--drop-bad"]):
            sys.exit(f"no ensemble of {name}")
    return json.loads((out / "measured.json").read_text(encoding="utf-8"))


def verdict(name: str, cell: Mapping) -> str:
    if cell["low"] > 0:
        return f"above {name}"
    return f"below {name}" if cell["high"] < 0 else f"no clear difference to {name}"


def measure(cell: Mapping) -> str:
    return percent({"mean": cell["value"]} | {end: cell[end] for end in ("low", "high")})


def page(found: Mapping[str, dict], model: str) -> str:
    seeds, base = ", ".join(map(str, SEEDS)), Path(model).name or "madrigal/base-xs"
    lines = [
        *_table(found), "",
        "Agreement with people in percent, chance 50; 95 % intervals over seeds and test prompts.",
        "", *map(_sentence, found, found.values()), "", *_ensembles(found), "",
        "Quality of each set, as `madrigal feedback inspect` tells it:", "",
        *(f"- **{name}**: {' '.join(one['quality'])}" for name, one in found.items()), "",
        f"Recipe recipes/real/reward.yaml, {base}, seeds {seeds}. Made by "
        "`python benchmarks/reward_models.py`.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _table(found: Mapping[str, dict]) -> list[str]:
    names = ("prompts (pairs)", "ceiling", "length alone", "bag of words", "reward model")
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for name, one in found.items():
        top = one["ceiling"]
        ceil = "unknown" if top is None else f"{100 * top[0]:.1f} to {100 * top[1]:.1f}"
        cells = " | ".join(percent(cell) for cell in one["agreement"].values())
        lines.append(f"| {name} | {one['prompts']} ({one['pairs']}) | {ceil} | {cells} |")
    return lines


def _sentence(name: str, one: Mapping) -> str:
    less = one["reward model less"]
    words = "; ".join(f"{verdict(k, cell)}, {percent(cell, '+')}" for k, cell in less.items())
    error = 100 * np.mean([cell["value"] for cell in one["calibration error"]])
    floor = 100 * np.mean(one["calibration floor"])
    longer = 100 * np.mean([cell["value"] for cell in one["prefers longer"]])
    people = 100 * one["people prefer longer"]["value"]
    return (
        f"- **{name}**: the reward model, in points: {words}. Calibration error {error:.1f} %, "
        f"where chance gives {floor:.1f}; it prefers the longer answer in {longer:.1f} %, people "
        f"in {people:.1f} %."
    )


def _ensembles(found: Mapping[str, dict]) -> list[str]:
    hows = ("mean", "minimum", "penalised")
    places = dict.fromkeys(
        place for one in found.values() for place in one["ensemble"]["disagreement"]
    )
    lines = [
        f"Ensembles of {len(SEEDS)} members that differ by their seed; agreement of these very "
        "members, intervals over test prompts:", "",
        f"| | one member | {' | '.join(hows)} |", "|---" * 5 + "|",
    ]  # fmt: skip
    for name, one in found.items():
        told = one["ensemble"]
        alone = np.mean([cell["value"] for cell in told["members"].values()])
        cells = " | ".join(measure(told["aggregates"][how]) for how in hows)
        lines.append(f"| {name} | {100 * alone:.1f} | {cells} |")
    lines += [
        "", "Pairs of answers on which the members differ, in percent, by where the answers are "
        "from; a row names the set that the members were made to judge:", "",
        f"| | {' | '.join(PLACES.get(place, place) for place in places)} |",
        "|---" * (len(places) + 1) + "|",
    ]  # fmt: skip
    for name, one in found.items():
        told = one["ensemble"]["disagreement"]
        cells = " | ".join(measure(told[place]["split"]) for place in places)
        lines.append(f"| {name} | {cells} |")
    return lines


def rows_of(found: Mapping[str, dict]) -> list[Line]:
    told = []
    for name, one in found.items():
        cell = one["agreement"]["reward model"]
        what, sure = f"{name}: reward model's agreement", cell["low"] > 0.5
        told.append(Line(what, 100 * cell["mean"], "%", "above 50, surely", sure))
        for other, less in one["reward model less"].items():
            told.append(Line(f"{name}: less {other}", 100 * less["mean"], "points"))
        joint = one["ensemble"]
        mean = joint["aggregates"]["mean"]
        told.append(Line(f"{name}: agreement of the ensemble's mean", 100 * mean["value"], "%"))
        for place in (name, "pairs"):
            split = joint["disagreement"][place]["split"]
            where = PLACES.get(place, "its own answers")
            what = f"{name}: members differ on pairs, {where}"
            told.append(Line(what, 100 * split["value"], "%"))
    return told


def main() -> None:
    arguments = sys.argv[1:]
    model = base_of(arguments)
    if "seed" in arguments:
        made(RECIPE, int(arguments[-1]), model)
        return
    folders = [made(RECIPE, seed, model) for seed in SEEDS]
    rewards = [predicted(folder, STAGE) for folder in folders]
    found = {
        name: study(task, [one[name] for one in rewards]) | {"ensemble": joined(folders, name)}
        for name, task in tasks_of(RECIPE, model).items()
    }
    save("reward_models", rows_of(found), model=Path(model).name or "base-xs", each=found)
    (RESULTS / "reward_models.md").write_text(page(found, model), encoding="utf-8")
    print(json.dumps({name: one["agreement"] for name, one in found.items()}, indent=1))


if __name__ == "__main__":
    main()
