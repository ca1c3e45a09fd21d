"""Answers to one prompt in one row: the prompt is computed once."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from madrigal.model.attention import NAME

# A prompt and two answers, long enough that a model which cannot branch shows it.
_PROMPT, _ANSWERS = 13, (6, 9)
# How far states may be apart, relative to the largest: rounding in the weights' number format.
_ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-10}
_COARSE = 5e-2
# Settings of architectures in which a token sees only those near to it in the row.
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "local_attention")


@dataclass(frozen=True, slots=True)
class Branches:
    """Which part of its row each token belongs to: 0 is the prompt (or a plain row), k > 0 its
    k-th answer. Answers see the prompt and themselves, and each starts where the prompt ends.
    """

    part: Int[Tensor, "B T"]
    position: Int[Tensor, "B T"]

    def seen(self) -> Bool[Tensor, "B 1 T T"]:
        """Whether token i (third axis) sees token j (fourth)."""
        part = self.part
        length = part.shape[1]
        before = torch.ones(length, length, dtype=torch.bool, device=part.device).tril()
        return (before & ((part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None])))[
            :, None
        ]


def branched(causal: Any, branches: Branches) -> dict[str, Tensor]:
    """What a transformers decoder is given beside the tokens."""
    seen = branches.seen()
    mask: Tensor = seen
    if causal.config._attn_implementation not in ("sdpa", NAME):
        # Eager attention adds its mask to the scores.
        least = torch.finfo(causal.dtype).min
        mask = torch.zeros(seen.shape, dtype=causal.dtype, device=seen.device)
        mask = mask.masked_fill(~seen, least)
    return {"attention_mask": mask, "position_ids": branches.position}


def joined(prompt: int, answers: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Part and position of each token in a row of a prompt and answers of so many tokens."""
    part, position = [0] * prompt, list(range(prompt))
    for number, length in enumerate(answers, 1):
        part += [number] * length
        position += range(prompt, prompt + length)
    return part, position


@torch.no_grad()
def why_not(network: Any, causal: Any) -> str:
    """Why answers cannot share a prompt in this model; empty where they can.

    The states of a prompt with two answers in one row are compared with those in two plain rows.
    """
    config = causal.config
    for name in _WINDOWS:
        if getattr(config, name, None) and getattr(config, "use_sliding_window", True):
            return f"its attention looks back a limited way (`{name}`)"
    kinds = {str(kind) for kind in getattr(config, "layer_types", None) or ()}
    if kinds - {"full_attention"}:
        return f"it has layers of the kind {sorted(kinds - {'full_attention'})[0]}"
    if config._attn_implementation not in ("sdpa", "eager", NAME):
        return f"its attention `{config._attn_implementation}` takes no mask"
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        return _differs(causal)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return f"it takes no mask of this form ({type(error).__name__})"
    finally:
        for module, was in training:
            module.training = was


def _differs(causal: Any) -> str:
    decoder, device = causal.get_decoder(), next(causal.parameters()).device
    vocabulary = int(causal.config.vocab_size)
    total = _PROMPT + sum(_ANSWERS)
    row = (torch.arange(total, device=device) * 7 + 3) % vocabulary
    part, position = (torch.tensor([x], device=device) for x in joined(_PROMPT, _ANSWERS))
    more = branched(causal, Branches(part, position))
    together = decoder(input_ids=row[None], use_cache=False, **more).last_hidden_state[0]
    first = _PROMPT
    for length in _ANSWERS:
        plain = torch.cat([row[:_PROMPT], row[first : first + length]])[None]
        apart = decoder(input_ids=plain, use_cache=False).last_hidden_state[0, _PROMPT:]
        if not _close(together[first : first + length], apart):
            return "the same answer gives other states beside another one"
        first += length
    return ""


def _close(a: Float[Tensor, "A D"], b: Float[Tensor, "A D"]) -> bool:
    far = float((a - b).abs().max()) / max(float(b.abs().max()), 1e-6)
    return far <= _ROUNDING.get(a.dtype, _COARSE)
