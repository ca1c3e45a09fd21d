"""Attention with a mask in bfloat16, ours against torch's: python benchmarks/attention_by_mask.py

Forward and backward of one layer, rows of a prompt (two thirds) and two answers that see the prompt
and themselves; one thread, processor time, the least of twelve laps, so that other work on the
machine disturbs little. `results/attention_by_mask.json`.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from record import Line, save
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from madrigal.model.attention import attend
from madrigal.model.branches import Branches, joined

LAPS = 12
SIZES = ((8, 4, 256, 32), (8, 8, 384, 64))  # rows, heads, tokens, width of a head


class Layer(torch.nn.Module):
    is_causal = True
    num_key_value_groups = 1


def seconds(call: Callable[..., Any], parts: list[torch.Tensor], mask: torch.Tensor) -> float:
    """The least processor time of some laps."""
    layer, laps = Layer(), []
    for _ in range(LAPS):
        began = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            mixed, _ = call(layer, *parts, mask)
        mixed.float().square().sum().backward()
        laps.append(time.process_time() - began)
    return min(laps)


def main() -> None:
    torch.set_num_threads(1)
    lines = []
    for rows, heads, length, width in SIZES:
        shape = (rows, heads, length, width)
        parts = [torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
        prompt = 2 * length // 3
        first = (length - prompt) // 2
        held = joined(prompt, (first, length - prompt - first))
        part, position = (torch.tensor([one] * rows) for one in held)
        mask = Branches(part, position).seen()
        theirs, ours = (seconds(call, parts, mask) for call in (sdpa_attention_forward, attend))
        what = f"attention with a mask, {rows} x {heads} heads x {length} tokens x {width}"
        lines.append(Line(f"{what}: torch's time by ours", round(theirs / ours, 2), "x"))
        lines.append(Line(f"{what}: ours", round(1000 * ours, 2), "ms"))
    save("attention_by_mask", lines)


if __name__ == "__main__":
    main()
