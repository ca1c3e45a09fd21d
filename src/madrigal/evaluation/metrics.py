"""The metrics: each a name, a definition, and two functions over prediction rows.

A metric turns every row into a vector of statistics and the *sum* of these vectors into its value.
Means, perplexity, macro-F1, BLEU and chrF all have this form, so one matrix product of resampling
counts and statistics gives every bootstrap draw of any of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float

from madrigal.errors import RunFolderError
from madrigal.evaluation import chance, confusion, corpus, overlap
from madrigal.evaluation.agreement import agreement
from madrigal.evaluation.prediction import Prediction
from madrigal.tasks.task import Kind

Rows = Sequence[Prediction]
Statistics = Float[np.ndarray, "N D"]
Totals = Float[np.ndarray, "B D"]
Values = Float[np.ndarray, " B"]


@dataclass(frozen=True)
class Metric:
    """How a task is judged.

    `example` is the score of one row, from 0 to 1, higher is better. `statistics` and `value` give
    the score of many: `total(statistics(rows))`. With `decomposable` that is the mean
    of the example scores; otherwise only the whole has a value. `chance` is what guessing would
    get. `binary` scores are 0 or 1. `page` is the definition that a report prints.
    """

    name: str
    page: str
    kinds: frozenset[Kind]
    example: Callable[[Prediction], float]
    statistics: Callable[[Rows], Statistics]
    value: Callable[[Totals], Values]
    chance: Callable[[Rows], float] = chance.none
    direction: Literal["higher", "lower"] = "higher"
    decomposable: bool = True
    binary: bool = False

    def total(self, statistics: Statistics) -> float:
        """The score of all examples (or clusters) together."""
        return float(self.value(statistics.sum(axis=0, keepdims=True))[0])


def scored(row: Prediction, metric: str) -> Prediction:
    """The row with its own score by this metric; an output that cannot be read scores 0."""
    return replace(row, score=METRICS[metric].example(row) if row.parsed else 0.0)


def value(rows: Rows, metric: str) -> float:
    """The score of some rows.

    Raises:
        RunFolderError: there are no rows, or they lack what the metric needs.
    """
    if not rows:
        raise RunFolderError(f"{metric}: no predictions to score")
    chosen = METRICS[metric]
    return chosen.total(chosen.statistics(rows))


def _mean_of(example: Callable[[Prediction], float]) -> Callable[[Rows], Statistics]:
    def statistics(rows: Rows) -> Statistics:
        scores = [example(row) if row.parsed else 0.0 for row in rows]
        return np.array([[score, 1.0] for score in scores])

    return statistics


def _counts_of(
    count: Callable[[str, Sequence[str]], Float[np.ndarray, " D"]],
) -> Callable[[Rows], Statistics]:
    def statistics(rows: Rows) -> Statistics:
        return np.stack([count(row.output if row.parsed else "", row.targets) for row in rows])

    return statistics


def _ratio(totals: Float[np.ndarray, "B 2"]) -> Float[np.ndarray, " B"]:
    return totals[..., 0] / totals[..., 1]


def _by_output(score: Callable[[str, Sequence[str]], float]) -> Callable[[Prediction], float]:
    return lambda row: score(row.output, row.targets)


def _is_match(row: Prediction) -> float:
    return float(row.output in row.targets)


def _nats_and_tokens(rows: Rows) -> Statistics:
    for row in rows:
        if row.nats is None or not row.tokens:
            raise RunFolderError(
                f"predictions of '{row.task}', example {row.id}: perplexity needs 'nats' and "
                "'tokens'; run `madrigal evaluate` again"
            )
    return np.array([[row.nats, row.tokens] for row in rows], dtype=np.float64)


def _perplexity(totals: Float[np.ndarray, "B 2"]) -> Float[np.ndarray, " B"]:
    # A model that is broken beyond 700 nats a token would overflow, and JSON knows no infinity.
    return np.exp(np.minimum(_ratio(totals), 700.0))


def _token_probability(row: Prediction) -> float:
    return float(1 / _perplexity(_nats_and_tokens([row]))[0])


def bits_per_byte(rows: Rows) -> float | None:
    """Cost of the rows' text in bits per byte of UTF-8: comparable between tokenizers.

    None where the rows do not say how many bytes they have.
    """
    nats, size = sum(row.nats or 0.0 for row in rows), sum(row.bytes or 0 for row in rows)
    return nats / size / float(np.log(2)) if size else None


def _average(
    name: str,
    page: str,
    kinds: tuple[Kind, ...],
    example: Callable[[Prediction], float],
    guess: Callable[[Rows], float] = chance.none,
    binary: bool = False,
) -> Metric:
    return Metric(
        name, page, frozenset(kinds), example, _mean_of(example), _ratio, guess, binary=binary
    )


def _corpus(
    name: str,
    page: str,
    example: Callable[[Prediction], float],
    count: Callable[[str, Sequence[str]], Float[np.ndarray, " D"]],
    finish: Callable[[Totals], Values],
) -> Metric:
    kinds: frozenset[Kind] = frozenset({"answer"})
    return Metric(name, page, kinds, example, _counts_of(count), finish, decomposable=False)


def _agreement(row: Prediction) -> float:
    if row.judging is None:
        raise RunFolderError(
            f"predictions of '{row.task}', example {row.id}: agreement needs 'judging'; run "
            "`madrigal evaluate` again"
        )
    return agreement(row.judging)


def _sentence_chrf(row: Prediction) -> float:
    return float(corpus.chrf_from_counts(corpus.chrf_counts(row.output, row.targets)[None])[0])


_ALL = (
    _average(
        "accuracy",
        "Share of examples whose most likely choice is an accepted answer; of equally likely "
        "choices the first counts.",
        ("choice",),
        _is_match,
        chance.accuracy,
        binary=True,
    ),
    Metric(
        "macro_f1",
        "F1 of each label, averaged over the labels that are the true one of some example.",
        frozenset({"choice"}),
        _is_match,
        confusion.statistics,
        confusion.macro_f1,
        chance.macro_f1,
        decomposable=False,
    ),
    _average(
        "exact_match",
        "Share of examples whose answer equals an accepted one, after lower-casing, removing ASCII "
        "punctuation and collapsing spaces; articles are kept (Natural Instructions).",
        ("answer",),
        _by_output(overlap.exact_match),
        binary=True,
    ),
    _average(
        "token_f1",
        "F1 of the words shared with the accepted answer that fits best, without case, ASCII "
        "punctuation and the articles a, an, the (SQuAD 1.1); mean over examples.",
        ("answer",),
        _by_output(overlap.token_f1),
    ),
    _average(
        "rouge_l",
        "F of the longest common subsequence of stemmed words with the accepted answer that fits "
        "best (rouge-score); mean over examples.",
        ("answer",),
        _by_output(overlap.rouge_l),
    ),
    _corpus(
        "bleu",
        "Corpus BLEU from 0 to 1: word 1- to 4-grams, 13a tokenizer, exponential smoothing "
        "(sacrebleu's defaults).",
        _by_output(corpus.sentence_bleu),
        corpus.bleu_counts,
        corpus.bleu_from_counts,
    ),
    _corpus(
        "chrf",
        "Corpus chrF2 from 0 to 1: character 1- to 6-grams without spaces (sacrebleu's defaults).",
        _sentence_chrf,
        corpus.chrf_counts,
        corpus.chrf_from_counts,
    ),
    _average(
        "agreement",
        "Share of people who agree with the model on which of two answers is better, mean over the "
        "pairs of a prompt and over prompts. The model prefers the answer that its reward head "
        "gives more, or without one the likelier by token; of equals it prefers none (one half).",
        ("feedback",),
        _agreement,
        chance.agreement,
    ),
    Metric(
        "perplexity",
        "Exponential of the mean negative log-likelihood per token, over all tokens of the text; "
        "lower is better. Only models with the same tokenizer compare; bits per byte stand beside.",
        frozenset({"text"}),
        _token_probability,
        _nats_and_tokens,
        _perplexity,
        chance.perplexity,
        direction="lower",
        decomposable=False,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
