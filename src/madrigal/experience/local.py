"""A model of this machine as a generator."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.evaluate import still
from madrigal.evaluation.rank import rank, told_apart
from madrigal.evaluation.sample import Drawn, drawn, sample
from madrigal.experience.generator import Asked, Heard, Said, Sampling, unheard
from madrigal.model.language_model import LanguageModel
from madrigal.model.nucleus import nucleus
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
        texts, _ = sample(
            self._model,
            prompts,
            [room] * len(asked),
            [(coder.end,)],
            [_key(one) for one in asked],
            self._budget,
            lambda logits, chance: picked(logits, chance, how),
            purpose="asked",
        )
        return [self._said(*one, how) for one in zip(prompts, texts, strict=True)]

    def _said(self, prompt: Int[np.ndarray, " _"], tokens: list[int], how: Sampling) -> Said:
        ended = tokens[-1:] == [self._coder.end]
        body = tokens[:-1] if ended else tokens
        text = self._model.tokenizer.decode(body, skip_special_tokens=True)
        places = [place for stop in how.stop if (place := text.find(stop)) >= 0]
        cut = text[: min(places)] if places else text
        return Said(cut.strip(), ended or bool(places), len(prompt), len(tokens))


def picked(logits: Float[Tensor, "R V"], chance: Sequence[float], how: Sampling) -> Drawn:
    """A token of each row at a temperature, among the likeliest whose probabilities sum to `top_p`.

    The token that reaches the sum still counts; `chance` is from 0 to below 1.
    """
    if how.temperature == 0:
        return logits.argmax(dim=-1), logits.new_zeros(len(logits))
    scaled = logits.double() / how.temperature
    if how.top_p < 1:
        scaled = scaled.masked_fill(~nucleus(scaled, how.top_p), float("-inf"))
    return drawn(scaled, chance)


def _alike(asked: Sequence[Asked]) -> Iterator[list[int]]:
    """Places of requests that are sampled alike, or ask about the same words."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(asked):
        key = ("words", one.words) if one.words else ("texts", one.sampling)
        groups.setdefault(key, []).append(place)
    yield from groups.values()


def _key(asked: Asked) -> tuple[str | int, ...]:
    """What the chance of an answer belongs to: a seed and a conversation."""
    return (asked.seed, *(part for turn in asked.turns for part in (turn.role, turn.text)))
