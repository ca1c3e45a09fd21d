"""Chance is a function of seed and step."""

import hashlib

CHANCES = 1 << 63  # `derive` gives whole numbers from 0 to below this


def derive(seed: int, *parts: str | int) -> int:
    """A 63-bit number from a seed and what it is for; the same on every machine."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_pass(seed: int, stage: str, step: int, microbatch: int) -> None:
    """Fix everything random in one forward pass (dropout), whichever process runs it."""
    import torch

    torch.manual_seed(derive(seed, stage, step, microbatch))
