"""Learning from answers of the model's own against TRL's trainers: completions per second.

A random Llama of 15M parameters with a vocabulary of 32,000 answers prompts of 96 random words
with 48, is rewarded by a function that costs nothing, and learns from that: a step of RLOO or GRPO.
No answer can end before its limit, so all sides write the same number of tokens. TRL stands at its
defaults (gradient checkpointing, batches of 8) and at its best settings here, on float32 as we do.
Every side has a process of its own and laps, of one step each, take turns. Before a ratio is
printed, tokens read and written, answers rewarded and the entropy of what was written must agree.
We read every answer with the reference in all cases, also where nothing is paid for the divergence
(`beta` 0), since it is watched; TRL does not then.

Ratios are geometric means over laps with Student's 95 % interval of their logarithm.

python benchmarks/own_answers.py [rloo] [grpo] [samples]    results/own_answers.json, parts renewed
python benchmarks/own_answers.py --search                   speeds of settings of TRL; no file
python benchmarks/own_answers.py --tiny                     everything in small, to see that it runs
"""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from own_answer_sides import Work, add_end, madrigal, texts, trl
from record import RESULTS, Line, save
from scipy.stats import t as student
from sides import Lap, Runner, Side
from workload import Shape, write_model

SHAPE = Shape(vocabulary=32000, width=288, layers=6, heads=6, mlp=768)
PROMPT, ANSWER, ANSWERS = 96, 48, 16
SAMPLES = 4  # to a prompt
LAPS = 3
PROMISED = 3.0
ALIKE = 0.02  # of entropies of different answers from the same model
# Found with --search.
BEST = {"batch": 16, "trl": {"gradient_checkpointing": False}}


def work(method: str, beta: float, samples: int = SAMPLES) -> Work:
    return Work(method, beta, ANSWERS // samples, samples, PROMPT, ANSWER)


def race(sides: Sequence[Side], folder: Path, laps: int) -> list[list[Lap]]:
    """Laps by side; a first lap warms up and is not counted."""
    one: Work = sides[0].settings["work"]
    # A last lap is never run: a side that is done would tidy up beside the laps of others.
    rows = texts(one, SHAPE.vocabulary, laps + 2)
    track = {"model": folder, "rows": rows, "rows_per_step": one.prompts, "laps": laps + 2}
    runners = [Runner(side, **track) for side in sides]
    try:
        rounds = [[runner.lap() for runner in runners] for _ in range(laps + 1)]
    finally:
        for runner in runners:
            runner.stop()
    return [list(lap) for lap in zip(*rounds[1:], strict=True)]


def assert_equal_work(sides: Sequence[Side], laps: Sequence[Sequence[Lap]]) -> None:
    one: Work = sides[0].settings["work"]
    stated = one.answers * (one.prompt + one.answer), one.answers * one.answer, one.answers
    for side, held in zip(sides, laps, strict=True):
        for lap in held:
            found = lap.tokens, lap.trained, lap.more["answers"]
            if found != stated:
                sys.exit(f"{side.name} did {found} (tokens, written, rewarded), not {stated}")
    entropy = [float(np.mean([lap.more["entropy"] for lap in held])) for held in laps]
    if max(entropy) > min(entropy) * (1 + ALIKE):
        sys.exit(f"sides draw from different distributions; entropies {entropy}")


def ratio(ours: Sequence[Lap], theirs: Sequence[Lap]) -> tuple[float, float, float]:
    """How many times faster we are, and the ends of its interval."""
    each = np.log([b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)])
    half = student.ppf(0.975, len(each) - 1) * each.std(ddof=1) / len(each) ** 0.5
    return tuple(math.exp(each.mean() + move) for move in (0, -half, half))  # type: ignore[return-value]


def compare(what: str, sides: Sequence[Side], folder: Path) -> tuple[list[Line], dict[str, Any]]:
    laps = race(sides, folder, LAPS)
    assert_equal_work(sides, laps)
    lines = []
    for side, held in zip(sides[1:], laps[1:], strict=True):
        found, low, high = ratio(laps[0], held)
        met = found >= PROMISED if "TRL" in side.name else None
        unit = f"x ({low:.2f} to {high:.2f})"
        name = f"{what}: Madrigal / {side.name}"
        target = "" if met is None else f">= {PROMISED:g} x"
        lines.append(Line(name, round(found, 2), unit, target, met))
    detail = {}
    for side, held in zip(sides, laps, strict=True):
        seconds = [lap.seconds for lap in held]
        speed = np.mean([ANSWERS / lap.seconds for lap in held])
        share = np.mean([lap.more["writing"] / lap.seconds for lap in held])
        unit = f"completions/s, {share:.0%} of the time writing"
        lines.append(Line(f"{what}: {side.name}", round(float(speed), 2), unit))
        detail[side.name] = {
            "seconds": [round(one, 3) for one in seconds],
            "processor_seconds": [round(lap.processor_seconds, 3) for lap in held],
            "writing": [round(lap.more["writing"], 3) for lap in held],
            "entropy": [round(lap.more["entropy"], 3) for lap in held],
            "tokens": held[0].tokens,
            "written": held[0].trained,
        }
    return lines, {what: detail}


def sides_of(one: Work, adapter: str, *names: str) -> list[Side]:
    every = {
        "Madrigal": (madrigal, {}),
        "Madrigal, prompts apart": (madrigal, {"share_prompts": False}),
        "TRL, defaults": (trl, {}),
        "TRL, best": (trl, BEST),
    }
    return [Side(n, every[n][0], adapter, "float32", {"work": one, **every[n][1]}) for n in names]


def cases(part: str) -> list[tuple[str, list[Side]]]:
    all_three = "Madrigal", "TRL, defaults", "TRL, best"
    two = all_three[0], all_three[2]
    if part == "rloo":
        how = work("rloo", 0.05)
        return [
            ("RLOO, lora", sides_of(how, "lora", *all_three)),
            ("RLOO, full", sides_of(how, "full", *two)),
        ]
    if part == "grpo":
        return [
            ("GRPO, lora, beta 0.04", sides_of(work("grpo", 0.04), "lora", *two)),
            ("GRPO, lora, beta 0", sides_of(work("grpo", 0.0), "lora", *all_three)),
        ]
    return [
        (f"{n} samples a prompt", sides_of(work("rloo", 0.05, n), "lora", *two)) for n in (2, 8, 16)
    ]


def search(folder: Path) -> None:
    """One lap of each setting of TRL."""
    static = {"cache_implementation": "static"}
    tried = [("lora", size, {}) for size in (4, 8, 16)]
    tried += [("lora", 16, static), ("full", 4, {}), ("full", 16, {})]
    for adapter, size, more in tried:
        settings = {"batch": size, "trl": {"gradient_checkpointing": False, **more}}
        given = {"work": work("rloo", 0.05), **settings}
        ((lap,),) = race([Side("TRL", trl, adapter, "float32", given)], folder, 1)
        print(
            f"{adapter}, batches of {size} {more}: {ANSWERS / lap.seconds:.2f} completions/s, "
            f"{lap.more['writing']:.1f} of {lap.seconds:.1f} s writing",
            flush=True,
        )


def saved(lines: Sequence[Line], details: dict[str, Any]) -> None:
    """With what an earlier run measured of other parts."""
    path = RESULTS / "own_answers.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = {name: d for name, d in before.get("laps", {}).items() if name not in details}
    rows = [Line(**row) for row in before.get("rows", []) if row["what"].split(": ")[0] in kept]
    model = {"parameters": SHAPE.parameters, "vocabulary": SHAPE.vocabulary}
    size = {"prompt": PROMPT, "answer": ANSWER, "answers_a_step": ANSWERS}
    save("own_answers", [*rows, *lines], model=model, size=size, laps=kept | details)


def main() -> None:
    global SHAPE, PROMPT, ANSWER
    tiny = "--tiny" in sys.argv
    if tiny:
        SHAPE, PROMPT, ANSWER = Shape(2000, 48, 2, 2, 96), 16, 8
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(SHAPE, folder)
        add_end(folder)
        if "--search" in sys.argv:
            search(folder)
            return
        every = ("rloo", "grpo", "samples")
        lines, details = [], {}
        for part in [p for p in every if p in sys.argv] or every:
            for what, sides in cases(part):
                found, detail = compare(what, sides, folder)
                lines += found
                details |= detail
                for line in found:
                    print(f"{line.what}: {line.value:.3g} {line.unit}", flush=True)
                if not tiny:
                    saved(lines, details)


if __name__ == "__main__":
    main()
