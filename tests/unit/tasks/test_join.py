"""What belongs together becomes one record, and nothing that was said is lost."""

from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.join import MOST_ANSWERS, joined
from madrigal.tasks.record import Record, Turn


def said(kind, prompt, answers, *judgements, where="f:1", scale=None, **fields):
    turns = (Turn("user", prompt),) if prompt else ()
    feedback = Feedback(kind, tuple(answers), judgements, scale=scale)
    return Record(where, turns, feedback=feedback, fields=fields)


def rated(prompt, answer, value, annotator="", aspect="", **more):
    judgement = Judgement((value,), annotator, aspect)
    return said("rating", prompt, [answer], judgement, scale=(1.0, 5.0), **more)


def test_rated_answers_of_one_prompt_become_one_record():
    rows = [
        rated("p", "x", 1.0, where="f:1", by="a", of="t"),
        rated("q", "x", 2.0, where="f:2"),
        rated("p", "y", 3.0, where="f:3", by="b", of="t"),
        rated("p", "x", 4.0, where="f:4", by="c", of="t"),
    ]
    first, second = joined(rows)
    assert (first.where, first.fields) == ("f:1", {"of": "t"})
    assert first.feedback.answers == ("x", "y")
    assert first.feedback.scale == (1.0, 5.0)
    # Nobody knows whether the same person rated both, so nothing was compared.
    values = [one.values for one in first.feedback.judgements]
    assert values == [(1.0, None), (None, 3.0), (4.0, None)]
    assert second is rows[1]


def test_what_one_person_said_of_several_answers_is_one_judgement():
    rows = [
        rated("p", "x", 1.0, "ann"),
        rated("p", "y", 2.0, "bob"),
        rated("p", "y", 3.0, "ann"),
        rated("p", "x", 4.0, "ann"),  # has changed her mind
        rated("p", "y", 5.0, "ann", "wit"),
    ]
    (record,) = joined(rows)
    assert record.feedback.judgements == (
        Judgement((1.0, 3.0), "ann"),
        Judgement((None, 2.0), "bob"),
        Judgement((4.0, None), "ann"),
        Judgement((None, 5.0), "ann", "wit"),
    )


def test_a_record_has_so_many_answers_at_most():
    rows = [rated("p", f"x{i % 20}", 1.0) for i in range(40)]
    records = joined(rows)
    assert [len(r.feedback.answers) for r in records] == [MOST_ANSWERS, 16, 8]
    assert sum(len(r.feedback.judgements) for r in records) == 40


def test_texts_that_were_judged_alone_are_joined_by_the_text():
    records = joined([rated("", "x", 1.0), rated("", "y", 2.0), rated("", "x", 3.0)])
    assert [record.feedback.answers for record in records] == [("x",), ("y",)]
    assert [one.values for one in records[0].feedback.judgements] == [(1.0,), (3.0,)]


def test_verdicts_on_one_pair_are_joined_whichever_stands_first():
    one = said("verdict", "p", "xy", Judgement((1.0, 0.0), "m", shown=(0, 1)))
    two = said("verdict", "p", "yx", Judgement((1.0, 0.0), "m", shown=(0, 1)))
    other = said("verdict", "p", "xz", Judgement((1.0, 0.0), "m"))
    first, second = joined([one, two, other])
    assert first.feedback.answers == ("x", "y")
    assert first.feedback.judgements == (
        Judgement((1.0, 0.0), "m", shown=(0, 1)),
        Judgement((0.0, 1.0), "m", shown=(1, 0)),
    )
    assert second is other


def test_pairs_are_joined_where_it_is_known_who_judged():
    named = [said("pair", "p", "xy", Judgement((1.0, 0.0), who)) for who in ("ann", "bob")]
    (record,) = joined(named)
    assert [one.annotator for one in record.feedback.judgements] == ["ann", "bob"]
    unnamed = [said("pair", "p", "xy", Judgement((1.0, 0.0))) for _ in range(2)]
    assert joined(unnamed) == unnamed


def test_a_text_that_stands_twice_is_one_answer_with_two_ratings():
    row = said("rating", "p", "xyx", Judgement((1.0, 2.0, 3.0), "ann"), scale=(1.0, 5.0))
    (record,) = joined([row])
    assert record.feedback.answers == ("x", "y")
    assert record.feedback.judgements == (
        Judgement((1.0, 2.0), "ann"),
        Judgement((3.0, None), "ann"),
    )


def test_rankings_and_corrections_stay_as_they_are():
    rows = [said(kind, "p", "xy", Judgement((1.0, 0.0), "a")) for kind in ("ranking", "correction")]
    assert joined([*rows, *rows]) == [*rows, *rows]
