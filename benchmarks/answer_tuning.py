"""Answer tuning against TRL's SFTTrainer: non-padding tokens per second on the same tokens.

A random Llama of 15M parameters with a vocabulary of 32,000 learns 128 examples in the lengths of
Natural Instructions, 32 examples a step. TRL stands at its defaults (gradient checkpointing,
batches of 8) and at its best settings here (packed rows, no checkpointing); both train the
completion only, and each stands in both number formats. Each side has a process of its own and
laps take turns, so that what else the machine does meets all sides. Before a ratio is printed, the
loss of the first step and the token counts of every lap must agree.

python benchmarks/answer_tuning.py [bfloat16] [float32]   writes results/answer_tuning.json
python benchmarks/answer_tuning.py --search               speeds of settings of TRL; no file
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from record import Line, save
from sides import Lap, Runner, Side, madrigal, trl
from workload import Shape, examples, write_model

SHAPE = Shape(vocabulary=32000, width=288, layers=6, heads=6, mlp=768)
ROWS_PER_STEP = 32
ROWS = 128
LAPS = 3
# Largest relative difference of first losses that is rounding.
SAME = {"float32": 1e-5, "bfloat16": 2e-3}

DEFAULTS = {"gradient_accumulation_steps": ROWS_PER_STEP // 8}
FREE = {"gradient_checkpointing": False}
# Found with --search. Rows are packed to max_length; the batch is one row, since packed rows are
# flattened into one and attention runs over all of it.
BEST = {**FREE, "packing": True, "max_length": 1024, "per_device_train_batch_size": 1}
BEST_STEPS = {"gradient_accumulation_steps": 4}


def packed(length: int, batch: int) -> dict[str, Any]:
    """About 32 examples, 3,650 tokens, a step."""
    steps = max(1, round(3650 / length / batch))
    return {
        **FREE,
        "packing": True,
        "max_length": length,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": steps,
    }


def padded(batch: int, **more: Any) -> dict[str, Any]:
    steps = ROWS_PER_STEP // batch
    return {
        **FREE,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": steps,
        **more,
    }


def start(sides: Sequence[Side], folder: Path, laps: int) -> list[Runner]:
    rows = examples(ROWS, SHAPE.vocabulary)
    track = {"model": folder, "rows": rows, "rows_per_step": ROWS_PER_STEP, "laps": laps}
    return [Runner(side, **track) for side in sides]


def race(sides: Sequence[Side], folder: Path, laps: int) -> tuple[list[float], list[list[Lap]]]:
    """First losses, and laps by side; a first lap warms up and is not counted."""
    runners = start(sides, folder, laps + 1)
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
        if abs(loss - losses[0]) > SAME[side.precision] * losses[0]:
            sys.exit(
                f"first losses differ: {losses[0]:.6f} {sides[0].name}, {loss:.6f} {side.name}"
            )


def compare(adapter: str, precision: str, folder: Path) -> tuple[list[Line], dict[str, Any]]:
    sides = [
        Side("Madrigal", madrigal, adapter, precision),
        Side("TRL, defaults", trl, adapter, precision, DEFAULTS),
        Side("TRL, best", trl, adapter, precision, {**BEST, **BEST_STEPS}),
    ]
    losses, laps = race(sides, folder, LAPS)
    assert_equal_work(sides, losses, laps)
    what = f"{adapter}, {precision}"
    speeds = [[lap.tokens / lap.seconds for lap in side] for side in laps]
    lines = []
    for side, speed, promised in zip(sides[1:], speeds[1:], (4.0, 2.0), strict=True):
        ratios = [ours / theirs for ours, theirs in zip(speeds[0], speed, strict=True)]
        ratio = statistics.median(ratios)
        lines.append(
            Line(
                f"{what}: Madrigal / {side.name}",
                round(ratio, 2),
                "x",
                f">= {promised} x",
                ratio >= promised,
            )
        )
    for side, speed in zip(sides, speeds, strict=True):
        middle = round(statistics.median(speed))
        lines.append(Line(f"{what}: {side.name}", middle, "non-padding tokens/s"))
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
    """One lap of each setting of TRL, at full fine-tuning and LoRA."""
    candidates = {
        **{
            f"packed {n} x {b}": packed(n, b) for n, b in ((512, 1), (1024, 1), (2048, 1), (512, 2))
        },
        **{f"padded, batches of {n}": padded(n) for n in (4, 8, 32)},
        "padded, by length, 8": padded(8, train_sampling_strategy="group_by_length"),
    }
    for adapter in ("full", "lora"):
        for precision in ("float32", "bfloat16"):
            for name, settings in candidates.items():
                side = Side(name, trl, adapter, precision, settings)
                _, ((lap,),) = race([side], folder, 1)
                speed = lap.tokens / lap.seconds, 2 * lap.tokens / lap.processor_seconds
                print(
                    f"{adapter}, {precision}, {name}: {speed[0]:.0f} tokens/s, {speed[1]:.0f}"
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
                save("answer_tuning", lines, model=model, laps=details)


if __name__ == "__main__":
    main()
