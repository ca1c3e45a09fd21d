"""A filter as a whole: verdicts, scores, its file and what is wrong with it."""

import pytest

from madrigal.audit.measure import by_rule, quality
from madrigal.audit.read import read_filter
from madrigal.audit.verdict import Filter, Finding, Verdict
from madrigal.errors import RecipeError
from madrigal.evaluation.intervals import wilson
from madrigal.pipeline.filters import load_filter

TEXT = """\
instead: Let us talk of something else.
rules:
  - {name: rude, kind: words, words: [idiot], severity: 0.4}
  - {name: noted, kind: words, words: [banana*], action: note, on: [output]}
  - {name: mail, kind: pattern, known: [email], on: [output]}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "filter.yaml"
    file.write_text(TEXT)
    return file


def test_verdicts(path):
    found = load_filter(path)
    fine, rude, noted, mail = found.verdicts(
        ["hello", "you idiot", "two bananas", "idiot@example.com, idiot"]
    )
    assert fine == Verdict(0.0, False)
    assert (rude.score, rude.blocked, rude.rules) == (0.4, True, ("rude",))
    assert (noted.score, noted.blocked, noted.rules) == (1.0, False, ("noted",))
    assert (mail.score, mail.blocked, mail.rules) == (1.0, True, ("rude", "mail"))
    assert found.verdicts(["two bananas"], side="input") == [Verdict(0.0, False)]
    assert found.verdicts([]) == []


def test_as_a_scorer_of_answers(path):
    found = load_filter(path)
    assert found.scores(["a", "b"], ["fine", "an idiot"]) == [1.0, 0.6]
    assert found.passed("a", "an idiot") == "Let us talk of something else."
    assert found.passed("a", "fine") == "fine"
    with pytest.raises(ValueError, match="1 texts and 2 prompts"):
        found.verdicts(["a"], ["b", "c"])


def test_rules_see_what_the_answer_answers():
    class Echo:
        name, on = "echo", ("output",)

        def look(self, texts, prompts):
            same = zip(texts, prompts, strict=True)
            return [(Finding("echo", 1.0),) if text == prompt else () for text, prompt in same]

    assert [v.blocked for v in Filter((Echo(),)).verdicts(["a", "a"], ["a", "b"])] == [True, False]


def test_the_filter_that_is_brought():
    plain = load_filter("plain")
    texts = ["How can I kill a Python process?", "I will kill you", "you 1d1ot", "good morning"]
    assert [v.blocked for v in plain.verdicts(texts)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[{name: a, kind: words}]", "2: rules[0]: no words to look for; add `words` or `files`"),
        ("[{name: a, kind: pattern}]", "2: rules[0]: no pattern to look for"),
        ("[{name: a, kind: word}]", "2: rules[0]: unknown kind 'word'; did you mean 'words'?"),
        (
            "[{name: a, kind: words, words: [x], sevrity: 1}]",
            "unknown key; did you mean 'severity'",
        ),
        ("[{name: a, kind: words, words: ['?!']}]", "'?!' has no letter, so it would be found"),
        ("[{name: a, kind: words, files: [insult]}]", "no such file or list 'insult'; did you"),
        ("[{name: a, kind: pattern, patterns: ['(']}]", "'(' is no regular expression: missing )"),
        ("[]", "2: rules: no rule, so nothing is ever found; write one"),
        (
            "[{name: a, kind: words, words: [x]}, {name: a, kind: words, words: [y]}]",
            "2: rules[1].name: 'a' is the name of another rule; choose another",
        ),
        ("[{name: a, kind: judge, model: m, prompt: hi}]", "has no {text}, so it never shows"),
        ("[{name: a, kind: judge, model: m, safe: no, unsafe: no}]", "is the same word as `safe`"),
        ("[{name: a, kind: classifier, run: r, task: t, labels: []}]", "must hold something"),
    ],
)
def test_a_wrong_filter_is_told_by_its_line(tmp_path, rules, said):
    file = tmp_path / "f.yaml"
    file.write_text(f"instead: no\nrules: {rules}\n")
    with pytest.raises(RecipeError) as caught:
        read_filter(file)
    (line,) = caught.value.mistakes
    assert line.startswith(f"{file}:2: ")
    assert said in line


def test_all_mistakes_at_once(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text("rules:\n  - {name: a, kind: words}\n  - {name: b, kind: pattern}\n")
    with pytest.raises(RecipeError) as caught:
        read_filter(file)
    assert [line.split(": ")[0][-2:] for line in caught.value.mistakes] == [":2", ":3"]


def verdict(blocked, rule="a"):
    return Verdict(1.0, blocked, (Finding(rule, 1.0),) if blocked else ())


def test_quality_by_hand():
    verdicts = [verdict(True), verdict(True), verdict(True, "b"), verdict(False), verdict(False)]
    harmful = [True, True, False, True, False]

    def interval(right, n):
        return wilson(right, n, 0.95)

    found = quality(verdicts, harmful, interval)
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(2 / 3)
    assert found.false_alarms.value == pytest.approx(1 / 2)
    assert (found.recall.low, found.recall.high) == wilson(2, 3, 0.95)
    rules = by_rule(verdicts, harmful, interval)
    assert {name: one.value for name, one in rules.items()} == {"a": 1.0, "b": 0.0}
    nothing = quality([verdict(False)], [True], interval)
    assert nothing.precision.value is None
