"""Log-likelihoods of several answers to one prompt, with the prompt computed once.

The first token of every answer is read off the prompt's last position, so answers of one token
cost nothing more. Of longer answers all but the last token are fed as short rows that continue the
prompt's cache; an answer that begins another needs no row of its own. The head sees label
positions only, each once.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import Prefilled, extend, prefill, right_padded
from madrigal.model.language_model import LanguageModel

Tokens = Int[np.ndarray, " _"]
Answer = tuple[int, ...]
Answers = tuple[Answer, ...]

_HEAD_ROWS = 128  # positions whose logits are held at a time


def rank(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    answers: Sequence[Sequence[Tokens]],
    batch_tokens: int,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[Float[np.ndarray, " _"]]:
    """Log-likelihood in nats of each answer to each prompt, summed over the answer's tokens.

    Prompt and longest answer together must fit the model's context. `batch_tokens` bounds the
    padded tokens of a batch. Log-softmax is taken in float32 whatever the model computes in.

    Raises:
        ValueError: an answer or a prompt has no tokens.
    """
    plain = [tuple(tuple(map(int, answer)) for answer in group) for group in answers]
    if any(not answer for group in plain for answer in group):
        raise ValueError("an answer without tokens cannot be ranked")
    if any(not len(prompt) for prompt in prompts):
        raise ValueError("a prompt without tokens gives an answer's first token no probability")
    results: list[Float[np.ndarray, " C"]] = [np.zeros(0)] * len(prompts)
    done = 0
    sizes = [len(prompt) for prompt in prompts]
    longest = [max(map(len, group), default=0) for group in plain]
    for batch in _within(model, by_length(sizes, batch_tokens), sizes, longest):
        group = [plain[i] for i in batch]
        scores = _rank_batch(model, [prompts[i] for i in batch], group, batch_tokens)
        for index, row in zip(batch, scores, strict=True):
            results[index] = row
        done += len(batch)
        on_progress(done, len(prompts))
    return results


def _within(
    model: LanguageModel,
    batches: Iterable[list[int]],
    prompts: Sequence[int],
    answers: Sequence[int],
) -> Iterator[list[int]]:
    """The batches, cut where their longest prompt and longest answer together, which need not be
    one example's, would be padded beyond the places that the model has."""
    causal: Any = model.causal
    most = getattr(causal.config.get_text_config(), "max_position_embeddings", None) or math.inf
    for batch in batches:
        part: list[int] = []
        for index in batch:
            grown = [*part, index]
            if part and max(prompts[i] for i in grown) + max(answers[i] for i in grown) > most:
                yield part
                grown = [index]
            part = grown
        yield part


def told_apart(answers: Sequence[Tokens], end: int) -> list[Tokens]:
    """The answers of one prompt as they are to be ranked: with the end token where it decides.

    Where the tokens of one answer begin another's ("yes", "yes and no"), the longer one could
    never be the likelier: training teaches where an answer ends, so all answers of the prompt get
    the end token, which then counts in the sum and in the length. Otherwise nothing is added.
    """
    ordered = sorted({tuple(map(int, answer)) for answer in answers})
    # Sorted, a beginning stands right before one that it begins.
    if any(longer[: len(one)] == one for one, longer in itertools.pairwise(ordered)):
        return [np.append(answer, end) for answer in answers]
    return list(answers)


@dataclass(frozen=True, slots=True)
class _Row:
    """A beginning of answers that is fed behind a prompt."""

    prompt: int
    fed: Answer


@dataclass(frozen=True, slots=True)
class _Read:
    """`token` counts for `answer`, as predicted where `place` tokens of `row` have been read."""

    answer: int
    row: int
    place: int
    token: int


def _rank_batch(
    model: LanguageModel, prompts: Sequence[Tokens], answers: Sequence[Answers], budget: int
) -> list[Float[np.ndarray, " _"]]:
    known = prefill(model, prompts)
    # Positions to apply the head at: the prompts' ends first, then those in the fed rows.
    states = [known.last]
    reads: list[tuple[int, int, int]] = []  # position, token, answer
    for prompt, (base, group) in enumerate(zip(_starts(answers), answers, strict=True)):
        reads += [(prompt, answer[0], base + i) for i, answer in enumerate(group)]
    count = len(prompts)
    for rows, wanted in _parts(prompts, answers, budget):
        nodes = sorted({(read.row, read.place) for read in wanted})
        index = {node: count + i for i, node in enumerate(nodes)}
        reads += [(index[read.row, read.place], read.token, read.answer) for read in wanted]
        owner, place = torch.tensor(nodes, device=model.device).unbind(dim=1)
        states.append(_states(model, known, prompts, rows)[owner, place - 1])
        count += len(nodes)
    totals = _sums(model, torch.cat(states), reads, sum(map(len, answers)))
    return list(np.split(totals.cpu().numpy(), _starts(answers)[1:]))


def _starts(answers: Sequence[Answers]) -> list[int]:
    """Where each prompt's answers begin in the flat list of all answers."""
    return [0, *np.cumsum([len(group) for group in answers])[:-1].tolist()]


@functools.lru_cache(maxsize=4096)  # a task with fixed labels asks the same thing for every prompt
def _branches(answers: Answers) -> tuple[Answers, tuple[_Read, ...]]:
    """The rows that a prompt's answers need, and what is read off them."""
    fed = sorted({answer[:-1] for answer in answers if len(answer) > 1})
    # Sorted, a beginning stands right before what it begins: only the longest are fed.
    rows = [a for a, b in zip(fed, [*fed, ()][1:], strict=True) if b[: len(a)] != a]
    # The first row that begins so: answers with a common beginning share its positions.
    first: dict[Answer, int] = {}
    for index, row in enumerate(rows):
        for end in range(1, len(row) + 1):
            first.setdefault(row[:end], index)
    reads = [
        _Read(index, first[answer[:place]], place, token)
        for index, answer in enumerate(answers)
        for place, token in enumerate(answer[1:], start=1)
    ]
    return tuple(rows), tuple(reads)


def _parts(
    prompts: Sequence[Tokens], answers: Sequence[Answers], budget: int
) -> list[tuple[list[_Row], list[_Read]]]:
    """All rows of a batch of prompts, in parts that keep the copied cache within the budget."""
    rows: list[_Row] = []
    reads: list[_Read] = []
    for prompt, (base, group) in enumerate(zip(_starts(answers), answers, strict=True)):
        fed, wanted = _branches(group)
        reads += [_Read(base + r.answer, len(rows) + r.row, r.place, r.token) for r in wanted]
        rows += [_Row(prompt, tokens) for tokens in fed]
    # Rows of one length together, so that next to nothing is padded.
    longest = max(len(prompt) for prompt in prompts)
    parts = list(by_length([len(row.fed) for row in rows], budget, extra=longest))
    home = {row: (p, i) for p, part in enumerate(parts) for i, row in enumerate(part)}
    found: list[list[_Read]] = [[] for _ in parts]
    for read in reads:
        part, row = home[read.row]
        found[part].append(_Read(read.answer, row, read.place, read.token))
    return [([rows[i] for i in part], wanted) for part, wanted in zip(parts, found, strict=True)]


def _states(
    model: LanguageModel, known: Prefilled, prompts: Sequence[Tokens], rows: Sequence[_Row]
) -> Float[Tensor, "R A D"]:
    """States after each fed token; what stands behind a shorter row's end is not to be read."""
    owner = torch.tensor([row.prompt for row in rows], device=model.device)
    if known.cache is None:
        whole = [np.concatenate([prompts[row.prompt], row.fed]) for row in rows]
        states = model.states(right_padded(whole).to(model.device))
        steps = torch.arange(max(len(row.fed) for row in rows), device=model.device)
        places = (known.lengths[owner, None] + steps).clamp(max=states.shape[1] - 1)
        return torch.take_along_dim(states, places[..., None], dim=1)
    tokens = right_padded([np.array(row.fed) for row in rows]).to(model.device)
    mask = None if known.mask is None else known.mask[owner]
    return extend(model, tokens, known.branch(owner), mask, known.lengths[owner])


def _sums(
    model: LanguageModel,
    states: Float[Tensor, "N D"],
    reads: Sequence[tuple[int, int, int]],
    answers: int,
) -> Float[Tensor, " answers"]:
    """Sum over (position, token, answer) of the token's log-probability at the position."""
    totals = torch.zeros(answers, dtype=torch.float64, device=model.device)
    position, token, answer = torch.tensor(sorted(reads), device=model.device).unbind(dim=1)
    for start in range(0, len(states), _HEAD_ROWS):
        logits = model.logits(states[start : start + _HEAD_ROWS]).float()
        norms = torch.logsumexp(logits, dim=-1)
        here = (position >= start) & (position < start + _HEAD_ROWS)
        at, said = position[here] - start, token[here]
        totals.index_add_(0, answer[here], (logits[at, said] - norms[at]).double())
    return totals
