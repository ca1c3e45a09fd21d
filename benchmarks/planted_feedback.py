"""Planted noise in feedback: found, and withstood?: python benchmarks/planted_feedback.py [SEEDS]

Five seeds unless told otherwise, from 5 on: the first five shaped the test of length. Stated
beforehand: of pairs judged by several people, with 10, 20 or 30 % of the verdicts turned round,
that share is found within .03 in every seed; an annotator who tosses coins among six honest ones is
found in every seed, and nobody is accused without one; and where people like length twice as much
as what they should judge, a plain reward model is wrong on most pairs whose better answer is the
shorter one by eight words or more, and the debiased is not.

The last is trained end to end: a transformer of two layers, 600 pairs a seed. An answer is up to 24
neutral words with three adjectives among them; its quality is how many of these are kind, which has
nothing to do with its length. The test is on quality alone.
"""

import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from record import Line, save

from madrigal.evaluation.prediction import read_predictions
from madrigal.feedback.annotators import annotators
from madrigal.feedback.flips import repeated_flip_rate
from madrigal.feedback.votes import comparisons
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn

RATES = (0.1, 0.2, 0.3)
KIND = ("kind", "warm", "clear", "calm")
RUDE = ("rude", "cold", "vague", "loud")
PLAIN = ("and", "then", "the", "one", "by", "this", "or", "so", "it", "was", "on", "a")
LIKES_LENGTH = 2.0  # standard deviations of quality for one of length
TRAIN, TEST = 600, 200
SHORTER = 8  # words by which the better answer of a test is the shorter one, or more
STEPS = 250  # of either model
FIRST = 5  # the seeds before it shaped the test of length
DEBIASED = "{kind: reward, length_debias: 2.0}"

Answer = tuple[str, float, int]  # text, quality, words


def judged(number: int, verdicts: Sequence[tuple[str, bool]]) -> Record:
    """Two answers and who found the first one better."""
    said = tuple(
        Judgement((1.0, 0.0) if first else (0.0, 1.0), annotator=name) for name, first in verdicts
    )
    feedback = Feedback("pair", (f"one {number}", f"other {number}"), said)
    return Record(f"votes:{number + 1}", (Turn("user", f"prompt {number}"),), feedback=feedback)


def voted(wrong: Sequence[float], items: int, votes: int, seed: int, named: bool) -> list[Record]:
    """Pairs judged by some of the people, each wrong with a chance of their own."""
    chance = np.random.default_rng(seed)
    records = []
    for number in range(items):
        people = chance.permutation(len(wrong))[:votes]
        truth = bool(chance.random() < 0.5)
        told = [(f"a{p}" if named else "", truth != (chance.random() < wrong[p])) for p in people]
        records.append(judged(number, told))
    return records


def flips(rate: float, seed: int) -> dict[str, float]:
    """The flip rate as votes without names give it, and as Dawid and Skene's model does."""
    plain = repeated_flip_rate(comparisons(voted([rate] * 6, 1200, 3, seed, named=False)))
    fitted = annotators(comparisons(voted([rate] * 6, 800, 4, seed, named=True))).flip_rate
    assert plain is not None
    assert fitted is not None
    return {"repeated": plain.value, "dawid_skene": fitted.value}


def spammer(seed: int) -> dict[str, float]:
    """Whether the coin tosser is accused, and how many others are, with one and without."""
    honest = [0.1, 0.15, 0.2, 0.1, 0.25, 0.15]
    found = [
        {
            one.name: one.verdict
            for one in annotators(comparisons(voted(who, 500, 4, seed, True))).each
        }
        for who in ([*honest, 0.5], [*honest, 0.12])
    ]
    accused = [{name for name, verdict in one.items() if verdict} for one in found]
    return {
        "found": float("a6" in accused[0]),
        "others": len(accused[0] - {"a6"}) + len(accused[1]),
    }


def answer(chance: random.Random) -> Answer:
    kind = chance.randrange(4)
    words = [chance.choice(KIND) for _ in range(kind)] + [
        chance.choice(RUDE) for _ in range(3 - kind)
    ]
    count = chance.randrange(24)
    words += [chance.choice(PLAIN) for _ in range(count)]
    chance.shuffle(words)
    return " ".join(words), (kind - 1.5) / 1.118, len(words)


def pairs(seed: int, test: bool) -> list[dict[str, str]]:
    """Of training, by quality and length together; of test, by quality, the better one shorter by
    `SHORTER` words or more."""
    chance = random.Random(f"{seed} {test}")
    found = []
    while len(found) < (TEST if test else TRAIN):
        one, other = answer(chance), answer(chance)
        ahead = one[1] - other[1]
        longer = (one[2] - other[2]) / 6.92
        liked = ahead if test else ahead + LIKES_LENGTH * longer + chance.gauss(0, 0.3)
        if liked == 0 or (test and (ahead == 0 or ahead * (one[2] - other[2]) > 0)):
            continue
        if test and abs(one[2] - other[2]) < SHORTER:
            continue
        best, worst = (one, other) if liked > 0 else (other, one)
        prompt = f"{'asked' if test else 'said'} {len(found)}:"
        found.append({"prompt": prompt, "chosen": best[0], "rejected": worst[0]})
    return found


def shortcut(seed: int, objective: str, steps: int = STEPS) -> dict[str, float]:
    """A trained reward model's agreement on pairs whose better answer is the shorter one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, test in (("train", False), ("test", True)):
            text = "".join(json.dumps(row) + "\n" for row in pairs(seed, test))
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        (folder / "recipe.yaml").write_text(_recipe(seed, objective, steps), encoding="utf-8")
        run(load_recipe(folder / "recipe.yaml", []), folder / "run", resume=False)
        rows = read_predictions(folder / "run" / "predictions" / "01-judge" / "polite.jsonl")
        summary = json.loads((folder / "run" / "scores.json").read_text())["summary"]
    (told,) = summary["judged"]["01-judge"]["polite"]
    right = float(np.mean([row.score for row in rows]))
    return {"right": right, "longer": told["model_longer"]["value"]}


def _recipe(seed: int, objective: str, steps: int) -> str:
    return f"""
name: shortcut
seed: {seed}
model:
  base: new
  adapter: full
  context: 64
  new: {{vocabulary: 400, width: 64, layers: 2, heads: 4, key_value_heads: 4, mlp: 128}}
tasks:
  polite: {{data: {{train: train.jsonl, test: test.jsonl}}}}
stages:
  - name: judge
    learn: polite
    steps: {steps}
    batch: {{rows: 32}}
    objective: {{polite: {objective}}}
    optimiser: {{learning_rate: 3.0e-3}}
evaluate: {{baselines: false, base: false}}
"""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Of the mean over seeds, by Student's t."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def rows(found: Mapping[str, list[dict[str, float]]]) -> list[Line]:
    told = []
    for rate in RATES:
        for how, name in (("repeated", "repeated votes"), ("dawid_skene", "Dawid and Skene")):
            off = max(abs(one[how] - rate) for one in found[f"flips {rate}"])
            what = f"{rate:.0%} flips by {name}: off by at most"
            told.append(Line(what, round(off, 4), "", "<= 0.03", off <= 0.03))
    seeds = len(found["spammer"])
    seen = sum(one["found"] for one in found["spammer"])
    others = sum(one["others"] for one in found["spammer"])
    told.append(Line("coin tosser found, seeds", seen, "", f"{seeds}", seen == seeds))
    told.append(Line("honest annotators accused, all seeds", others, "", "0", others == 0))
    for name, what in (("plain", "Bradley-Terry"), ("debiased", "length_debias")):
        right = [one["right"] for one in found[name]]
        low, high = interval(right)
        good = high < 0.5 if name == "plain" else low > 0.5
        target = "below .5, surely" if name == "plain" else "above .5, surely"
        text = f"{what}: agreement where the better answer is shorter ({low:.3f} to {high:.3f})"
        told.append(Line(text, round(float(np.mean(right)), 4), "", target, good))
    gain = [a["right"] - b["right"] for a, b in zip(found["debiased"], found["plain"], strict=True)]
    low, high = interval(gain)
    text = f"length_debias less Bradley-Terry ({low:.3f} to {high:.3f})"
    told.append(Line(text, round(float(np.mean(gain)), 4), "", "above 0, surely", low > 0))
    return told


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(FIRST, FIRST + count):
        for rate in RATES:
            found.setdefault(f"flips {rate}", []).append(flips(rate, seed))
        found.setdefault("spammer", []).append(spammer(seed))
        found.setdefault("plain", []).append(shortcut(seed, "reward"))
        found.setdefault("debiased", []).append(shortcut(seed, DEBIASED))
        print(f"seed {seed} done", {k: v[-1] for k, v in found.items()}, flush=True)
    save("planted_feedback", rows(found), seeds=count, each=found)


if __name__ == "__main__":
    main()
