"""DPO against TRL's DPOTrainer with its reference computed before: pairs per second.

A random Llama of 15M parameters with a vocabulary of 32,000 learns 32 pairs of two answers of 64
tokens to a prompt of 256, 16 pairs a step. TRL stands at its defaults (gradient checkpointing,
batches of 8) and at its best settings here; each side in both number formats. Every side has a
process of its own and laps take turns. Before a ratio is printed, the loss of the first step and
the token counts of every lap must agree. The reference is computed outside of the laps on all
sides; beside it stands Madrigal without shared prompts, which says what sharing is worth.

python benchmarks/preference_tuning.py [bfloat16] [float32]   writes results/preference_tuning.json
python benchmarks/preference_tuning.py --search               speeds of settings of TRL; no file
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preference_sides import madrigal, pairs, trl
from record import Line, save
from sides import Lap, Runner, Side
from workload import Shape, write_model

SHAPE = Shape(vocabulary=32000, width=288, layers=6, heads=6, mlp=768)
PROMPT, ANSWER = 256, 64
PAIRS_PER_STEP, PAIRS = 16, 32
LAPS = 3
SAME = {"float32": 1e-4, "bfloat16": 5e-3}  # of losses; rounding
PROMISED = 5.0


def batches(size: int, **more: Any) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": PAIRS_PER_STEP // size,
        **more,
    }


DEFAULTS = batches(8)
# Found with --search.
BEST = batches(4, gradient_checkpointing=False)


def race(sides: Sequence[Side], folder: Path, laps: int) -> tuple[list[float], list[list[Lap]]]:
    """First losses, and laps by side; a first lap warms up and is not counted."""
    rows = pairs(PAIRS, PROMPT, ANSWER, SHAPE.vocabulary)
    track = {"model": folder, "rows": rows, "rows_per_step": PAIRS_PER_STEP, "laps": laps + 1}
    runners = [Runner(side, **track) for side in sides]
    try:
        losses = [runner.first_loss() for runner in runners]
        rounds = [[runner.lap() for runner in runners] for _ in range(laps + 1)]
    finally:
        for runner in runners:
            runner.stop()
    return losses, [list(lap) for lap in zip(*rounds[1:], strict=True)]


def assert_equal_work(
    sides: Sequence[Side], losses: Sequence[float], laps: Sequence[Sequence[Lap]]
) -> None:
    work = {(lap.tokens, lap.trained) for side in laps for lap in side}
    if len(work) != 1:
        sys.exit(f"sides did different work (tokens, trained tokens): {sorted(work)}")
    for side, loss in zip(sides, losses, strict=True):
        if abs(loss - losses[0]) > SAME[side.precision]:
            sys.exit(
                f"first losses differ: {losses[0]:.6f} {sides[0].name}, {loss:.6f} {side.name}"
            )


def compare(adapter: str, precision: str, folder: Path) -> tuple[list[Line], dict[str, Any]]:
    sides = [
        Side("Madrigal", madrigal, adapter, precision),
        Side("Madrigal, prompts apart", madrigal, adapter, precision, {"share_prompts": False}),
        Side("TRL, defaults", trl, adapter, precision, DEFAULTS),
        Side("TRL, best", trl, adapter, precision, BEST),
    ]
    losses, laps = race(sides, folder, LAPS)
    assert_equal_work(sides, losses, laps)
    what = f"{adapter}, {precision}"
    speeds = [[PAIRS / lap.seconds for lap in side] for side in laps]
    lines = []
    for side, speed in zip(sides[1:], speeds[1:], strict=True):
        ratio = statistics.median(a / b for a, b in zip(speeds[0], speed, strict=True))
        promised = side.name == "TRL, defaults"
        target = f">= {PROMISED} x" if promised else ""
        met = ratio >= PROMISED if promised else None
        name = f"{what}: Madrigal / {side.name}"
        lines.append(Line(name, round(ratio, 2), "x", target, met))
    for side, speed in zip(sides, speeds, strict=True):
        lines.append(Line(f"{what}: {side.name}", round(statistics.median(speed), 2), "pairs/s"))
    detail = {
        side.name: {
            "first_loss": loss,
            "seconds": [round(lap.seconds, 3) for lap in held],
            "processor_seconds": [round(lap.processor_seconds, 3) for lap in held],
            "tokens": held[0].tokens,
            "trained_tokens": held[0].trained,
        }
        for side, loss, held in zip(sides, losses, laps, strict=True)
    }
    return lines, {what: detail}


def search(folder: Path) -> None:
    """One lap of each setting of TRL."""
    for adapter in ("lora", "full"):
        for precision in ("float32", "bfloat16"):
            for size in (2, 4, 8, 16):
                settings = batches(size, gradient_checkpointing=False)
                side = Side(f"batches of {size}", trl, adapter, precision, settings)
                _, ((lap,),) = race([side], folder, 1)
                speed = PAIRS / lap.seconds, 2 * PAIRS / lap.processor_seconds
                print(
                    f"{adapter}, {precision}, {side.name}: {speed[0]:.2f} pairs/s, {speed[1]:.2f}"
                    " by processor time",
                    flush=True,
                )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(SHAPE, folder)
        if "--search" in sys.argv:
            search(folder)
            return
        lines, details = [], {}
        model = {"parameters": SHAPE.parameters, "vocabulary": SHAPE.vocabulary}
        chosen = [p for p in ("bfloat16", "float32") if p in sys.argv[1:] or not sys.argv[1:]]
        for precision in chosen:
            for adapter in ("lora", "full"):
                found, detail = compare(adapter, precision, folder)
                lines += found
                details |= detail
                save("preference_tuning", lines, model=model, laps=details)


if __name__ == "__main__":
    main()
