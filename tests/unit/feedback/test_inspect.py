"""Everything at once: what was found, why the rest was not, and how it reads."""

import json

import numpy as np

from annotated import flipped, pair, rated
from madrigal.feedback import QUESTIONS, inspect, sentences
from madrigal.feedback.sentences import found
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn

GUESSER = "guesser"


def biased(seed: int = 0):
    """Pairs by five annotators, one of whom guesses; length decides, and places do not."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(300):
        answers = (f"answer {number} " + "and so on " * 4, f"other {number}")
        said = [(name, 1 if random.random() < 0.9 else -1) for name in ("ann", "bob", "cyd", "dee")]
        said.append((GUESSER, int(random.choice([-1, 1]))))
        shown = (0, 1) if random.random() < 0.5 else (1, 0)
        records.append(pair(number, answers, said, shown=shown))
    return records


def test_what_is_planted_is_found_and_said():
    findings = inspect(biased())
    (part,) = findings.parts
    assert (part.kind, part.records, part.votes, part.annotators) == ("pair", 300, 1500, 5)
    assert {one.name for one in part.by_annotator.each if one.verdict} == {GUESSER}
    assert part.length.low > 0.7
    assert not part.position.without(0.5)
    warned = [sentence.text for sentence in found(part) if sentence.warns]
    assert any(text.startswith(f"Annotator {GUESSER} answers as if without") for text in warned)
    assert any(text.startswith("The longer answer is preferred in") for text in warned)
    assert not any("shown first" in text for text in warned)


def test_the_clean_twin_warns_of_nothing():
    records = flipped(400, 4, 0.05, seed=0)
    (part,) = inspect(records).parts
    assert [sentence.text for sentence in found(part) if sentence.warns] == []


def test_every_number_has_its_interval():
    numbers = [line for line in sentences(inspect(biased())) if "\N{NO-BREAK SPACE}%" in line]
    assert len(numbers) >= 6
    assert all(" to " in line for line in numbers)


def test_reasons_are_said_together():
    lines = sentences(inspect(flipped(300, 1, 0.1, 0, named=False)))
    assert (
        "Not measured: the reliability of annotators and self-disagreement; no vote names its "
        "annotator." in lines
    )
    assert "Not measured: agreement and the agreement ceiling; no item has two votes." in lines


def test_a_file_sorted_by_preference_says_so():
    records = [pair(k, (f"good {k}", f"bad {k}"), [("", 1)]) for k in range(20)]
    (part,) = inspect(records, ("position",)).parts
    assert part.missing == {
        "position": "the file has the best answer first, and the order shown is not known"
    }


def test_only_what_is_asked_for_is_measured():
    (part,) = inspect(biased(), ("length",)).parts
    assert part.length is not None
    assert part.agreement is part.by_annotator is part.contradictions is None
    assert part.missing == {}


def test_kinds_and_aspects_are_parts_of_their_own():
    ratings = [rated(0, "an answer", [("ann", 3.0), ("bob", 4.0)])]
    said = (Judgement((2.0,), aspect="quality"), Judgement((4.0,), aspect="fluency"))
    feedback = Feedback("rating", ("some answer",), said, scale=(1.0, 5.0))
    two = Record("f:1", (Turn("user", "p"),), feedback=feedback)
    findings = inspect([*biased()[:9], *ratings, two, Record("f:2", text="no feedback")])
    assert [(part.kind, part.aspect) for part in findings.parts] == [
        ("pair", ""),
        ("rating", ""),
        ("rating", "quality"),
        ("rating", "fluency"),
    ]
    lines = sentences(findings)
    assert any(
        line.startswith("rating of fluency: 1 record with 1 vote from people") for line in lines
    )
    assert any(line.startswith("Not measured (rating, rating of quality and") for line in lines)


def test_thumbs_have_a_flip_rate_and_ratings_have_not():
    random = np.random.default_rng(0)
    records = []
    for number in range(500):
        good = bool(random.integers(2))
        said = tuple(Judgement((float(good == (random.random() > 0.1)),)) for _ in range(3))
        feedback = Feedback("thumb", (f"answer {number}",), said)
        records.append(Record(f"f:{number}", (Turn("user", f"p{number}"),), feedback=feedback))
    (part,) = inspect(records).parts
    assert part.flip_rate.low < 0.1 < part.flip_rate.high
    assert part.ceiling.most.low < 0.9 < part.ceiling.most.high
    (rating,) = inspect([rated(0, "x", [("", 3.0), ("", 4.0)])]).parts
    assert rating.missing["flips"] == "a rating has no opposite"


def test_findings_are_json_with_a_version():
    findings = inspect(biased())
    body = json.loads(json.dumps(findings.as_json(), allow_nan=False))
    assert body["version"] == 1
    assert body["parts"][0]["alpha"]["nominal"].keys() == {"value", "low", "high", "n"}


def test_the_same_records_give_the_same_findings():
    assert inspect(biased()) == inspect(biased())


def test_questions_are_those_of_the_findings():
    (part,) = inspect([rated(0, "x", [("", 3.0)])]).parts
    assert set(part.missing) <= set(QUESTIONS)
