"""What must hold of any judged answers: reading what was written, and how judgements add up."""

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.recipe.task import InstructionSettings, TaskSettings
from madrigal.tasks.canonical import canonical, is_plain
from madrigal.tasks.consensus import consensus
from madrigal.tasks.feedback import ALONE, Feedback, Judgement
from madrigal.tasks.formats.detect import format_of
from madrigal.tasks.join import joined
from madrigal.tasks.prepare import prepare
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.row import Row

KINDS = ("pair", "ranking", "rating", "thumb", "correction", "verdict")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
SAID = TEXT.filter(str.strip)
NUMBERS = {
    "pair": st.sampled_from([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]),
    "verdict": st.sampled_from([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]),
    "correction": st.just((0.0, 1.0)),
}


# Plain data: objects of checked types are made in the tests, as strategies must not use `random`.
@st.composite
def judgements(draw, kind, count):
    fitting = {"thumb": st.sampled_from([0.0, 1.0]), "rating": st.floats(1, 5)}
    one = st.none() | fitting.get(kind, st.integers(0, 4).map(float))
    values = NUMBERS.get(kind, st.tuples(*[one] * count).filter(lambda v: v != (None,) * count))
    return (
        draw(values),
        draw(st.just("") | SAID.map(str.strip)),
        draw(st.just("") | SAID) if kind == "rating" else "",
        tuple(draw(st.just(()) | st.permutations(range(count)))),
        draw(st.integers(1, 3)),
    )


@st.composite
def records(draw):
    kind = draw(st.sampled_from(KINDS))
    least = 1 if kind in ALONE else 2
    most = 4 if kind in (*ALONE, "ranking") else 2
    answers = draw(st.lists(SAID, min_size=least, max_size=most, unique_by=str.strip))
    said = draw(st.lists(judgements(kind, len(answers)), min_size=1, max_size=4))
    if draw(st.booleans()):  # the shapes that other trainers read, too
        first = {"pair": (1.0, 0.0), "correction": (0.0, 1.0)}.get(kind, said[0][0])
        said = [(first, said[0][1])]
    more = {
        "margin": draw(st.none() | st.floats(0, 9)) if kind == "pair" else None,
        "scale": (1.0, 5.0) if kind == "rating" else None,
        "comment": draw(st.just("") | SAID) if kind == "correction" else "",
    }
    alone = kind in (*ALONE, "correction") and draw(st.booleans())
    system = [("system", draw(SAID))] if draw(st.booleans()) else []
    before = [("user", draw(SAID)), ("assistant", draw(SAID), False)]
    turns = [*system, *(before if draw(st.booleans()) else []), ("user", draw(SAID))]
    return (kind, tuple(answers), said, more, [] if alone else turns)


def made(plain):
    kind, answers, said, more, turns = plain
    feedback = Feedback(kind, answers, tuple(Judgement(*one) for one in said), **more)
    return Record("f:1", tuple(Turn(*turn) for turn in turns), feedback=feedback)


@settings(max_examples=300)
@given(records())
def test_what_is_written_reads_back_as_the_same_record(plain_record):
    record = made(plain_record)
    for plain in {False, is_plain([record])}:
        row = Row("f", "f:1", json.loads(json.dumps(canonical(record, plain))))
        shape = format_of(row)
        (draft,) = shape.drafts(row, InstructionSettings())
        read = prepare(draft, TaskSettings.model_validate({"data": "f"}), None)
        assert read.feedback == record.feedback
        assert read.key == record.key
        assert joined([read]) == [read]


@given(records(), st.randoms(use_true_random=False))
def test_a_consensus_has_no_side_and_no_order(plain_record, chance):
    said = made(plain_record).feedback
    found = consensus(said)
    wins = np.array(found.wins)
    there = ~np.isnan(wins)
    assert (there == there.T).all()
    np.testing.assert_allclose((wins + wins.T)[there], 1, atol=1e-9)
    assert not there.diagonal().any()
    values = np.array(found.values)
    assert ((values >= -1e-9) & (values <= 1 + 1e-9) | np.isnan(values)).all()
    assert np.isnan(values).all() or said.kind in ALONE

    order = list(range(len(said.answers)))
    chance.shuffle(order)
    turned = [
        Judgement(tuple(one.values[k] for k in order), one.annotator, one.aspect, (), one.people)
        for one in said.judgements
    ]
    chance.shuffle(turned)
    answers = tuple(said.answers[k] for k in order)
    other = consensus(Feedback(said.kind, answers, tuple(turned), scale=said.scale))
    np.testing.assert_allclose(np.array(other.wins), wins[np.ix_(order, order)], atol=1e-9)
    np.testing.assert_allclose(np.array(other.values), values[order], atol=1e-9)


@given(records())
def test_people_of_equal_trust_count_as_if_there_were_none(plain_record):
    said = made(plain_record).feedback
    one, other = consensus(said), consensus(said, lambda _: 0.3)
    for mine, its in zip((*one.wins, one.values), (*other.wins, other.values), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-9)


@given(st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("xyz"), st.integers(1, 5),
                          st.sampled_from(["", "ann", "bob"])), max_size=12))  # fmt: skip
def test_joining_loses_no_rating_and_changes_no_mean(rows):
    some = [
        Record("f:1", (Turn("user", prompt),), feedback=Feedback(
            "rating", (answer,), (Judgement((float(value),), who),), scale=(1.0, 5.0)))
        for prompt, answer, value, who in rows
    ]  # fmt: skip
    found = joined(some)
    assert joined(found) == found
    assert len(found) == len({prompt for prompt, *_ in rows})
    for record in found:
        values = consensus(record.feedback).values
        for answer, mean in zip(record.feedback.answers, values, strict=True):
            given_ = [v for p, a, v, _ in rows if (p, a) == (record.prompt, answer)]
            assert math.isclose(mean, (sum(given_) / len(given_) - 1) / 4, abs_tol=1e-9)
