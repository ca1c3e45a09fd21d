"""Answers in batches: keys and values are kept, finished rows leave the batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import Prefilled, extend, prefill, right_padded
from madrigal.model.language_model import LanguageModel

Tokens = Int[np.ndarray, " _"]
# From logits, the rows that they are of, and how many tokens these have had: the next tokens.
Pick = Callable[[Float[Tensor, "R V"], Sequence[int], int], Int[Tensor, " R"]]


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
    for batch in side_by_side(lengths, max_new_tokens, model.context, batch_tokens):
        limits = [max_new_tokens] * len(batch)
        texts = continued(model, [prompts[i] for i in batch], limits, [(end,)], _likeliest)
        for index, text in zip(batch, texts, strict=True):
            answers[index] = text[:-1] if text[-1:] == [end] else text
        done += len(batch)
        on_progress(done, len(prompts))
    return answers


def _likeliest(logits: Float[Tensor, "R V"], rows: Sequence[int], count: int) -> Int[Tensor, " R"]:
    del rows, count  # the same for all
    return logits.argmax(dim=-1)


def side_by_side(
    lengths: Sequence[int], limit: int, context: int, batch_tokens: int
) -> Iterator[list[int]]:
    """Indices of prompts in batches that `continued` can carry on by `limit` tokens.

    A prompt that leaves less room than that meets only others of its length: padded to it, a
    shorter one would run over the context.
    """
    every = range(len(lengths))
    groups = [[i for i in every if lengths[i] + limit <= context]]
    alone = sorted({length for length in lengths if length + limit > context})
    groups += [[i for i in every if lengths[i] == length] for length in alone]
    for group in groups:
        for batch in by_length([lengths[i] for i in group], batch_tokens, extra=limit):
            yield [group[i] for i in batch]


def continued(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    limits: Sequence[int],
    ends: Sequence[Sequence[int]],
    pick: Pick,
) -> list[list[int]]:
    """Each prompt's next tokens as `pick` chooses them, in one batch.

    A row stops where its tokens end with one of `ends`, which stay, at its limit, or where the
    context is full.
    """
    room = [min(n, model.context - len(p)) for n, p in zip(limits, prompts, strict=True)]
    known, whose = _prefilled(model, prompts)
    if known.cache is None:
        rows = enumerate(zip(prompts, room, strict=True))
        return [_without_cache(model, row, *one, ends, pick) for row, one in rows]
    texts: list[list[int]] = [[] for _ in prompts]
    places, states = known.lengths[whose], known.last[whose]
    mask = None if known.mask is None else known.mask[whose]
    cache: Any = None
    active, count = list(range(len(prompts))), 0
    while True:
        following = pick(model.logits(states).float(), active, count)
        count += 1
        kept = []
        for place, (row, token) in enumerate(zip(active, following.tolist(), strict=True)):
            texts[row].append(token)
            if count < room[row] and not _ends(texts[row], ends):
                kept.append(place)
        if not kept:
            break
        if len(kept) < len(active):
            chosen = torch.tensor(kept, device=model.device)
            if cache is None:
                whose = whose[chosen]
            else:
                cache.batch_select_indices(chosen)
            mask = None if mask is None else mask[chosen]
            places, following = places[chosen], following[chosen]
            active = [active[place] for place in kept]
        if cache is None:  # only for the rows that go on
            cache = known.branch(whose, max(room[row] for row in active) - count - 1)
            known.cache.layers = []  # what it held is needed no more
        states = extend(model, following[:, None], cache, mask, places)[:, 0]
        places = places + 1
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
    return [text[: max(0, most)] for text, most in zip(texts, room, strict=True)]


def _prefilled(
    model: LanguageModel, prompts: Sequence[Tokens]
) -> tuple[Prefilled, Int[Tensor, " R"]]:
    """Different prompts through the network once, and which of them each row has."""
    first: dict[bytes, int] = {}
    whose = [first.setdefault(prompt.tobytes(), len(first)) for prompt in prompts]
    held = dict(zip(whose, prompts, strict=True))
    known = prefill(model, [held[place] for place in range(len(first))])
    return known, torch.tensor(whose, device=model.device)


def _ends(text: Sequence[int], ends: Sequence[Sequence[int]]) -> bool:
    return any(list(text[-len(end) :]) == list(end) for end in ends if end)


def _without_cache(
    model: LanguageModel,
    row: int,
    prompt: Tokens,
    most: int,
    ends: Sequence[Sequence[int]],
    pick: Pick,
) -> list[int]:
    """For architectures whose state cannot be chosen row by row."""
    text: list[int] = []
    while len(text) < most and not _ends(text, ends):
        whole = np.concatenate([prompt, np.array(text, dtype=np.int64)])
        states = model.states(right_padded([whole]).to(model.device))
        text.append(int(pick(model.logits(states[:, -1]).float(), [row], len(text))))
    return text
