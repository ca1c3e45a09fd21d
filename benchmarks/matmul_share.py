"""The share of the machine's matrix-multiply peak that a full fine-tuning step reaches.

The peak is that of a product of two square matrices of 2048 in the same number format. What counts
as work is what the mathematics of the useful tokens needs, and nothing else: with P the parameters
in the matrices of the blocks, V x D the head, L layers of width D, a row of n tokens (padding is no
work) and `a` trained answer tokens costs

    6 P n                   every token through every block, forward and twice backward
    6 V D a                 the head at the positions whose next token is trained
    6 L D n (n + 1)         scores and weighted values, causal: token t looks at t tokens

floating-point operations. The time is that of whole optimiser steps of `madrigal run`: batches
made, forward, backward, clipping, AdamW. Peak and steps take turns, so that both meet the same
machine.
"""

import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from record import Line, save
from sides import Runner, Side, madrigal
from workload import Shape, examples, write_model

SHAPE = Shape(vocabulary=8192, width=512, layers=8, heads=8, mlp=1408)
ROWS_PER_STEP = 32
ROWS = 128
LAPS = 7
PEAK_SIZE = 2048
PROMISED = 0.70


def peak(dtype: torch.dtype) -> float:
    """Best of ten products, in operations per second."""
    left, right = (torch.randn(PEAK_SIZE, PEAK_SIZE).to(dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        began = time.perf_counter()
        left @ right
        best = max(best, 2 * PEAK_SIZE**3 / (time.perf_counter() - began))
    return best


def useful_work(shape: Shape) -> float:
    """Operations of one lap."""
    blocks = head = attention = 0
    for row in examples(ROWS, shape.vocabulary):
        n = row.length
        blocks += 6 * shape.body * n
        head += 6 * shape.vocabulary * shape.width * row.answer_tokens
        attention += 6 * shape.layers * shape.width * n * (n + 1)
    return blocks + head + attention


def measure(precision: str, folder: Path) -> tuple[float, dict[str, list[float]]]:
    """Median share over laps, each against the better of the peaks before and after it."""
    rows = examples(ROWS, SHAPE.vocabulary)
    runner = Runner(
        Side("Madrigal", madrigal, "full", precision),
        model=folder,
        rows=rows,
        rows_per_step=ROWS_PER_STEP,
        laps=LAPS + 1,
    )
    dtype = getattr(torch, precision)
    try:
        runner.first_loss()
        runner.lap()
        peaks, seconds = [peak(dtype)], []
        for _ in range(LAPS):
            seconds.append(runner.lap().seconds)
            peaks.append(peak(dtype))
    finally:
        runner.stop()
    best = [max(pair) for pair in pairwise(peaks)]
    rates = [useful_work(SHAPE) / lap for lap in seconds]
    shares = [rate / top for rate, top in zip(rates, best, strict=True)]
    return statistics.median(shares), {"peak": peaks, "rate": rates, "share": shares}


def main() -> None:
    lines, details = [], {}
    with tempfile.TemporaryDirectory() as name:
        write_model(SHAPE, Path(name))
        for precision in ("float32", "bfloat16"):
            share, detail = measure(precision, Path(name))
            promised = precision == "float32"
            what = f"full fine-tuning, {precision}, share of its peak"
            target = f">= {PROMISED:.0%}" if promised else ""
            met = share >= PROMISED if promised else None
            lines.append(Line(what, round(100 * share, 1), "%", target, met))
            details[precision] = detail
    model = {"parameters": SHAPE.parameters, "in_blocks": SHAPE.body}
    save("matmul_share", lines, model=model, work=useful_work(SHAPE), details=details)


if __name__ == "__main__":
    main()
