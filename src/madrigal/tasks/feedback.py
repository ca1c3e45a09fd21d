"""What people, or judges, said about answers to a prompt."""

from dataclasses import dataclass
from typing import Literal

FeedbackKind = Literal["pair", "ranking", "rating", "thumb", "correction", "verdict"]

# Kinds of which a single answer says something; the others compare answers with each other.
ALONE: tuple[FeedbackKind, ...] = ("rating", "thumb")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one annotator said about the K answers to a prompt.

    `values[k]` says how good answer k is: higher is better, equal is a tie, None was not judged.
    """

    values: tuple[float | None, ...]
    annotator: str = ""  # empty: not known
    aspect: str = ""  # "quality", "naturalness"; empty where only one thing was asked
    shown: tuple[int, ...] = ()  # answers in the order in which they were shown; empty: not known
    people: int = 1  # how many said just this, where only their number is known
    # Of two answers: the chance that the first is better, where the judge says how sure it is.
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The K answers to a prompt, as given in the data, and what was said about them.

    What the values of judgements mean depends on the kind:

        pair, ranking,    their order only
        verdict, correction
        rating            differences too, on `scale` (lowest, highest)
        thumb             1 is good, 0 is bad

    A correction has two answers, the original and the corrected one, in this order.
    """

    kind: FeedbackKind
    answers: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    margin: float | None = None  # of a pair: by how much the better one is better
    scale: tuple[float, float] | None = None
    comment: str = ""  # of a correction: what was wrong
