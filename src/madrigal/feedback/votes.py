"""Records of feedback as a table of votes, with a row for each thing that somebody said."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from madrigal.tasks.feedback import ALONE, Feedback, Judgement
from madrigal.tasks.record import Record


@dataclass(frozen=True, slots=True)
class Votes:
    """What was said about each item, one row a vote.

    An item of ratings is an answer to a prompt (A = 1), and `value` is its rating. An item of
    comparisons is a pair of answers to one prompt (A = 2), and `value` is 1 where the first of the
    two is better, -1 where the second is, 0 for a tie. The same prompt and answers are the same
    item wherever they stand. Which answer of a pair is the first follows from a hash of the texts,
    so it says nothing about where they stood or which one won. Where answers were judged without
    a prompt, their text stands in its place.
    """

    item: Int[np.ndarray, " V"]
    annotator: Int[np.ndarray, " V"]  # of `names`; -1: not known
    value: Float[np.ndarray, " V"]
    judgement: Int[np.ndarray, " V"]  # votes with one number were given in one go
    record: Int[np.ndarray, " V"]
    # Of comparisons: 1 where the first answer of the pair was shown first (stands first in the
    # record), -1 where the second was, 0 where that is not known.
    shown: Int[np.ndarray, " V"]
    stands: Int[np.ndarray, " V"]
    prompt: Int[np.ndarray, " I"]
    answers: Int[np.ndarray, "I A"]  # of `texts`
    names: tuple[str, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    where: tuple[str, ...]  # of each record

    @property
    def cluster(self) -> Int[np.ndarray, " V"]:
        """The prompt of each vote: what is said about one prompt is not independent."""
        return self.prompt[self.item]

    def keep(self, votes: Sequence[bool] | np.ndarray) -> "Votes":
        """Some of the votes; items and names keep their numbers."""
        names = ("item", "annotator", "value", "judgement", "record", "shown", "stands")
        return replace(self, **{name: getattr(self, name)[votes] for name in names})

    @property
    def strict(self) -> "Votes":
        """Of comparisons, those without ties."""
        return self.keep(self.value != 0)

    @property
    def mirrored(self) -> "Votes":
        """Comparisons counted in both orders of the pair, so that neither order is favoured."""
        pairs = len(self.prompt)
        both = {
            name: np.concatenate([getattr(self, name)] * 2)
            for name in ("annotator", "judgement", "record", "prompt")
        }
        signed = {
            name: np.concatenate([getattr(self, name), -getattr(self, name)])
            for name in ("value", "shown", "stands")
        }
        item = np.concatenate([self.item, self.item + pairs])
        answers = np.concatenate([self.answers, self.answers[:, ::-1]])
        return replace(self, item=item, answers=answers, **both, **signed)


@dataclass(slots=True)
class _Table:
    """The rows of a table while it is made."""

    rows: list[tuple[int, int, float, int, int, int, int]] = field(default_factory=list)
    items: dict[tuple[int, ...], int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    prompts: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    judgement: int = -1

    def say(
        self,
        prompt: str,
        answers: tuple[str, ...],
        value: float,
        given: tuple[int, Judgement],
        orders: tuple[int, int],
    ) -> None:
        """One vote about an item, as often as people said so."""
        number, judgement = given
        # What was judged without a prompt has nothing in common.
        prompt = prompt or "\n".join(answers)
        key = (_number(self.prompts, prompt), *(_number(self.texts, text) for text in answers))
        annotator = _number(self.names, judgement.annotator) if judgement.annotator else -1
        row = (_number(self.items, key), annotator, value, self.judgement, number, *orders)
        self.rows += [row] * judgement.people

    def votes(self, records: Sequence[Record], width: int) -> Votes:
        columns = np.array(self.rows, dtype=np.float64).reshape(-1, 7).T
        item, annotator, value, judgement, record, shown, stands = columns
        keys = np.array([*self.items], dtype=np.int64).reshape(-1, 1 + width)
        return Votes(
            item=item.astype(np.int64),
            annotator=annotator.astype(np.int64),
            value=value,
            judgement=judgement.astype(np.int64),
            record=record.astype(np.int64),
            shown=shown.astype(np.int64),
            stands=stands.astype(np.int64),
            prompt=keys[:, 0],
            answers=keys[:, 1:],
            names=tuple(self.names),
            prompts=tuple(self.prompts),
            texts=tuple(self.texts),
            where=tuple(record.where for record in records),
        )


def ratings(records: Sequence[Record], aspect: str = "") -> Votes:
    """What was said about single answers: ratings, and thumbs as 1 and 0."""
    table = _Table()
    for number, feedback, judgement in _judgements(records, aspect):
        if feedback.kind in ALONE:
            table.judgement += 1
            prompt = prompt_of(records[number])
            for answer, value in zip(feedback.answers, judgement.values, strict=True):
                if value is not None:
                    table.say(prompt, (answer,), value, (number, judgement), (0, 0))
    return table.votes(records, 1)


def comparisons(records: Sequence[Record], aspect: str = "") -> Votes:
    """What was said about two answers to one prompt, each against the other.

    K answers in an order, or with a rating each, give K (K - 1) / 2 votes. Two answers with the
    same text are not compared.
    """
    table = _Table()
    for number, feedback, judgement in _judgements(records, aspect):
        table.judgement += 1
        prompt = prompt_of(records[number])
        for first, second, value in _pairs(feedback.answers, judgement.values):
            orders = (_before(first, second, judgement.shown), 1 if first < second else -1)
            pair = (feedback.answers[first], feedback.answers[second])
            table.say(prompt, pair, value, (number, judgement), orders)
    return table.votes(records, 2)


def prompt_of(record: Record) -> str:
    """What stands before the answers, with its roles; empty where they were judged without."""
    return "\n".join(f"{turn.role}: {turn.text}" for turn in record.turns)


def _judgements(
    records: Sequence[Record], aspect: str
) -> Iterator[tuple[int, Feedback, Judgement]]:
    for number, record in enumerate(records):
        if record.feedback is not None:
            for judgement in record.feedback.judgements:
                if judgement.aspect == aspect:
                    yield number, record.feedback, judgement


def _pairs(
    answers: Sequence[str], values: Sequence[float | None]
) -> Iterator[tuple[int, int, float]]:
    """Each pair of judged answers, in the order that the item has, and which is better."""
    judged = [(k, value) for k, value in enumerate(values) if value is not None]
    order = {k: _neutral(answers[k]) for k, _ in judged}
    for place, (k, mine) in enumerate(judged):
        for other, its in judged[place + 1 :]:
            if answers[k] == answers[other]:
                continue
            better = float((mine > its) - (mine < its))
            swap = order[other] < order[k]
            yield (other, k, -better) if swap else (k, other, better)


def _neutral(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _before(first: int, second: int, shown: Sequence[int]) -> int:
    if first not in shown or second not in shown:
        return 0
    return 1 if shown.index(first) < shown.index(second) else -1


def _number(known: dict, key: object) -> int:  # type: ignore[type-arg]
    return known.setdefault(key, len(known))
