"""Log-likelihoods of several answers to one prompt, with the prompt computed once.

The first token of every answer is read off the prompt's last position, so answers of one token
cost nothing more. Of longer answers all but the last token are fed as short rows that continue the
prompt's cache; an answer that begins another needs no row of its own. The head sees label
positions only, each once.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import Prefilled, extend, prefill, right_padded
from madrigal.model.language_model import LOGITS_PER_CHUNK, LanguageModel

Tokens = Int[np.ndarray, " _"]
Answer = tuple[int, ...]
Answers = tuple[Answer, ...]


def rank(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    answers: Sequence[Sequence[Tokens]],
    batch_tokens: int,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[Float[np.ndarray, " C"]]:
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
    for batch in by_length([len(prompt) for prompt in prompts], batch_tokens):
        group = [plain[i] for i in batch]
        scores = _rank_batch(model, [prompts[i] for i in batch], group, batch_tokens)
        for index, row in zip(batch, scores, strict=True):
            results[index] = row
        done += len(batch)
        on_progress(done, len(prompts))
    return results


def _rank_batch(
    model: LanguageModel, prompts: Sequence[Tokens], answers: Sequence[Answers], budget: int
) -> list[Float[np.ndarray, " C"]]:
    known = prefill(model, prompts)
    sizes = [len(group) for group in answers]
    owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(model.device)
    firsts = torch.tensor([a[0] for group in answers for a in group], device=model.device)
    norms = torch.logsumexp(known.logits, dim=-1)
    totals = (known.logits[owner, firsts] - norms[owner]).double()
    for rows, wanted in _parts(prompts, answers, budget):
        states = _states(model, known, prompts, rows)
        _add(model, states, wanted, totals, vocabulary=known.logits.shape[1])
    return list(np.split(totals.cpu().numpy(), np.cumsum(sizes)[:-1]))


@dataclass(frozen=True, slots=True)
class _Row:
    """A beginning of answers that is fed behind a prompt."""

    prompt: int
    fed: Answer


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`token`, predicted after `place` + 1 tokens of a row, counts for the flat list's `answer`."""

    answer: int
    row: int
    place: int
    token: int


@functools.lru_cache(maxsize=4096)  # a task with fixed labels asks the same thing for every prompt
def _branches(answers: Answers) -> tuple[Answers, tuple[_Wanted, ...]]:
    """The rows that a prompt's answers need, and what is read off them."""
    fed = sorted({answer[:-1] for answer in answers if len(answer) > 1})
    # Sorted, a beginning stands right before what it begins: only the longest are fed.
    rows = [a for a, b in zip(fed, [*fed[1:], ()], strict=True) if b[: len(a)] != a]
    # The first row that begins alike, so that answers with a common beginning read it once.
    first = {
        row[:end]: r for r, row in reversed(list(enumerate(rows))) for end in range(len(row) + 1)
    }
    wanted = [
        _Wanted(index, first[answer[:end]], end - 1, token)
        for index, answer in enumerate(answers)
        for end, token in enumerate(answer[1:], start=1)
    ]
    return tuple(rows), tuple(wanted)


def _parts(
    prompts: Sequence[Tokens], answers: Sequence[Answers], budget: int
) -> list[tuple[list[_Row], list[_Wanted]]]:
    """All rows of a batch of prompts in parts that keep the copied cache within the budget."""
    rows: list[_Row] = []
    wanted: list[_Wanted] = []
    base = 0
    for prompt, group in enumerate(answers):
        fed, reads = _branches(group)
        wanted += [_Wanted(base + w.answer, len(rows) + w.row, w.place, w.token) for w in reads]
        rows += [_Row(prompt, tokens) for tokens in fed]
        base += len(group)
    if not rows:
        return []
    longest = max(len(prompt) for prompt in prompts)
    # Rows of one length together, so that next to nothing is padded.
    parts = list(by_length([len(row.fed) for row in rows], budget, extra=longest))
    place = {row: (p, i) for p, part in enumerate(parts) for i, row in enumerate(part)}
    reads_of: list[list[_Wanted]] = [[] for _ in parts]
    for w in wanted:
        part, row = place[w.row]
        reads_of[part].append(_Wanted(w.answer, row, w.place, w.token))
    return [([rows[i] for i in part], reads) for part, reads in zip(parts, reads_of, strict=True)]


def _states(
    model: LanguageModel, known: Prefilled, prompts: Sequence[Tokens], rows: Sequence[_Row]
) -> Float[Tensor, "R A D"]:
    """States after each fed token; what stands behind a shorter row's end is not to be read."""
    owner = torch.tensor([row.prompt for row in rows], device=model.device)
    if known.cache is None:
        whole = [np.concatenate([prompts[row.prompt], row.fed]) for row in rows]
        states = model.states(right_padded(whole).to(model.device))
        begins = known.lengths[owner, None] + torch.arange(_longest(rows), device=model.device)
        last = states.shape[1] - 1
        return torch.take_along_dim(states, begins.clamp(max=last)[..., None], dim=1)
    tokens = right_padded([np.array(row.fed) for row in rows]).to(model.device)
    mask = None if known.mask is None else known.mask[owner]
    return extend(model, tokens, known.branch(owner), mask, known.lengths[owner])


def _longest(rows: Sequence[_Row]) -> int:
    return max(len(row.fed) for row in rows)


def _add(
    model: LanguageModel,
    states: Float[Tensor, "R A D"],
    wanted: Sequence[_Wanted],
    totals: Float[Tensor, " N"],
    vocabulary: int,
) -> None:
    """Add the wanted log-probabilities to the answers' totals, with the head once a position."""
    nodes = sorted({(w.row, w.place) for w in wanted})
    index = {node: i for i, node in enumerate(nodes)}
    reads = sorted((index[w.row, w.place], w.token, w.answer) for w in wanted)
    rows, places = torch.tensor(nodes, device=model.device).unbind(dim=1)
    picked = states[rows, places]
    step = max(1, LOGITS_PER_CHUNK // vocabulary)
    starts = np.searchsorted([read[0] for read in reads], range(0, len(nodes) + step, step))
    for part, start in enumerate(range(0, len(nodes), step)):
        logits = model.logits(picked[start : start + step]).float()
        norms = torch.logsumexp(logits, dim=-1)
        chunk = torch.tensor(reads[starts[part] : starts[part + 1]], device=model.device)
        node, token, answer = chunk.unbind(dim=1)
        totals.index_add_(0, answer, (logits[node - start, token] - norms[node - start]).double())
