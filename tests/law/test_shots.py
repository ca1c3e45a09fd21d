"""Laws of a few examples: how many, how even, and that more hold fewer."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.tasks.record import Record, Turn
from madrigal.tasks.shots import with_shots
from madrigal.tasks.task import Task

LABELS = ("a", "b", "c", "d")


@settings(deadline=None)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=40), st.data())
def test_shots_are_as_even_as_the_data_allow_and_more_hold_fewer(answers, data):
    # Prompts repeat, so that examples with the same content are among them.
    records = tuple(
        Record("x", (Turn("user", f"prompt {i % 7}"),), (answer,), LABELS)
        for i, answer in enumerate(answers)
    )
    task = Task("t", "choice", "accuracy", {"train": records, "validation": (), "test": ()})
    most = data.draw(st.integers(1, len(records)))
    fewer = data.draw(st.integers(1, most))
    draw, seed = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 5))
    many, few = (with_shots(task, count, draw, seed).splits["train"] for count in (most, fewer))
    assert (len(many), len(few)) == (most, fewer)
    assert not Counter(r.key for r in few) - Counter(r.key for r in many)
    there, taken = Counter(answers), Counter(r.answers[0] for r in many)
    for label in there:
        # One with fewer than another by two or more has no example left.
        assert taken[label] >= max(taken.values()) - 1 or taken[label] == there[label]
