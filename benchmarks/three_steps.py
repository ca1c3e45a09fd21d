"""Instruct, reward model, PPO; and DPO beside it: python benchmarks/three_steps.py [MODEL] [SEEDS]

The recipes of recipes/real/three_steps, through the command line, once a seed (five unless told
otherwise, from 7 on: the others shaped settings and guards). The reward model learns from the first
half of the pairs of hh_harmless; a gold one, which no route is trained against, from the second
half, with another seed. PPO learns from the reward model on these prompts and from a checker on
times of day. DPO begins at the same model and learns from the pairs, and from the right times and
the model's own wrong ones, for as many steps as come to the same tokens in all. Both are measured
on the same held-out prompts. Stated beforehand: a seed has collapsed if the reward in training or
the share of right times ends lower than it began, or the answers end up more than 10 nats (the
guard's limit) from the model before, or with less than a quarter of their length.

`... remedies` also trains PPO with snips mixed in and with EWC, and writes what each remedy of the
alignment tax does (alignment_tax.json). MODEL is a folder, left out the bundled base. Runs stay
under runs/three_steps/ and are not repeated when they are there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, Line, save

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.seeds import SeedScore, spread
from madrigal.evaluation.write import answered
from madrigal.pipeline.build import build
from madrigal.pipeline.folder import recipe_of
from madrigal.pipeline.trained import find_trained, load_trained

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes" / "real" / "three_steps"
PAIRS = Path(os.environ.get("MADRIGAL_DATA", "data")) / "preferences" / "hh_harmless"
RESAMPLING = Resampling()
FIRST, SEEDS, PROMPTS, ASKED, LIMIT, SHORT = 7, 5, 60, 400, 10.0, 0.25
ROUTES = ("ppo", "dpo")
REMEDIES = {
    "mixed": ("stages.act.learn=[harmless, clock, snips]",),
    "ewc": ("stages.act.retain=[{kind: ewc, strength: 300}]",),
}
POINTS = (0.0, 0.5, 1.0)
# What is compared: of own answers, of test examples, and how far answers went.
MEASURES = {
    "judge": "reward in training",
    "gold": "gold reward",
    "clock": "right times, points",
    "snips": "snips (not trained), points",
    "nats": "nats from the model before",
    "tokens": "tokens of an answer",
}


class Place:
    """The folders of one base."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.folder = ROOT / "runs" / "three_steps" / (Path(model).name or "base-xs")
        self.gold = self.folder / "gold"

    def of(self, seed: int, name: str = "") -> Path:
        return self.folder / str(seed) / name

    def half(self, number: int) -> Path:
        """A file with one half of the training pairs."""
        path = self.folder / f"half-{number}.jsonl"
        if not path.exists():
            rows = (PAIRS / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
            cut = len(rows) // 2
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(rows[:cut] if number == 1 else rows[cut:]), encoding="utf-8")
        return path

    def run(self, recipe: str, out: Path, seed: int, *sets: str) -> None:
        if (out / "report.html").exists():
            return
        # Other tokenizers may need more tokens for the same text.
        more = [f"model.base={self.model}", "model.context=320"] if self.model else []
        words = [f"seed={seed}", *more, *sets]
        given = [word for one in words for word in ("--set", one)]
        madrigal("run", RECIPES / f"{recipe}.yaml", "--out", out, "--resume", *given)


def madrigal(*words: object) -> None:
    print(f"$ madrigal {' '.join(map(str, words))}", flush=True)
    subprocess.run([sys.executable, "-m", "madrigal", *map(str, words)], check=True)


def three_steps(place: Place, seed: int, routes: Sequence[str]) -> None:
    """Every run of a seed that is not there, and its tax."""
    start, judge = place.of(seed, "instruct"), place.of(seed, "judge")
    place.run("instruct", start, seed)
    first = f"tasks.harmless.data.train={place.half(1)}"
    place.run("judge", judge, seed, f"start_from.run={start}", first)
    if not (place.gold / "report.html").exists():
        second = f"tasks.harmless.data.train={place.half(2)}"
        place.run("judge", place.gold, 100, f"start_from.run={start}", second)
    begun = f"start_from.run={start}"
    for route in routes:
        out = place.of(seed, route)
        if route == "dpo":
            ppo, pilot = place.of(seed, "ppo"), place.folder / "pilot"
            times = f"tasks.times.data.train={wrong_times(place, seed)}"
            batch = f"stages.act.batch={{tokens: {mean_tokens(ppo)}}}"
            # Shared prompts and padding decide how many tokens a step really has.
            place.run("dpo", pilot, seed, begun, times, batch, "stages.act.steps=4")
            steps = round(len(steps_of(ppo)) * mean_tokens(ppo) / mean_tokens(pilot))
            budget = (batch, f"stages.act.steps={steps}")
            place.run("dpo", out, seed, begun, times, *budget)
        else:
            reward = f"stages.act.objective.harmless.reward={{kind: model, run: {judge}, task: harmless}}"  # noqa: E501
            place.run("ppo", out, seed, begun, reward, *REMEDIES.get(route, ()))
        if not (out / "tax" / "01-act" / "tax.json").exists():
            points = ",".join(f"{share:g}" for share in POINTS)
            judges = [w for who in (judge, place.gold) for w in ("--judge", f"harmless={who}")]
            madrigal("tax", out, "--points", points, "--prompts", PROMPTS, *judges)


def steps_of(run: Path) -> list[dict[str, Any]]:
    lines = (run / "stages" / "01-act" / "steps.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def mean_tokens(run: Path) -> int:
    return round(float(np.mean([row["padded_tokens"] for row in steps_of(run)])))


def wrong_times(place: Place, seed: int) -> Path:
    """Pairs of a right time and one that the model of step 1 wrote instead."""
    path = place.of(seed, "times.jsonl")
    if path.exists():
        return path
    run = place.of(seed, "instruct")
    built = build(recipe_of(run))
    task, (model, coder) = built.tasks["clock"], load_trained(find_trained(run))
    records = task.splits["train"][:ASKED]
    prompts = [coder.prompt(record, room=task.max_new_tokens) for record in records]
    limits = [task.max_new_tokens] * len(records)
    said = answered(model, coder, task, records, prompts, limits, 8192, seed)
    rows = [
        {"prompt": one.prompt, "chosen": record.answers[0], "rejected": one.output}
        for record, one in zip(records, said, strict=True)
        if one.output and one.output not in record.answers
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def changes(run: Path, measure: str, share: float) -> np.ndarray:
    """By how much a measure of each held-out example changed since the stage began."""
    after, before = values(run, measure, share), values(run, measure, 0.0)
    names = sorted(after.keys() & before.keys())
    return np.array([after[name] - before[name] for name in names])


def values(run: Path, measure: str, share: float) -> dict[str, float]:
    tax, at = run / "tax" / "01-act", f"at-{share:g}"
    if measure in ("clock", "snips"):
        rows = read_predictions(tax / "predictions" / at / f"{measure}.jsonl")
        return {row.id: 100 * row.score for row in rows}
    lines = (tax / "answers" / at / "harmless.jsonl").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line) for line in lines]
    if measure == "nats":
        return {row["id"]: row["nats"] for row in said}
    if measure == "tokens":
        return {row["id"]: float(len(row["written"])) for row in said}
    worth = json.loads((tax / "worth" / at / "harmless" / f"{measure}.json").read_text())
    return {row["id"]: value for row, value in zip(said, worth, strict=True) if value is not None}


def over(found: Sequence[np.ndarray]) -> SeedScore:
    """Mean over seeds and examples, with its interval over both; with one seed over examples."""
    table = np.stack(found)  # seeds, examples
    sums = np.concatenate([table, np.ones((1, table.shape[1]))]).T
    totals = RESAMPLING.totals("three steps", sums)
    draws = (totals[:, :-1] / totals[:, -1:]).T
    if len(table) > 1:
        return spread(table.mean(axis=1), draws, RESAMPLING)
    low, high = RESAMPLING.percentiles(draws[0])
    value = float(table.mean())
    return SeedScore(value, 0.0, low, high, low, high, (value,))


def compared(runs: Mapping[str, Sequence[Path]], share: float = 1.0) -> dict[str, Any]:
    """Each measure of each route, and of PPO less DPO on the same prompts."""
    told: dict[str, Any] = {}
    for measure in MEASURES:
        each = {
            route: [changes(run, measure, share) for run in some] for route, some in runs.items()
        }
        told[measure] = {name: over(some) for name, some in each.items()}
        if set(ROUTES) <= set(each):
            apart = [a - b for a, b in zip(each["ppo"], each["dpo"], strict=True)]
            told[measure]["ppo less dpo"] = over(apart)
    return told


def cost(run: Path) -> dict[str, float]:
    """Of the stage: tokens of its steps, and seconds with everything."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    steps = steps_of(run)
    return {
        "steps": len(steps),
        "tokens": sum(row["padded_tokens"] for row in steps),
        "seconds": manifest["timings"]["train 01-act"],
    }


def collapsed(run: Path) -> bool:
    ends = {measure: float(changes(run, measure, 1.0).mean()) for measure in MEASURES}
    left = float(np.mean(list(values(run, "tokens", 1.0).values())))
    short = left < SHORT * (left - ends["tokens"])
    return ends["judge"] < 0 or ends["clock"] < 0 or ends["nats"] > LIMIT or short


def cell(one: SeedScore) -> str:
    return f"{one.mean:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def verdict(one: SeedScore) -> str:
    return "higher" if one.low > 0 else "lower" if one.high < 0 else "not surely different"


def page(told: Mapping[str, Any], costs: Mapping[str, dict], model: str, seeds: int) -> str:
    routes = [name for name in told["judge"] if name != "ppo less dpo"]
    head = [*routes, *(["ppo less dpo"] if "ppo less dpo" in told["judge"] else [])]
    lines = [f"| change since step 1 | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for measure, words in MEASURES.items():
        cells = " | ".join(cell(told[measure][name]) for name in head)
        lines.append(f"| {words} | {cells} |")
    spent = "; ".join(
        f"{name} {np.mean([c['tokens'] for c in each]):,.0f} tokens in {np.mean([c['seconds'] for c in each]):,.0f} s"  # noqa: E501
        for name, each in costs.items()
    )
    lines += ["", f"Equal budget means the same tokens in the steps, on the mean: {spent}. The "
              "seconds hold writing answers and asking for rewards.", ""]  # fmt: skip
    if "ppo less dpo" in head:
        words = [f"{MEASURES[m]}: {verdict(told[m]['ppo less dpo'])}" for m in MEASURES]
        lines += [f"PPO against DPO: {'; '.join(words)}.", ""]
    lines.append(f"95 % intervals over {seeds} seeds and test prompts. "
                 f"{Path(model).name or 'madrigal/base-xs'}.")  # fmt: skip
    return "\n".join(lines) + "\n"


def lines_of(told: Mapping[str, Any], runs: Mapping[str, Sequence[Path]]) -> list[Line]:
    lines = []
    for measure, each in told.items():
        for route, one in each.items():
            promised = route == "ppo" and measure in ("judge", "clock")
            target, met = ("above 0, surely", one.low > 0) if promised else ("", None)
            if route == "ppo" and measure == "nats":
                target, met = f"<= {LIMIT:g}", max(one.runs) <= LIMIT
            what = f"{route}: {MEASURES[measure]} ({one.low:.2f} to {one.high:.2f})"
            lines.append(Line(what, one.mean, "", target, met))
    for route, some in runs.items():
        fallen = sum(map(collapsed, some))
        target, met = ("= 0", fallen == 0) if route == "ppo" else ("", None)
        lines.append(
            Line(f"{route}: seeds that collapsed, of {len(some)}", fallen, "", target, met)
        )
    return lines


def remedies(place: Place, runs: Mapping[str, Sequence[Path]], seeds: int) -> None:
    """What each remedy does to the gains of PPO and to the task that was not trained."""
    ways = {"ppo alone": (runs["ppo"], 1.0), "ppo, half of the way": (runs["ppo"], 0.5),
            "ppo, snips mixed in": (runs["mixed"], 1.0), "ppo, ewc": (runs["ewc"], 1.0),
            "dpo alone": (runs["dpo"], 1.0), "dpo, half of the way": (runs["dpo"], 0.5),
            }  # fmt: skip
    told = {
        name: {m: over([changes(run, m, share) for run in some]) for m in MEASURES}
        for name, (some, share) in ways.items()
    }
    rows = [f"| | {' | '.join(MEASURES.values())} |", "|---" * (len(MEASURES) + 1) + "|"]
    rows += [f"| {n} | {' | '.join(cell(one[m]) for m in MEASURES)} |" for n, one in told.items()]
    text = "\n".join([*rows, "", f"Changes since step 1, {seeds} seeds; 95 % intervals."]) + "\n"
    (RESULTS / "alignment_tax.md").write_text(text, encoding="utf-8")
    lines = [
        Line(f"{name}: {MEASURES[m]} ({one[m].low:.2f} to {one[m].high:.2f})", one[m].mean, "")
        for name, one in told.items()
        for m in MEASURES
    ]
    save("alignment_tax", lines, model=Path(place.model).name or "base-xs", seeds=seeds)


def main() -> None:
    words = sys.argv[1:]
    model = next((str(Path(word).resolve()) for word in words if Path(word).is_dir()), "")
    seeds = next((int(word) for word in words if word.isdigit()), SEEDS)
    place = Place(model)
    routes = (*ROUTES, *(REMEDIES if "remedies" in words else ()))
    numbers = range(FIRST, FIRST + seeds)
    for seed in numbers:
        three_steps(place, seed, routes)
    runs = {route: [place.of(seed, route) for seed in numbers] for route in routes}
    main_runs = {route: runs[route] for route in ROUTES}
    told = compared(main_runs)
    costs = {route: [cost(run) for run in some] for route, some in main_runs.items()}
    save("three_steps", lines_of(told, main_runs), model=Path(model).name or "base-xs",
         seeds=seeds, costs=costs)  # fmt: skip
    (RESULTS / "three_steps.md").write_text(page(told, costs, model, seeds), encoding="utf-8")
    if "remedies" in words:
        remedies(place, runs, seeds)


if __name__ == "__main__":
    main()
