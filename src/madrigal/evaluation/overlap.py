"""Scores of one free answer by the words it shares with an accepted answer."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from madrigal.evaluation.parse import plain, squad

# A word is a run of letters and digits; where a script writes no spaces, a single character.
_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


def exact_match(output: str, targets: Sequence[str]) -> float:
    """1 where the output equals an accepted answer after `parse.plain`, else 0."""
    given = plain(output)
    return float(any(plain(target) == given for target in targets))


def token_f1(output: str, targets: Sequence[str]) -> float:
    """F1 of the bags of words after `parse.squad`; the best over the accepted answers.

    Rajpurkar et al., 2016. Two texts of which nothing is left after normalisation score 1 if they
    are equal and 0 otherwise, where SQuAD's script gives 0 or 1 by emptiness alone.
    """
    return max((_pair_f1(output, target) for target in targets), default=0.0)


def _pair_f1(output: str, target: str) -> float:
    given, wanted = squad(output).split(), squad(target).split()
    if not given or not wanted:
        return float(output.strip() == target.strip())
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


class _Words:
    """Words as `rouge_score` makes them of ASCII text, and whole words of every other script."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = functools.lru_cache(maxsize=65536)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower())
        return [self._stem(w) if len(w) > 3 and w.isascii() else w for w in words]


@functools.cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())  # pyright: ignore[reportArgumentType]


def rouge_l(output: str, targets: Sequence[str]) -> float:
    """F of the longest common subsequence of stemmed words; the best over the accepted answers.

    Lin, 2004, by `rouge_score` with its stemmer. On ASCII text this is its number; its tokenizer
    drops every other letter, so other scripts get whole words here instead of none. Answers
    without a single word are compared as they stand.
    """
    return _rouge_l(output, tuple(targets))


@functools.lru_cache(maxsize=1 << 16)  # the same row is scored for the matrix and for each pair
def _rouge_l(output: str, targets: tuple[str, ...]) -> float:
    if not any(_WORD.search(target) for target in targets):
        return exact_match(output, targets)
    return float(_rouge().score_multi(targets, output)["rougeL"].fmeasure)
