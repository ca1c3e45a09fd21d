"""A model of this machine as a generator."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.evaluate import still
from madrigal.evaluation.generate import continued, side_by_side
from madrigal.evaluation.rank import rank, told_apart
from madrigal.evaluation.sample import drawn
from madrigal.experience.generator import Asked, Heard, Said, Sampling, unheard
from madrigal.mixture.chance import bits
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record

BLOCK = 64  # requests that share batches


class Local:
    """A loaded model as a generator, with chance that belongs to each request.

    Token t of a text is the first whose cumulative probability, at the request's temperature and
    within its `top_p`, exceeds the t-th random number of the request, which follows from the seed
    and the conversation alone. So a text is the same in any company, up to rounding; and the
    company is always the same, since blocks are cut from the list of requests.
    """

    block = BLOCK

    def __init__(
        self, model: LanguageModel, coder: Coder, name: str, batch_tokens: int = 8192
    ) -> None:
        self._model, self._coder, self._name = model, coder, name
        self._budget = batch_tokens

    @property
    def name(self) -> str:
        return self._name

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request."""
        found: list[Said] = []
        for start in range(0, len(asked), BLOCK):
            with still(self._model):
                part = self._block(asked[start : start + BLOCK])
            for place, said in enumerate(part, start):
                heard(place, said)
            found += part
        return found

    def _block(self, asked: Sequence[Asked]) -> list[Said]:
        found: dict[int, Said] = {}
        for group in _alike(asked):
            some = [asked[place] for place in group]
            said = self._chosen(some) if some[0].words else self._drawn(some)
            found |= dict(zip(group, said, strict=True))
        return [found[place] for place in range(len(asked))]

    def _chosen(self, asked: Sequence[Asked]) -> list[Said]:
        """The likeliest of the words, with the log-probability of each."""
        records = [Record("asked", turns=one.turns) for one in asked]
        words = asked[0].words
        answers = [
            told_apart([self._coder.answer(record, word) for word in words], self._coder.end)
            for record in records
        ]
        room = 1 + max(len(tokens) for some in answers for tokens in some)
        prompts = [self._coder.prompt(record, room) for record in records]
        scores = rank(self._model, prompts, answers, self._budget)
        return [
            Said(
                words[int(np.argmax(each))],
                True,
                len(prompt),
                1,
                dict(zip(words, map(float, each), strict=True)),
            )
            for prompt, each in zip(prompts, scores, strict=True)
        ]

    def _drawn(self, asked: Sequence[Asked]) -> list[Said]:
        how, coder = asked[0].sampling, self._coder
        room = min(how.max_tokens, coder.context // 2)
        prompts = [coder.prompt(Record("asked", turns=one.turns), room) for one in asked]
        texts: list[list[int]] = [[] for _ in asked]
        lengths = [len(prompt) for prompt in prompts]
        for batch in side_by_side(lengths, room, self._model.context, self._budget):
            chance = [_uniform(asked[i], room) for i in batch]

            def pick(
                logits: Float[Tensor, "R V"],
                rows: Sequence[int],
                count: int,
                chance: Sequence[Float[np.ndarray, " _"]] = chance,
            ) -> Int[Tensor, " R"]:
                return picked(logits, [float(chance[row][count]) for row in rows], how)

            some = [prompts[i] for i in batch]
            said = continued(self._model, some, [room] * len(batch), [(coder.end,)], pick)
            for index, text in zip(batch, said, strict=True):
                texts[index] = text
        return [self._said(*one, how) for one in zip(prompts, texts, strict=True)]

    def _said(self, prompt: Int[np.ndarray, " _"], tokens: list[int], how: Sampling) -> Said:
        ended = tokens[-1:] == [self._coder.end]
        body = tokens[:-1] if ended else tokens
        text = self._model.tokenizer.decode(body, skip_special_tokens=True)
        places = [place for stop in how.stop if (place := text.find(stop)) >= 0]
        cut = text[: min(places)] if places else text
        return Said(cut.strip(), ended or bool(places), len(prompt), len(tokens))


def picked(
    logits: Float[Tensor, "R V"], chance: Sequence[float], how: Sampling
) -> Int[Tensor, " R"]:
    """A token of each row at a temperature, among the likeliest whose probabilities sum to `top_p`.

    The token that reaches the sum still counts; `chance` is from 0 to below 1.
    """
    if how.temperature == 0:
        return logits.argmax(dim=-1)
    scaled = logits.double() / how.temperature
    if how.top_p < 1:
        ordered, places = scaled.sort(dim=-1, descending=True, stable=True)
        shares = ordered.softmax(dim=-1)
        beyond = shares.cumsum(dim=-1) - shares >= how.top_p
        scaled = scaled.masked_fill(
            torch.zeros_like(beyond).scatter(-1, places, beyond), float("-inf")
        )
    return drawn(scaled, chance)


def _alike(asked: Sequence[Asked]) -> Iterator[list[int]]:
    """Places of requests that are sampled alike, or ask about the same words."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(asked):
        key = ("words", one.words) if one.words else ("texts", one.sampling)
        groups.setdefault(key, []).append(place)
    yield from groups.values()


def _uniform(asked: Asked, count: int) -> Float[np.ndarray, " _"]:
    """Numbers from 0 to below 1, in steps of 2^-53, that belong to a seed and a conversation."""
    told = [part for turn in asked.turns for part in (turn.role, turn.text)]
    found = bits(max(1, count), "asked", asked.seed, *told)
    return (found >> np.uint64(11)) * 2.0**-53
