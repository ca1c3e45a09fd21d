"""A judge's verdicts on pairs of answers, each pair shown in both orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from madrigal.experience.choosing import WORDS, Both, chance_of_first, choice_turns
from madrigal.experience.generator import Asked, Said, Sampling
from madrigal.mixture.chance import bits
from madrigal.tasks.record import Turn

Ask = Callable[[Sequence[Asked]], list[Said]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to a prompt, and the question by which they are judged."""

    prompt: tuple[Turn, ...]
    first: str
    second: str
    rule: str


def judged(ask: Ask, pairs: Sequence[Pair], votes: int, listed: bool, seed: int) -> list[Both]:
    """The verdicts on each pair.

    With `listed` the judge is asked once in each order for the log-probabilities of A and B (Bai et
    al., 2022, section 4.1: normalised, they are the soft label). Where it does not tell them it is
    asked `votes` times and the share of A stands in: at temperature 1 where votes are several, else
    for the likeliest. An order in which no vote says A, B or tie has no verdict.
    """
    shown = [(p.prompt, *two, p.rule) for p in pairs for two in _orders(p)]
    turns = [choice_turns(*one) for one in shown]
    plain = Sampling(temperature=0.0, max_tokens=8)
    found: list[float | None] = [None] * len(turns)
    missing = list(range(len(turns)))
    if listed:
        said = ask([Asked(one, plain, words=WORDS, purpose="choose") for one in turns])
        for place, one in enumerate(said):
            if one.words is not None:
                found[place] = chance_of_first(one.text, one.words)
        missing = [place for place, one in enumerate(said) if one.words is None]
    drawn = plain if votes == 1 else Sampling(temperature=1.0, max_tokens=8)
    seeds = [int(n >> 33) for n in bits(votes, "vote", seed)]
    asked = [Asked(turns[p], drawn, s, purpose="choose") for p in missing for s in seeds]
    said = ask(asked) if asked else []
    for number, place in enumerate(missing):
        some = said[number * votes : (number + 1) * votes]
        clear = [c for one in some if (c := chance_of_first(one.text, None)) is not None]
        found[place] = fmean(clear) if clear else None
    return [Both(one, _other(two)) for one, two in zip(found[::2], found[1::2], strict=True)]


def _orders(pair: Pair) -> tuple[tuple[str, str], tuple[str, str]]:
    return (pair.first, pair.second), (pair.second, pair.first)


def _other(chance: float | None) -> float | None:
    return None if chance is None else 1.0 - chance
