"""Greedy answers in batches: keys and values are kept, finished rows leave the batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import extend, prefill, right_padded
from madrigal.model.language_model import LanguageModel

Tokens = Int[np.ndarray, " _"]


def generate(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    max_new_tokens: int,
    end: int,
    batch_tokens: int,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[list[int]]:
    """The most likely next token again and again, until the end token or the limit.

    Returns the tokens after each prompt, without the end token. A prompt and its answer together
    must fit the model's context; where they do not, the answer ends at the context's end.
    """
    answers: list[list[int]] = [[] for _ in prompts]
    done = 0
    lengths = [len(prompt) for prompt in prompts]
    for batch in by_length(lengths, batch_tokens, extra=max_new_tokens):
        texts = _continue(model, [prompts[i] for i in batch], max_new_tokens, end)
        for index, text in zip(batch, texts, strict=True):
            answers[index] = text
        done += len(batch)
        on_progress(done, len(prompts))
    return answers


def _continue(
    model: LanguageModel, prompts: Sequence[Tokens], max_new_tokens: int, end: int
) -> list[list[int]]:
    known = prefill(model, prompts)
    if known.cache is None:
        return [_without_cache(model, prompt, max_new_tokens, end) for prompt in prompts]
    answers: list[list[int]] = [[] for _ in prompts]
    cache, mask, places = known.cache, known.mask, known.lengths
    active = list(range(len(prompts)))
    following = model.logits(known.last).float().argmax(dim=-1)
    for count in range(1, max_new_tokens + 1):
        kept = []
        for place, (row, token) in enumerate(zip(active, following.tolist(), strict=True)):
            size = len(prompts[row]) + count
            if token == end or size > model.context:
                continue
            answers[row].append(token)
            if count < max_new_tokens and size < model.context:
                kept.append(place)
        if not kept:
            break
        if len(kept) < len(active):
            chosen = torch.tensor(kept, device=model.device)
            cache.batch_select_indices(chosen)
            mask = None if mask is None else mask[chosen]
            places, following = places[chosen], following[chosen]
            active = [active[place] for place in kept]
        states = extend(model, following[:, None], cache, mask, places)
        following = model.logits(states[:, 0]).float().argmax(dim=-1)
        places = places + 1
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
    return answers


def _without_cache(
    model: LanguageModel, prompt: Tokens, max_new_tokens: int, end: int
) -> list[int]:
    """For architectures whose state cannot be chosen row by row."""
    answer: list[int] = []
    while len(answer) < max_new_tokens and len(prompt) + len(answer) < model.context:
        whole = np.concatenate([prompt, np.array(answer, dtype=np.int64)])
        states = model.states(right_padded([whole]).to(model.device))
        token = int(model.logits(states[:, -1]).float().argmax())
        if token == end:
            break
        answer.append(token)
    return answer
