"""Rules that ask a model: probabilities as computed by hand, and what is wrong told in a line."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_run
from madrigal.audit.filter_settings import Classifier, Judge
from madrigal.errors import RecipeError, UserMistake
from madrigal.evaluation.prediction import read_predictions
from madrigal.pipeline.filter_models import classifier, judge
from madrigal.pipeline.filters import load_filter
from madrigal.pipeline.run import run


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run with a classifier of moods."""
    folder = tmp_path_factory.mktemp("filter")
    keys = tiny_run.keys()
    keys["stages"] = keys["stages"][:1]
    keys["evaluate"] = {"base": False, "draws": 200}
    return run(tiny_run.tiny(folder, keys), folder / "run")


def rule(**changes):
    given = {"name": "bad", "kind": "classifier", "run": "run", "task": "mood", "labels": ("bad",)}
    return Classifier(**(given | changes))


def test_a_classifier_says_what_its_run_predicted(trained):
    found = classifier(rule(), trained.parent)
    rows = read_predictions(trained / "predictions" / "01-together" / "mood.jsonl")
    # The prompt is `Text: ...\nLabel:`; of it only the text is given to the filter.
    texts = [row.prompt.removeprefix("Text: ").removesuffix("\nLabel:") for row in rows]
    seen = found.look(texts, [""] * len(texts))
    for row, (finding,) in zip(rows, seen, strict=True):
        assert row.choices is not None
        odds = np.exp(row.choices["bad"]) / sum(np.exp(value) for value in row.choices.values())
        assert finding.score == pytest.approx(odds, abs=1e-5)
        assert finding.found == (row.output == "bad")
    other = classifier(rule(labels=("good",)), trained.parent).look(texts, [""] * len(texts))
    for (one,), (two,) in zip(seen, other, strict=True):
        assert one.score + two.score == pytest.approx(1)


def test_a_text_without_a_letter_is_fine(trained):
    assert classifier(rule(), trained.parent).look([" ", "a word"], ["", ""])[0] == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "moood"}, "the run has no task 'moood'; did you mean 'mood'?"),
        ({"task": "echo"}, "task 'echo' is no classification of a text (prompt_completion)"),
        ({"labels": ("badd",)}, "task 'mood' has no label 'badd'; did you mean 'bad'?"),
        ({"labels": ("bad", "good")}, "all labels of 'mood' are named; one must be harmless"),
        ({"run": "none"}, "no recipe.yaml; give the folder that `madrigal run` wrote"),
    ],
)
def test_a_wrong_classifier(trained, changes, said):
    with pytest.raises(UserMistake) as caught:
        classifier(rule(**changes), trained.parent)
    assert said in str(caught.value)


def judging(**changes):
    given = {
        "name": "guard",
        "kind": "judge",
        "model": "run",
        "prompt": "asked {prompt} said {text} verdict:",
    }
    return Judge(**(given | changes))


def log_probability(rule, prompt: str, word: str) -> float:
    """Of a word behind a prompt, token by token."""
    from madrigal.tasks.record import Record, Turn

    record = Record("t", turns=(Turn("user", prompt),))
    tokens = rule.coder.prompt(record, 8).tolist()
    answer = rule.coder.answer(record, word).tolist()
    with torch.inference_mode():
        states = rule.model.states(torch.tensor([tokens + answer]))
        logs = rule.model.logits(states[0]).float().log_softmax(-1)
    return sum(float(logs[len(tokens) - 1 + i, token]) for i, token in enumerate(answer))


def test_a_judge_is_read_off_its_two_words(trained):
    found = judge(judging(safe="river", unsafe="tower"), trained.parent)
    ((finding,),) = found.look(["a text"], ["a question"])
    prompt = "asked a question said a text verdict:"
    safe, unsafe = (log_probability(found, prompt, word) for word in ("river", "tower"))
    assert finding.score == pytest.approx(1 / (1 + np.exp(safe - unsafe)), abs=1e-4)
    assert finding.found == (finding.score >= 0.5)
    turned = judge(judging(safe="tower", unsafe="river"), trained.parent)
    ((other,),) = turned.look(["a text"], ["a question"])
    assert finding.score + other.score == pytest.approx(1)


def test_a_judge_needs_a_prompt_or_a_template(trained):
    with pytest.raises(UserMistake, match="has no chat template to ask it with; give the rule a"):
        judge(judging(prompt=None), trained.parent)


def test_every_model_that_is_not_there_is_told_with_its_line(trained, tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text(
        "rules:\n"
        "  - {name: a, kind: classifier, run: none, task: t, labels: [x]}\n"
        "  - {name: b, kind: judge, model: ./nowhere, prompt: '{text}'}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_filter(file)
    one, two = caught.value.mistakes
    assert one.startswith(f"{file}:2: rules[0]: ")
    assert two.startswith(f"{file}:3: rules[1]: ")
    assert "no folder './nowhere'" in two


def test_a_whole_filter_with_a_classifier(trained, tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text(
        f"rules:\n  - {{name: mood, kind: classifier, run: {trained}, task: mood, labels: [bad]}}\n"
        "  - {name: rude, kind: words, words: [idiot]}\n"
    )
    found = load_filter(file)
    (verdict,) = found.verdicts(["you idiot"])
    assert verdict.score == 1.0
    assert "rude" in verdict.rules
    assert found.scores(["q"], ["a warm day"])[0] == pytest.approx(
        1 - found.verdicts(["a warm day"])[0].score
    )
