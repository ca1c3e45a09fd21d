"""Planted annotators: votes, and records of feedback, whose noise is known."""

from collections.abc import Sequence

import numpy as np

from madrigal.feedback.votes import Votes
from madrigal.tasks.feedback import Feedback, FeedbackKind, Judgement
from madrigal.tasks.record import Record, Turn


def votes_of(item: Sequence[int], value: Sequence[float], annotator=None, pairs=False) -> Votes:
    """A table of votes; each item is a prompt of its own."""
    item = np.asarray(item, dtype=np.int64)
    who = np.full(len(item), -1) if annotator is None else np.asarray(annotator, dtype=np.int64)
    items = int(item.max(initial=-1)) + 1
    none = np.zeros(len(item), dtype=np.int64)
    return Votes(
        item=item,
        annotator=who,
        value=np.asarray(value, dtype=np.float64),
        judgement=np.arange(len(item)),
        record=item.copy(),
        shown=none,
        stands=none,
        prompt=np.arange(items),
        answers=np.arange(items * (2 if pairs else 1)).reshape(items, -1),
        names=tuple(f"a{k}" for k in range(int(who.max(initial=-1)) + 1)),
        prompts=tuple(f"prompt {k}" for k in range(items)),
        texts=tuple(f"text {k}" for k in range(items * (2 if pairs else 1))),
        where=tuple(f"file:{k + 1}" for k in range(items)),
    )


def planted(confusion, items: int, per_item: int, seed: int, levels=None):
    """Votes with these confusion matrices, `per_item` annotators drawn for each; and the truth."""
    random = np.random.default_rng(seed)
    confusion = np.asarray(confusion, dtype=np.float64)
    annotators, classes, _ = confusion.shape
    levels = np.arange(classes) if levels is None else np.asarray(levels)
    truth = random.integers(classes, size=items)
    item = np.repeat(np.arange(items), per_item)
    who = np.concatenate([random.permutation(annotators)[:per_item] for _ in range(items)])
    chance = confusion[who, truth[item]].cumsum(axis=1)
    said = (random.random(len(item))[:, None] > chance[:, :-1]).sum(axis=1)
    return votes_of(item, levels[said], who, pairs=set(levels) <= {-1, 0, 1}), truth


def competent(competences: Sequence[float], habits=None) -> np.ndarray:
    """Confusion matrices over two levels: the truth with this chance, else a habit."""
    habits = [0.5] * len(competences) if habits is None else habits
    return np.stack(
        [
            c * np.eye(2) + (1 - c) * np.array([1 - h, h])
            for c, h in zip(competences, habits, strict=True)
        ]
    )


def pair(
    number: int,
    answers: tuple[str, str],
    verdicts: Sequence[tuple[str, float]],
    prompt: str = "",
    shown: tuple[int, ...] = (),
    kind: FeedbackKind = "pair",
) -> Record:
    """Two answers, and for each annotator which is better: 1 the first, -1 the second, 0 a tie."""
    said = tuple(
        Judgement((float(max(v, 0)), float(max(-v, 0))), annotator=name, shown=shown)
        for name, v in verdicts
    )
    turns = (Turn("user", prompt or f"prompt {number}"),)
    return Record(f"votes.jsonl:{number + 1}", turns, feedback=Feedback(kind, answers, said))


def rated(number: int, answer: str, ratings: Sequence[tuple[str, float]], prompt="") -> Record:
    """One answer with ratings from 1 to 5."""
    said = tuple(Judgement((value,), annotator=name) for name, value in ratings)
    feedback = Feedback("rating", (answer,), said, scale=(1.0, 5.0))
    return Record(
        f"ratings.jsonl:{number + 1}",
        (Turn("user", prompt or f"prompt {number}"),),
        feedback=feedback,
    )


def flipped(
    items: int, votes: int, flip_rate: float, seed: int, named: bool = True
) -> list[Record]:
    """Pairs judged by `votes` people out of six, each vote wrong with the same chance."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(items):
        answers = (f"answer {number} {random.integers(1e9)}", f"other {number}")
        truth = random.choice([-1.0, 1.0])
        people = random.permutation(6)[:votes]
        wrong = random.random(votes) < flip_rate
        said = [
            (f"a{who}" if named else "", -truth if bad else truth)
            for who, bad in zip(people, wrong, strict=True)
        ]
        records.append(pair(number, answers, said))
    return records
