"""Metrics against sklearn, sacrebleu, rouge-score and SQuAD's own script, re-typed."""

import collections
import math
import re
import string
from dataclasses import replace

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score, f1_score

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.corpus import bleu_from_counts, chrf_from_counts
from madrigal.evaluation.metrics import METRICS, bits_per_byte, scored, value
from madrigal.evaluation.prediction import Prediction
from predicted import answered, chosen, windows

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "under",
    "mat",
    "mats",
    "was",
    "wa",
    "hat",
    "quickly,",
    "slowly.",
    "don't",
    "U.S.",
    "3.5",
    "naïve",
]


def sentences(seed, n, low=0, high=9):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=random.integers(low, high))) for _ in range(n)]


def noisy(text, random):
    words = [w for w in text.split() if random.random() > 0.25]
    return " ".join(words + list(random.choice(WORDS, size=random.integers(0, 3))))


@pytest.fixture
def pairs():
    random = np.random.default_rng(5)
    firsts, seconds = sentences(1, 60, low=1), sentences(2, 60, low=1)
    outputs = [noisy(text, random) for text in firsts]
    return [(o, (a, b)) for o, a, b in zip(outputs, firsts, seconds, strict=True)]


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_macro_f1_and_accuracy_are_sklearns(labels):
    random = np.random.default_rng(labels)
    names = [f"label {i}" for i in range(labels)]
    true = random.choice(names, size=80, p=np.arange(1, labels + 1) / sum(range(1, labels + 1)))
    given = np.where(random.random(80) < 0.6, true, random.choice(names, size=80))
    rows = chosen(list(zip(given, true, strict=True)), names)
    expected = f1_score(true, given, labels=sorted(set(true)), average="macro", zero_division=0)
    assert value(rows, "macro_f1") == pytest.approx(expected, abs=1e-12)
    assert value(rows, "accuracy") == pytest.approx(accuracy_score(true, given), abs=1e-12)


def test_macro_f1_leaves_out_a_label_that_is_never_true():
    rows = chosen([("a", "a"), ("c", "b"), ("b", "b")], "abc")
    expected = f1_score(["a", "b", "b"], ["a", "c", "b"], labels=["a", "b"], average="macro")
    assert value(rows, "macro_f1") == pytest.approx(expected)


def corpus(rows):
    outputs = [row.output for row in rows]
    most = max(len(row.targets) for row in rows)
    references = [
        [row.targets[k] if k < len(row.targets) else None for row in rows] for k in range(most)
    ]
    return outputs, references


def test_bleu_and_chrf_are_sacrebleus_with_several_references(pairs):
    rows = answered([(o, t if i % 3 else t[:1]) for i, (o, t) in enumerate(pairs)], "bleu")
    outputs, references = corpus(rows)
    bleu = sacrebleu.corpus_bleu(outputs, references).score / 100
    chrf = sacrebleu.corpus_chrf(outputs, references).score / 100
    assert 0.2 < bleu < 0.9
    assert value(rows, "bleu") == pytest.approx(bleu, abs=1e-12)
    assert value(rows, "chrf") == pytest.approx(chrf, abs=1e-12)


@pytest.mark.parametrize(
    "pairs_",
    [
        [("cat", "dog")],  # nothing in common
        [("cat", "cat")],  # too short for 4-grams
        [("", "cat sat on the mat")],
        [("the cat sat on", "a cat sat under the mat")],  # smoothing of 3- and 4-grams
        [("a b c d e f g", "a b c d e f g h i j k l")],  # brevity
        [("日本語のテキスト", "日本語の文章")],
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_bleu_and_chrf_at_the_edges(pairs_):
    rows = answered(pairs_, "chrf")
    outputs, references = corpus(rows)
    expected = sacrebleu.corpus_bleu(outputs, references).score / 100
    assert value(rows, "bleu") == pytest.approx(expected, abs=1e-12)
    expected = sacrebleu.corpus_chrf(outputs, references).score / 100
    assert value(rows, "chrf") == pytest.approx(expected, abs=1e-12)


def test_draws_of_bleu_and_chrf_are_corpus_scores_of_the_resample(pairs):
    rows = answered(pairs, "bleu")
    taken = np.random.default_rng(0).integers(len(rows), size=(3, len(rows)))
    for metric, finish, oracle in (
        ("bleu", bleu_from_counts, sacrebleu.corpus_bleu),
        ("chrf", chrf_from_counts, sacrebleu.corpus_chrf),
    ):
        totals = METRICS[metric].statistics(rows)[taken].sum(axis=1)
        expected = [oracle(*corpus([rows[i] for i in draw])).score / 100 for draw in taken]
        np.testing.assert_allclose(finish(totals), expected, atol=1e-12)


def test_sentence_scores_are_sacrebleus(pairs):
    for row in answered(pairs, "bleu"):
        score = sacrebleu.sentence_bleu(row.output, list(row.targets)).score / 100
        assert row.score == (pytest.approx(min(score, 1), abs=1e-12) if row.parsed else 0)
    for row in answered(pairs, "chrf"):
        score = sacrebleu.sentence_chrf(row.output, list(row.targets)).score / 100
        assert row.score == pytest.approx(score, abs=1e-12)


def test_rouge_l_is_rouge_scores_on_ascii_text(pairs):
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    plain = [(o.replace("ï", "i"), [t.replace("ï", "i") for t in ts]) for o, ts in pairs]
    for (output, targets), row in zip(plain, answered(plain, "rouge_l"), strict=True):
        expected = max(scorer.score(t, output)["rougeL"].fmeasure for t in targets)
        assert row.score == pytest.approx(expected, abs=1e-12)


def test_rouge_l_leaves_words_of_three_letters_unstemmed():
    pairs = [("was", "wa"), ("cats", "cat")]
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    assert [scorer.score(t, o)["rougeL"].fmeasure for o, t in pairs] == [0, 1]
    assert [row.score for row in answered(pairs, "rouge_l")] == [0, 1]


def test_rouge_l_reads_other_scripts_where_rouge_score_reads_nothing():
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    pairs = [("кошка спит", "кошка спит дома"), ("猫が眠る", "猫が寝る"), ("+", "+"), ("-", "+")]
    scores = [row.score for row in answered(pairs, "rouge_l")]
    assert [scorer.score(t, o)["rougeL"].fmeasure for o, t in pairs] == [0, 0, 0, 0]
    assert scores == pytest.approx([0.8, 0.75, 1.0, 0.0])


def squad_f1(prediction, truth):
    def normal(s):
        s = "".join(ch for ch in s.lower() if ch not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())

    given, wanted = normal(prediction).split(), normal(truth).split()
    same = sum((collections.Counter(given) & collections.Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(given), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def test_token_f1_is_squads(pairs):
    for row in answered(pairs, "token_f1"):
        expected = max(squad_f1(row.output, target) for target in row.targets)
        assert row.score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("output", "target", "same"),
    [
        ("The Cat.", "the cat", 1),
        ("cat", "the cat", 0),  # articles stay
        ("  two\nlines ", "two lines", 1),
        ("+", "-", 0),  # punctuation alone is not wiped out
        ("+", "+", 1),
    ],
)
def test_exact_match_normalises_as_natural_instructions_does(output, target, same):
    assert answered([(output, target)], "exact_match")[0].score == same


def test_perplexity_and_bits_per_byte_pool_nats_over_all_text():
    rows = windows(nats=[10.0, 200.0], tokens=[10, 50], size=[40, 160])
    assert value(rows, "perplexity") == pytest.approx(math.exp(210 / 60))
    assert bits_per_byte(rows) == pytest.approx(210 / 200 / math.log(2))
    assert rows[0].score == pytest.approx(math.exp(-1))


def test_chance_is_what_guessing_scores():
    random = np.random.default_rng(0)
    labels = ["x", "y", "z"]
    true = random.choice(labels, size=60, p=[0.6, 0.3, 0.1])
    guesses = [
        chosen(list(zip(random.choice(labels, size=60), true, strict=True)), labels)
        for _ in range(200)
    ]
    for metric in ("accuracy", "macro_f1"):
        mean = np.mean([value(rows, metric) for rows in guesses])
        assert METRICS[metric].chance(guesses[0]) == pytest.approx(mean, abs=0.01)
    # 4 bytes a token at 8 bits a byte
    assert METRICS["perplexity"].chance(windows([1], [10], [40])) == pytest.approx(256.0**4)


def weighed(pairs):
    """Two answers each: people's share for the first, the model's nats for it; -2 for the other."""
    found = []
    for number, (first, nats) in enumerate(pairs):
        wins = ((math.nan, first), (1 - first, math.nan))
        judging = Judging(("a", "b"), wins, (nats, -2.0), (1, 1))
        row = Prediction("t", str(number), "f:1", "1", "feedback", "p", ("a",), "a", 0.0)
        found.append(scored(replace(row, judging=judging), "agreement"))
    return found


def test_every_metric_gives_the_mean_of_examples_exactly_where_it_says_so(pairs):
    for name, metric in METRICS.items():
        if metric.kinds == {"text"}:
            rows = windows([1.0, 30.0], [2, 10], [5, 30])
        elif metric.kinds == {"choice"}:
            rows = chosen([("a", "a"), ("b", "a"), ("b", "b"), ("a", "b"), ("a", "a")], "ab", name)
        elif metric.kinds == {"feedback"}:
            rows = weighed([(1.0, -1.0), (0.75, -3.0), (0.5, -2.0)])
        else:
            rows = answered(pairs, name)
        mean = np.mean([row.score for row in rows])
        assert (value(rows, name) == pytest.approx(mean, abs=1e-12)) == metric.decomposable, name
