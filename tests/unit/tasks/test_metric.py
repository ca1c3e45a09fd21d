"""Automatic metrics, and what a blind guess scores."""

import random

import pytest
from sklearn.metrics import f1_score

from madrigal.tasks.metric import chance
from tasks_made import of_rows


def test_short_answers_by_overlap_long_ones_by_rouge(tmp_path):
    def metric(answer):
        return of_rows([{"prompt": "p", "completion": answer}], tmp_path).metric

    assert metric("three short words") == "token_f1"
    assert metric("an answer of six whole words") == "rouge_l"


def test_a_named_metric_is_taken(tmp_path):
    rows = [{"prompt": "p", "completion": "c"}]
    assert of_rows(rows, tmp_path, metric="bleu").metric == "bleu"


def test_chance_of_accuracy_is_one_over_the_choices(tmp_path):
    rows = [
        {"question": "q", "choices": ["a", "b"], "answer": 0},
        {"question": "r", "choices": ["a", "b", "c", "d"], "answer": 0},
    ]
    assert chance(of_rows(rows, tmp_path)) == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_chance_of_free_answers_and_texts_is_nothing(tmp_path):
    assert chance(of_rows([{"prompt": "p", "completion": "c"}], tmp_path)) == 0
    assert chance(of_rows([{"text": "p"}], tmp_path)) == 0


def test_chance_of_macro_f1_is_what_guessing_scores(tmp_path):
    labels = ["a"] * 70 + ["b"] * 20 + ["c"] * 10
    rows = [{"text": f"t{i}", "label": label} for i, label in enumerate(labels)]
    task = of_rows(rows, tmp_path, metric="macro_f1")
    rng = random.Random(0)
    guesses = [rng.choice("abc") for _ in range(20_000)]
    measured = f1_score(labels * 200, guesses, average="macro")
    assert chance(task) == pytest.approx(measured, abs=0.01)


def test_chance_of_agreement_is_one_half(tmp_path):
    task = of_rows([{"prompt": "p", "chosen": "x", "rejected": "y"}], tmp_path)
    assert (task.metric, chance(task), chance(task, "train")) == ("agreement", 0.5, 0.0)
